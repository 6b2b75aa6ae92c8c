package main

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/anatomy"
	"github.com/sojourn-go/sojourn/flask"
)

func newCookie() *cobra.Command {
	group := newGroup("cookie", "Take cookies apart, verify them, and sign those in Flask's form", "inspect, verify or sign")
	group.AddCommand(newInspect(), newVerify(), newSign())
	return group
}

// signing is how cookies are signed: the keys, and what a Flask application can
// change by a subclass of SecureCookieSessionInterface.
type signing struct {
	files      []string
	salt       string
	digest     string
	derivation string
	lenient    bool
}

const keyHelp = `
The key comes from --secret-file, which may be given several times: the first
signs, all verify. A file holds one key, of any bytes; one newline at its end is
not part of it, and a content that begins with "base64:" is decoded. Of a key
file that "sojourn key add" has written, all keys count, in their states. Without
a file the key is the whole value of the environment variable SECRET_KEY. Weak
keys are accepted with a warning.`

const defaultSalt = "cookie-session"

func (s *signing) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&s.files, "secret-file", nil, "file that holds a key; repeatable, the first signs, all verify")
	f.StringVar(&s.salt, "salt", defaultSalt, "salt of the key derivation, if the application changed it")
	f.StringVar(&s.digest, "digest", "sha1", "digest: "+strings.Join(digestNames, ", "))
	f.StringVar(&s.derivation, "derivation", "hmac", "key derivation: "+strings.Join(derivationNames, ", "))
	addLenient(cmd, &s.lenient)
}

func addLenient(cmd *cobra.Command, lenient *bool) {
	cmd.Flags().BoolVar(lenient, "lenient", false, "read what Flask reads but never writes, as flask.Lenient does")
}

// Names as itsdangerous and hashlib have them, in the order of the values.
var (
	digestNames     = []string{"sha1", "sha256", "sha384", "sha512"}
	digests         = []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512}
	derivationNames = []string{"hmac", "concat", "django-concat", "none"}
	derivations     = []flask.Derivation{flask.DeriveHMAC, flask.DeriveConcat, flask.DeriveDjangoConcat, flask.DeriveNone}
)

// signer returns a signer for secrets.
func (s *signing) signer(secrets []secret) (*flask.Signer, error) {
	digest := slices.Index(digestNames, s.digest)
	if digest < 0 {
		return nil, fmt.Errorf("unknown --digest %q: choose one of %s", s.digest, strings.Join(digestNames, ", "))
	}
	derivation := slices.Index(derivationNames, s.derivation)
	if derivation < 0 {
		return nil, fmt.Errorf("unknown --derivation %q: choose one of %s", s.derivation, strings.Join(derivationNames, ", "))
	}
	ring, err := newRing(secrets)
	if err != nil {
		return nil, err
	}
	options := []flask.Option{flask.Salt(s.salt), flask.Digest(digests[digest]), flask.KeyDerivation(derivations[derivation])}
	if s.lenient {
		options = append(options, flask.Lenient())
	}
	return flask.NewSigner(ring, options...)
}

// prepare reads the keys and makes the signer.
func (s *signing) prepare(cmd *cobra.Command) (*flask.Signer, []secret, error) {
	secrets, err := readAllSecrets(s.files)
	if err != nil {
		return nil, nil, err
	}
	signer, err := s.signer(secrets)
	if err != nil {
		return nil, nil, err
	}
	warn(cmd, secrets)
	return signer, secrets, nil
}

// verify verifies cookie as of now, both times in seconds. A time.Duration ends
// after 292 years; Flask's lifetime does not, so an age beyond is judged here.
func verify(signer *flask.Signer, cookie string, now, maxAge int64) (flask.Verified, error) {
	const longest = math.MaxInt64 / int64(time.Second)
	at := time.Unix(now, 0)
	v, err := signer.Verify(cookie, at, time.Duration(min(max(maxAge, -1), longest))*time.Second)
	if maxAge > longest && sojourn.ReasonOf(err) == sojourn.ReasonExpired && now-v.IssuedAt.Unix() <= maxAge {
		return signer.Verify(cookie, v.IssuedAt, 0)
	}
	return v, err
}

// output writes a command's answer.
func output(cmd *cobra.Command, text string) error {
	if _, err := io.WriteString(cmd.OutOrStdout(), text); err != nil {
		return &failure{err: err}
	}
	return nil
}

// refuse answers that a cookie, or what was to become one, is not accepted.
func refuse(cmd *cobra.Command, what string, asJSON bool, refusal error, advice ...string) error {
	reason := sojourn.ReasonOf(refusal)
	if reason == "" {
		reason = sojourn.ReasonPayload // the one thing that has errors of its own
	}
	detail := anatomy.Detail(refusal)
	if asJSON {
		text := fmt.Sprintf(`{"valid":false,"reason":%s,"detail":%s}`+"\n", quote(string(reason)), quote(detail))
		if err := output(cmd, text); err != nil {
			return err
		}
		return &failure{err: refusal, silent: true}
	}
	text := fmt.Sprintf("%s refused (%s): %s", what, reason, detail)
	for _, a := range advice {
		text += "\n  " + a
	}
	return &failure{err: errors.New(text)}
}

// inputRefused answers for input that is too large to be looked at; other
// errors of the input are passed on.
func inputRefused(cmd *cobra.Command, what string, asJSON bool, err error) error {
	if sojourn.ReasonOf(err) == "" {
		return err
	}
	return refuse(cmd, what, asJSON, err)
}

// quote writes text as a JSON string.
func quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // strings can always be written
	}
	return string(b)
}

// printable returns text as it is, or quoted where a terminal would obey it.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.QuoteToASCII(text)
	}
	return text
}

// signatureText names a signature by its length, which tells the digest.
func signatureText(signature string) string {
	if signature == "" {
		return "empty"
	}
	text := fmt.Sprintf("%s, %d characters", printable(signature), len(signature))
	for i, h := range digests {
		if len(signature) == (h.Size()*8+5)/6 {
			return text + ", as of " + digestNames[i]
		}
	}
	return text + ", as of no digest known here"
}

// timeText gives a time and how long it is before or after now.
func timeText(t time.Time, now int64) string {
	text := t.UTC().Format("2006-01-02 15:04:05 UTC")
	if t.Unix() >= yearTenThousand {
		text = fmt.Sprintf("second %d, after the year 9999", t.Unix())
	}
	switch age := now - t.Unix(); {
	case age > 0:
		return text + ", " + spanText(age) + " before now"
	case age < 0:
		return text + ", " + spanText(-age) + " after now"
	}
	return text + ", now"
}

const yearTenThousand = 253402300800

// spanText gives seconds in the unit that suits them.
func spanText(seconds int64) string {
	for _, u := range []struct {
		name    string
		seconds int64
	}{{"days", 86400}, {"hours", 3600}, {"minutes", 60}} {
		if seconds >= 2*u.seconds {
			return fmt.Sprintf("%d %s", seconds/u.seconds, u.name)
		}
	}
	if seconds == 1 {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", seconds)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
