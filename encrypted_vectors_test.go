package sojourn_test

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/keys"
)

// sealedFile has what version 1 wrote, and what it refuses. Every later version
// reads the same. With -update cases are added, never rewritten.
const sealedFile = "testdata/encrypted-v1.json"

type sealedFileText struct {
	Accepted []sealedVector `json:"accepted"`
	Refused  []sealedVector `json:"refused"`
}

// A sealedVector is one cookie.
type sealedVector struct {
	About       string         `json:"about"`
	Keys        string         `json:"keys"` // as keys.Parse reads them
	Application string         `json:"application"`
	Cookie      string         `json:"cookie"` // its name
	Text        string         `json:"text"`
	Rewrite     bool           `json:"rewrite,omitempty"` // read with a key that is read-only
	Session     *sealedSession `json:"session,omitempty"`
	Reason      sojourn.Reason `json:"reason,omitempty"`
}

// A sealedSession is what a cookie holds.
type sealedSession struct {
	Handle   string            `json:"handle"`
	Owner    string            `json:"owner"`
	Created  int64             `json:"created"`  // milliseconds since 1970
	LastSeen int64             `json:"lastSeen"` // the same
	Fields   map[string]string `json:"fields"`   // name to tagged JSON
}

func (s *sealedSession) snapshot() *sojourn.Snapshot {
	rec := &sojourn.Snapshot{Handle: s.Handle, Owner: s.Owner, Created: time.UnixMilli(s.Created), LastSeen: time.UnixMilli(s.LastSeen)}
	for name, raw := range s.Fields {
		rec.State = append(rec.State, sojourn.EncodedField{Name: name, Raw: raw})
	}
	return rec
}

func (s *sealedSession) String() string { text, _ := json.Marshal(s); return string(text) }

// sessionOf is the reverse of snapshot.
func sessionOf(rec *sojourn.Snapshot) *sealedSession {
	s := &sealedSession{rec.Handle, rec.Owner, rec.Created.UnixMilli(), rec.LastSeen.UnixMilli(), map[string]string{}}
	for _, f := range rec.State {
		s.Fields[f.Name] = f.Raw
	}
	return s
}

// sealedCodec is the form under the ring that text stands for.
func sealedCodec(t testing.TB, text, application string) sojourn.Codec {
	t.Helper()
	ring, err := keys.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sojourn.CodecOf(sojourn.Encrypted(ring, sojourn.Application(application)))
}

func (v *sealedVector) codec(t testing.TB) sojourn.Codec {
	return sealedCodec(t, v.Keys, v.Application)
}

func (v *sealedVector) use() sojourn.Use {
	return sojourn.Use{Cookie: v.Cookie, Now: time.UnixMilli(1_800_000_000_000)}
}

func readSealed(t testing.TB) (file sealedFileText) {
	t.Helper()
	text, err := os.ReadFile(sealedFile)
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestEncryptedVectors reads every text twice: with the package, and with a
// decoder that knows nothing but docs/formats.md. That one gives the nonce to
// crypto/cipher itself, which FIPS 140-only mode forbids.
func TestEncryptedVectors(t *testing.T) {
	if *update {
		writeSealed(t)
	}
	file := readSealed(t)
	if len(file.Accepted) < 12 || len(file.Refused) < 12 {
		t.Fatalf("%d and %d vectors", len(file.Accepted), len(file.Refused))
	}
	for _, v := range file.Accepted {
		d, err := v.codec(t).Decode(v.Text, v.use())
		if err != nil || sessionOf(&d.Snapshot).String() != v.Session.String() || d.Rewrite != v.Rewrite || d.Adopt {
			t.Errorf("%s: %v\n got %s, rewrite %v\nwant %s", v.About, err, sessionOf(&d.Snapshot), d.Rewrite, v.Session)
		}
		again, err := v.codec(t).Encode(v.Session.snapshot(), v.use())
		if err != nil || len(again) != len(v.Text) || again == v.Text {
			t.Errorf("%s: %v, encoded again it is %d bytes", v.About, err, len(again))
		}
		for _, text := range []string{v.Text, again} {
			if fips140.Enforced() {
				break
			}
			other, err := decodeByDocument(&v, text)
			if err != nil || other.String() != v.Session.String() {
				t.Errorf("%s: by the document: %v\n got %s\nwant %s", v.About, err, other, v.Session)
			}
		}
	}
	for _, v := range file.Refused {
		_, err := v.codec(t).Decode(v.Text, v.use())
		if v.Reason == "" || sojourn.ReasonOf(err) != v.Reason {
			t.Errorf("%s: %v, want reason %q", v.About, err, v.Reason)
		}
		if _, err := decodeByDocument(&v, v.Text); err == nil {
			t.Errorf("%s: accepted by the document", v.About)
		}
	}
}

// decodeByDocument is another implementation, written from docs/formats.md.
func decodeByDocument(v *sealedVector, text string) (*sealedSession, error) {
	if len(text) > 16<<10 {
		return nil, errors.New("too long")
	}
	for _, c := range []byte(text) {
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", rune(c)) {
			return nil, errors.New("not in the alphabet")
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || base64.RawURLEncoding.EncodeToString(raw) != text || len(raw) < 1+4+16+16+12+16 {
		return nil, errors.New("not of the form")
	}
	version, id, salt, commitment, nonce, sealed := raw[0], raw[1:5], raw[5:21], raw[21:37], raw[37:49], raw[49:]
	master := masterByID(v.Keys, id)
	if version != 1 || master == nil {
		return nil, errors.New("no such version, or no such key")
	}
	prk, err := hkdf.Extract(sha256.New, master, []byte("sojourn encrypted v1"))
	if err != nil {
		return nil, err
	}
	okm, err := hkdf.Expand(sha256.New, prk, "seal\x00"+string(salt)+"session\x00"+v.Application+"\x00"+v.Cookie, 48)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(okm[32:], commitment) {
		return nil, errors.New("another key")
	}
	block, err := aes.NewCipher(okm[:32])
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nonce, sealed, raw[:37])
	if err != nil {
		return nil, err
	}
	return plainByDocument(plain)
}

// masterByID finds the key in either form of the text.
func masterByID(text string, id []byte) []byte {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "state=retired") {
			continue
		}
		if at := strings.Index(line, "key="); at >= 0 {
			line = line[at+4:]
		}
		if sum := sha256.Sum256([]byte("sojourn key id v1\x00" + line)); bytes.Equal(sum[:4], id) {
			return []byte(line)
		}
	}
	return nil
}

func plainByDocument(plain []byte) (*sealedSession, error) {
	number := func() (n uint64) {
		for shift := 0; len(plain) > 0; shift += 7 {
			c := plain[0]
			plain = plain[1:]
			n |= uint64(c&0x7f) << shift
			if c < 0x80 {
				break
			}
		}
		return n
	}
	take := func(n int) []byte {
		part := plain[:n]
		plain = plain[n:]
		return part
	}
	s := &sealedSession{Fields: map[string]string{}}
	s.Created = int64(number())
	delta := number()
	s.LastSeen = s.Created + int64(delta/2)
	if delta%2 == 1 {
		s.LastSeen = s.Created - int64(delta/2) - 1
	}
	s.Handle = hex.EncodeToString(take(1))
	s.Handle += base64.RawURLEncoding.EncodeToString(take(16))
	s.Owner = string(take(int(number())))
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(plain, &fields); err != nil {
		return nil, err
	}
	for name, raw := range fields {
		if name == " di" && len(fields) == 1 {
			return s, json.Unmarshal(raw, &untagged{s.Fields})
		}
		s.Fields[name] = string(raw)
	}
	return s, nil
}

// untagged reads the one mapping whose only name looks like a tag.
type untagged struct{ fields map[string]string }

func (u *untagged) UnmarshalJSON(text []byte) error {
	var inner map[string]json.RawMessage
	err := json.Unmarshal(text, &inner)
	for name, raw := range inner {
		u.fields[strings.TrimSuffix(name, "__")] = string(raw)
	}
	return err
}

const (
	sealedKeyA = "0d1ec2a0c9b34c80d5f3a5d1c7c4e6f9d5b2c38b9f0d9a6d7a2f5f0d1e8b7c61"
	sealedKeyB = "b81f0f4f9c1c4f9fb5e2d2c71e0f3a9c77a8d6f1e94b035c20f6d1a3854e9b72"
	sealedKeyC = "5f9a3b1c7e8d2046f1b9c8a7d6e5f40312a4b6c8d0e2f4961837a5c9ebd0f251"
)

// sealedCases are the sessions of the file, without their texts.
func sealedCases() []sealedVector {
	const host, created = "__Host-Http-session", 1_763_000_000_123
	fields := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	session := func(owner string, f map[string]string) *sealedSession {
		return &sealedSession{"a3AAECAwQFBgcICQoLDA0ODw", owner, created, created + 61_001, f}
	}
	big := fields()
	for i := range 40 {
		big[fmt.Sprintf("field%02d", i)] = fmt.Sprintf(`"%s"`, strings.Repeat(string(rune('a'+i%26)), 40))
	}
	list := []sealedVector{
		{About: "nobody's, with no fields", Session: session("", fields())},
		{About: "an owner and a field", Session: session("alice", fields("language", `"fra"`))},
		{About: "an owner of 255 bytes", Session: session(strings.Repeat("o", 255), fields("a", "1"))},
		{About: "an owner and names that are not ASCII", Session: session("Zoë 日本 🙂", fields("größe", `"\u00e9\ud83d\ude42"`, "日", `"\ud800"`))},
		{About: "tuples, bytes, times, Markup, a UUID", Session: session("7", fields("_flashes", `[{" t":["info","saved"]}]`, "bytes", `{" b":"AP8Q"}`,
			"date", `{" d":"Sun, 06 Nov 1994 08:49:37 GMT"}`, "markup", `{" m":"<b>x</b>"}`, "tuple", `{" t":[1,{" t":[]}]}`, "uuid", `{" u":"00112233445566778899aabbccddeeff"}`))},
		{About: "numbers", Session: session("7", fields("big", "123456789012345678901234567890", "float", "1e+22", "minus", "-0.0", "null", "null", "true", "true"))},
		{About: "one field that is named like a tag", Session: session("", fields(" t", "[1]"))},
		{About: "a big one", Session: session("alice", big)},
		{About: "made in 1970, used before it was made", Session: &sealedSession{"00_____________________w", "alice", 0, -1, fields("a", "{}")}},
		{About: "made in the year 2255, used the same moment", Session: &sealedSession{"ffAAAAAAAAAAAAAAAAAAAAAA", "alice", 9_000_000_000_000, 9_000_000_000_000, fields("a", "[]")}},
		{About: "an application", Application: "shop", Session: session("alice", fields("cart", `[["tea",2]]`))},
		{About: "an application that is not ASCII", Application: "Bücher/2", Session: session("alice", fields("cart", "[]"))},
		{About: "another cookie", Cookie: "session", Session: session("alice", fields("language", `"fr"`))},
		{About: "an old key of a ring", Keys: sealedKeyB + "\n" + sealedKeyA, Rewrite: true, Session: session("alice", fields("language", `"fr"`))},
		{About: "a key that is next", Keys: "# sojourn keys 1\nstate=active key=" + sealedKeyC + "\nstate=next key=" + sealedKeyA, Session: session("alice", fields("language", `"fr"`))},
		{About: "a key that is not hexadecimal", Keys: "a passphrase, which is quite long & has 7 kinds of signs", Session: session("alice", fields("language", `"fr"`))},
	}
	for i := range list {
		v := &list[i]
		v.Keys, v.Cookie = cmp.Or(v.Keys, sealedKeyA), cmp.Or(v.Cookie, host)
	}
	return list
}

// writeSealed adds to the file what it lacks.
func writeSealed(t *testing.T) {
	var file sealedFileText
	if text, err := os.ReadFile(sealedFile); err == nil {
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
	}
	has := func(list []sealedVector, about string) bool {
		return slices.ContainsFunc(list, func(v sealedVector) bool { return v.About == about })
	}
	for _, v := range sealedCases() {
		if has(file.Accepted, v.About) {
			continue
		}
		writer := sealedVector{Keys: v.Keys, Application: v.Application, Cookie: v.Cookie}
		if strings.Contains(v.Keys, "\n") {
			writer.Keys = sealedKeyA // where it is the active one
		}
		var err error
		if v.Text, err = writer.codec(t).Encode(v.Session.snapshot(), writer.use()); err != nil {
			t.Fatal(err)
		}
		file.Accepted = append(file.Accepted, v)
	}
	for _, v := range refusedCases(file.Accepted[1]) {
		if !has(file.Refused, v.About) {
			file.Refused = append(file.Refused, v)
		}
	}
	text, err := json.MarshalIndent(file, "", "\t")
	if err == nil {
		err = os.WriteFile(sealedFile, append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// refusedCases are made of one good vector.
func refusedCases(good sealedVector) []sealedVector {
	var list []sealedVector
	refused := func(about string, reason sojourn.Reason, change func(v *sealedVector)) {
		v := good
		v.About, v.Session, v.Reason = about, nil, reason
		change(&v)
		list = append(list, v)
	}
	text := good.Text
	bytesOf := func(change func(raw []byte) []byte) string {
		raw, _ := base64.RawURLEncoding.DecodeString(text)
		return base64.RawURLEncoding.EncodeToString(change(raw))
	}
	flip := func(at int) string { return bytesOf(func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 1; return b }) }
	refused("another cookie's name", sojourn.ReasonSignature, func(v *sealedVector) { v.Cookie = "session" })
	refused("another application", sojourn.ReasonSignature, func(v *sealedVector) { v.Application = "shop" })
	refused("a key that is not in the ring", sojourn.ReasonKey, func(v *sealedVector) { v.Keys = sealedKeyB })
	refused("a key that is retired", sojourn.ReasonKey, func(v *sealedVector) {
		v.Keys = "# sojourn keys 1\nstate=active key=" + sealedKeyB + "\nstate=retired key=" + sealedKeyA
	})
	refused("version 2", sojourn.ReasonMalformed, func(v *sealedVector) { v.Text = bytesOf(func(b []byte) []byte { b[0] = 2; return b }) })
	refused("version 0", sojourn.ReasonMalformed, func(v *sealedVector) { v.Text = flip(0) })
	refused("the salt changed", sojourn.ReasonSignature, func(v *sealedVector) { v.Text = flip(5) })
	refused("the commitment changed", sojourn.ReasonSignature, func(v *sealedVector) { v.Text = flip(36) })
	refused("the nonce changed", sojourn.ReasonSignature, func(v *sealedVector) { v.Text = flip(37) })
	refused("the ciphertext changed", sojourn.ReasonSignature, func(v *sealedVector) { v.Text = flip(49) })
	refused("the tag changed", sojourn.ReasonSignature, func(v *sealedVector) { v.Text = flip(-1) })
	refused("a byte less", sojourn.ReasonSignature, func(v *sealedVector) { v.Text = bytesOf(func(b []byte) []byte { return b[:len(b)-1] }) })
	refused("a byte more", sojourn.ReasonSignature, func(v *sealedVector) { v.Text = bytesOf(func(b []byte) []byte { return append(b, 0) }) })
	refused("only the header", sojourn.ReasonMalformed, func(v *sealedVector) { v.Text = bytesOf(func(b []byte) []byte { return b[:37] }) })
	refused("unused bits that are not zero", sojourn.ReasonMalformed, func(v *sealedVector) { v.Text = respelled(text) })
	refused("padding", sojourn.ReasonMalformed, func(v *sealedVector) { v.Text += strings.Repeat("=", (4-len(text)%4)%4) })
	refused("a newline inside", sojourn.ReasonMalformed, func(v *sealedVector) { v.Text = text[:50] + "\n" + text[50:] })
	refused("in quotes", sojourn.ReasonMalformed, func(v *sealedVector) { v.Text = `"` + text + `"` })
	refused("nothing", sojourn.ReasonMalformed, func(v *sealedVector) { v.Text = "" })
	return list
}

// respelled is text with other unused bits in the last character, which must
// have some.
func respelled(text string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(digits, text[len(text)-1])
	return text[:len(text)-1] + digits[last+1:last+2]
}
