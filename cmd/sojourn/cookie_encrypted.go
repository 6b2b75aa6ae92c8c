package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/anatomy"
	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/demo"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

// sealing is how cookies are encrypted: the keys, and what the program calls
// the cookie and itself.
type sealing struct {
	files       []string
	name        string
	application string
	show        bool
}

// A moment says as of when a cookie is judged.
type moment struct {
	now, maxAge integer
}

// clock sets now to the time it is, unless it was given.
func (m *moment) clock() {
	if !m.now.given {
		m.now.value = time.Now().Unix()
	}
}

// defaultName is the cookie's name in a program that gives it none.
const defaultName = "__Host-Http-session"

// usualNames are those that the library gives, and the demo.
var usualNames = []string{defaultName, "__Http-session", "session", demo.CookieName}

const sealedHelp = `
An encrypted cookie of Sojourn's is recognised by its form. It is bound to its
--name, and to the --application if the program has given one; a key file is
then read as programs read it, one key a line. What it holds is private, so of
fields it prints the names and sizes; --show prints their values. Its age counts
from when it was last used; without --max-age it may be 400 days old by the
clock, whatever --now is, which is the longest that a program can allow. With --json
the answer has "form":"encrypted", "key_id", "handle", "owner", "made" and
"last_used" in Unix seconds, "sizes", and with --show the "payload".`

func (s *sealing) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.name, "name", defaultName, "name of the cookie, if it is encrypted")
	f.StringVar(&s.application, "application", "", "what the program gives to sojourn.Application, if the cookie is encrypted")
	f.BoolVar(&s.show, "show", false, "print the values of fields too, if the cookie is encrypted")
}

// onlyFlask are the flags that say how a cookie in Flask's form is signed.
var onlyFlask = []string{"salt", "digest", "derivation", "lenient"}

// verify answers what is in an encrypted cookie, or why it is refused.
func (s *sealing) verify(cmd *cobra.Command, cookie string, asJSON bool, at *moment) error {
	for _, name := range onlyFlask {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is for Flask's form; this cookie is encrypted", name)
		}
	}
	ring, err := sealingRing(s.files)
	if err != nil {
		return err
	}
	u, err := anatomy.Unseal(ring, s.name, s.application, cookie)
	switch {
	case sojourn.ReasonOf(err) != "":
		return refuse(cmd, "cookie", asJSON, err, s.advise(err, ring, cookie)...)
	case err != nil:
		return fmt.Errorf("--name %s: no cookie can be read that is called so", strconv.QuoteToASCII(s.name))
	}
	if advice, err := at.judge(u); err != nil {
		return refuse(cmd, "cookie", asJSON, err, advice)
	}
	sealed, _ := anatomy.OfSealed(cookie)
	sizes, err := fieldSizes(u.Fields)
	if err != nil {
		return &failure{err: err}
	}
	if asJSON {
		return output(cmd, s.validJSON(u, sealed.KeyID, sizes))
	}
	return output(cmd, s.validText(u, keyText(ring, sealed.KeyID), len(cookie), sizes, at.now.value))
}

// judge refuses a cookie that was last used too long before the moment, or after
// it. Without --now there is no future: programs do not mind it in an encrypted
// cookie, since only who has the key can write the time.
func (m *moment) judge(u *anatomy.Unsealed) (advice string, refusal error) {
	used := u.LastUsed.Unix() // not more than 400 days ago
	tooOld := &sojourn.RefusedError{Reason: sojourn.ReasonExpired, Detail: "older than it may be"}
	text := "last used at " + timeText(u.LastUsed, m.now.value)
	switch {
	case m.now.given && m.now.value < used:
		return text, &sojourn.RefusedError{Reason: sojourn.ReasonFuture, Detail: "last used later than --now"}
	case m.maxAge.given && (m.maxAge.value < 0 || m.now.value-used > m.maxAge.value):
		return text + fmt.Sprintf("; the most allowed is %d seconds, by --max-age", m.maxAge.value), tooOld
	case m.now.value-used > longestAge:
		return text + "; no program accepts one that was not used for 400 days", tooOld
	}
	return "", nil
}

// longestAge is the longest timeout that a program can have, in seconds.
const longestAge = 400 * 24 * 60 * 60

func (s *sealing) validText(u *anatomy.Unsealed, key string, size int, sizes map[string]int, now int64) string {
	var b strings.Builder
	owner := printable(u.Owner)
	if owner == "" {
		owner = "nobody is signed in"
	}
	fmt.Fprintln(&b, "valid, and encrypted")
	fmt.Fprintf(&b, "key:        %s\n", key)
	fmt.Fprintf(&b, "handle:     %s\n", u.Handle)
	fmt.Fprintf(&b, "owner:      %s\n", owner)
	fmt.Fprintf(&b, "made:       %s\n", timeText(u.Made, now))
	fmt.Fprintf(&b, "last used:  %s\n", timeText(u.LastUsed, now))
	fmt.Fprintf(&b, "size:       %d bytes\n", size)
	switch {
	case len(sizes) == 0:
		fmt.Fprintln(&b, "fields:     none")
	case s.show:
		fmt.Fprintf(&b, "fields:\n%s\n", anatomy.Indent(u.JSON))
	default:
		fmt.Fprintln(&b, "fields, without their values, which --show prints:")
		for _, name := range slices.Sorted(maps.Keys(sizes)) {
			fmt.Fprintf(&b, "  %s: %d bytes\n", printable(name), sizes[name])
		}
	}
	fmt.Fprintln(&b, "the program's own timeouts, and its list of ended sessions if it has one, have not been asked")
	return b.String()
}

func (s *sealing) validJSON(u *anatomy.Unsealed, key string, sizes map[string]int) string {
	var fields strings.Builder
	for i, name := range slices.Sorted(maps.Keys(sizes)) {
		if i > 0 {
			fields.WriteByte(',')
		}
		fmt.Fprintf(&fields, "%s:%d", quote(name), sizes[name])
	}
	text := fmt.Sprintf(`{"valid":true,"form":"encrypted","key_id":%q,"handle":%s,"owner":%s,"made":%d,"last_used":%d,"sizes":{%s}`,
		key, quote(u.Handle), quote(u.Owner), u.Made.Unix(), u.LastUsed.Unix(), fields.String())
	if s.show {
		text += `,"payload":` + u.JSON
	}
	return text + "}\n"
}

// fieldSizes are the bytes that the values of fields have as tagged JSON.
func fieldSizes(fields map[string]any) (map[string]int, error) {
	sizes := map[string]int{}
	for name, value := range fields {
		text, err := flask.Encode(map[string]any{"f": value})
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", printable(name), err)
		}
		sizes[name] = len(text) - len(`{"f":}`)
	}
	return sizes, nil
}

// keyText says which key of a ring has an id.
func keyText(ring *keys.Ring, id string) string {
	for _, info := range ring.Info() {
		if info.ID == id {
			return fmt.Sprintf("%s, %s", id, info.State)
		}
	}
	return id + ", which is not among the keys given"
}

// advise says what to try about a refused cookie, a line each.
func (s *sealing) advise(refusal error, ring *keys.Ring, cookie string) []string {
	sealed, _ := anatomy.OfSealed(cookie)
	switch sojourn.ReasonOf(refusal) {
	case sojourn.ReasonKey:
		lines := []string{"it says that it was encrypted with key " + keyText(ring, sealed.KeyID)}
		return append(lines, `"sojourn key list FILE" and "sojourn key check" name the keys of a file by their ids`)
	case sojourn.ReasonSignature:
		for _, name := range usualNames {
			if _, err := anatomy.Unseal(ring, name, s.application, cookie); err == nil {
				return []string{"it opens with --name " + name}
			}
		}
		return []string{"the key is right, so it was changed or cut off, or belongs to a cookie of another name, or to another application",
			"give the name of the cookie as --name, and what the program gives to sojourn.Application as --application"}
	case sojourn.ReasonExpired:
		return []string{"it was not used for 400 days, or made so long ago, by the clock, which --now does not change here: no program accepts it"}
	}
	return nil
}

// sealingRing makes a ring of the keys in files, or of the environment's. Any
// will do: people need this tool for the keys they have.
func sealingRing(files []string) (*keys.Ring, error) {
	if len(files) == 0 {
		value := os.Getenv(secretEnv)
		if value == "" {
			return nil, fmt.Errorf("no key: name a file with --secret-file, or set %s", secretEnv)
		}
		return parseKeys(secretEnv, []byte(value))
	}
	text, err := joinKeyFiles(files)
	if err != nil {
		return nil, err
	}
	return keys.Parse(text, keys.InsecureAllowWeak())
}

// parseKeys reads keys, weak ones too, from what is called source.
func parseKeys(source string, text []byte) (*keys.Ring, error) {
	ring, err := keys.Parse(text, keys.InsecureAllowWeak())
	if err != nil {
		return nil, fmt.Errorf("%s", strings.ReplaceAll(err.Error(), "keys: key text", printable(source)))
	}
	return ring, nil
}

// joinKeyFiles reads key files, each as keys.FromFile does, and makes one text of
// the managed form of them: the first one's active key is active.
func joinKeyFiles(files []string) ([]byte, error) {
	text, active, seen := managed+" 1\n", false, map[string]bool{}
	for _, file := range files {
		ring, err := readKeyFile(file)
		if err != nil {
			return nil, err
		}
		info := ring.Info()
		for i, e := range keys.NewDerived(ring, keys.Key.Bytes).Entries() {
			if seen[info[i].ID] {
				continue
			}
			seen[info[i].ID] = true
			state := e.State
			if state == keys.Active && active {
				state = keys.ReadOnly
			}
			active = active || state == keys.Active
			text += "state=" + string(state)
			for _, at := range []struct {
				name string
				time time.Time
			}{{"created", info[i].Created}, {"since", info[i].Since}} {
				if !at.time.IsZero() {
					text += " " + at.name + "=" + at.time.UTC().Format(time.RFC3339)
				}
			}
			text += " key=base64:" + base64.StdEncoding.EncodeToString(e.Value) + "\n"
		}
	}
	return []byte(text), nil
}

func readKeyFile(file string) (*keys.Ring, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("secret file: %w", openError(file, err))
	}
	defer f.Close()
	content, err := readBounded(f, "secret file "+printable(file), maxKeys)
	if err != nil {
		return nil, err
	}
	return parseKeys(file, content)
}

// sealedText explains an encrypted cookie without its key.
func sealedText(cookie string, s *anatomy.Sealed) string {
	var b strings.Builder
	fmt.Fprintln(&b, "an encrypted session; nothing of this has been verified, and nothing in it can be read without the key")
	fmt.Fprintf(&b, "version:    %d\n", s.Version)
	fmt.Fprintf(&b, "key id:     %s, the public name of the key that it says it was encrypted with\n", s.KeyID)
	fmt.Fprintf(&b, "salt:       %s, 16 bytes\n", s.Salt)
	fmt.Fprintf(&b, "commitment: %s, 16 bytes\n", s.Commitment)
	fmt.Fprintf(&b, "nonce:      %s, 12 bytes\n", s.Nonce)
	fmt.Fprintf(&b, "ciphertext: %d bytes, as many as what is in it\n", s.Ciphertext)
	fmt.Fprintf(&b, "tag:        %s, 16 bytes\n", s.Tag)
	fmt.Fprintf(&b, "size:       %d bytes\n", len(cookie))
	fmt.Fprintln(&b, "whoever has the key reads it with: sojourn cookie verify --secret-file FILE --name COOKIE-NAME VALUE")
	return b.String()
}

func sealedJSON(cookie string, s *anatomy.Sealed) string {
	b, err := json.Marshal(struct {
		Verified   bool   `json:"verified"`
		Form       string `json:"form"`
		Version    int    `json:"version"`
		KeyID      string `json:"key_id"`
		Salt       string `json:"salt"`
		Commitment string `json:"commitment"`
		Nonce      string `json:"nonce"`
		Ciphertext int    `json:"ciphertext"`
		Tag        string `json:"tag"`
		Size       int    `json:"size"`
	}{false, "encrypted", s.Version, s.KeyID, s.Salt, s.Commitment, s.Nonce, s.Ciphertext, s.Tag, len(cookie)})
	if err != nil {
		panic(err) // texts and numbers can always be written
	}
	return string(b) + "\n"
}

// tokenText explains the token of a stored session. Its secret is not printed.
func tokenText(cookie, handle string) string {
	return fmt.Sprintf(`the token of a session that is kept in a store; whether there is such a session, only the store knows
handle:     %s, the session's public name: by it the store finds it, and it can be listed and revoked
secret:     not printed: whoever has it is the visitor. The store keeps only its hash
size:       %d bytes
there is nothing else in it to read: what the session holds is in the store
`, handle, len(cookie))
}

func tokenJSON(cookie, handle string) string {
	return fmt.Sprintf(`{"verified":false,"form":"token","handle":%s,"size":%d}`+"\n", quote(handle), len(cookie))
}

// lookedFor is what inspect knows.
const lookedFor = "looked for: a signed cookie in Flask's form, three parts joined by dots; an encrypted one of Sojourn's, base64url whose first byte is 1, " +
	"of 87 characters or more; a token, 24 characters, a dot and 43 characters"

// explain answers for a cookie that is not of Flask's form, but of one of ours.
func explain(cmd *cobra.Command, cookie string, asJSON bool) (done bool, err error) {
	if handle, ok := anatomy.OfToken(cookie); ok {
		if asJSON {
			return true, output(cmd, tokenJSON(cookie, handle))
		}
		return true, output(cmd, tokenText(cookie, handle))
	}
	if sealed, ok := anatomy.OfSealed(cookie); ok {
		if asJSON {
			return true, output(cmd, sealedJSON(cookie, &sealed))
		}
		return true, output(cmd, sealedText(cookie, &sealed))
	}
	return false, nil
}
