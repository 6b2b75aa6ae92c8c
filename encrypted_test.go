package sojourn_test

import (
	"bytes"
	"context"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/internal/seal"
	"github.com/sojourn-go/sojourn/keys"
)

// sealedUse is how most of these tests read and write.
var sealedUse = sojourn.Use{Cookie: tokenCookie, Now: time.UnixMilli(1_800_000_000_000)}

// mustEncode writes a session of so many bytes.
func mustEncode(t testing.TB, c sojourn.Codec, owner string, size int) string {
	t.Helper()
	made := sealedUse.Now.Add(-time.Minute)
	rec := &sojourn.Snapshot{Handle: "a3AAECAwQFBgcICQoLDA0ODw", Owner: owner, Created: made, LastSeen: sealedUse.Now}
	if size > 0 {
		rec.State = []sojourn.EncodedField{{Name: "blob", Raw: `"` + strings.Repeat("x", size) + `"`}}
	}
	text, err := c.Encode(rec, sealedUse)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// mustRefuse fails unless text is refused, and nothing of it is given.
func mustRefuse(t testing.TB, c sojourn.Codec, text string, use sojourn.Use, what string, args ...any) sojourn.Reason {
	d, err := c.Decode(text, use)
	refusal, ok := err.(*sojourn.RefusedError)
	if !ok || d.Handle != "" || d.Owner != "" || d.State != nil || d.Secrets != nil || d.Rewrite {
		t.Helper()
		t.Fatalf("%s: %v; it gave %+v", fmt.Sprintf(what, args...), err, d)
	}
	return refusal.Reason
}

// TestEncryptedTampered: of 200 cookies no bit, no character and no length can
// change, and none is good anywhere else.
func TestEncryptedTampered(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	others := alphabet + "+/= \t\r\n\"\\,;.%\x00\x7f\x80\xff"
	for i := range 200 {
		masters := []string{fmt.Sprintf("%064x", sha256.Sum256([]byte{byte(i)})), sealedKeyB}[:1+i%2]
		form := sealedCodec(t, strings.Join(masters, "\n"), "")
		text := mustEncode(t, form, strings.Repeat("o", i%7*36), i*i*i/80_000)
		if _, err := form.Decode(text, sealedUse); err != nil {
			t.Fatal(err)
		}
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		for bit := range len(raw) * 8 {
			raw[bit/8] ^= 1 << (bit % 8)
			mustRefuse(t, form, base64.RawURLEncoding.EncodeToString(raw), sealedUse, "cookie %d, bit %d", i, bit)
			raw[bit/8] ^= 1 << (bit % 8)
		}
		for at := range len(text) {
			mustRefuse(t, form, text[:at], sealedUse, "cookie %d cut at %d", i, at)
			mustRefuse(t, form, text[at+1:], sealedUse, "cookie %d from %d on", i, at+1)
		}
		places := []int{0, 7, len(text) - 1, random.IntN(len(text)), random.IntN(len(text))}
		for at := range len(others) {
			c := others[at : at+1]
			mustRefuse(t, form, text+c, sealedUse, "cookie %d and %q", i, c)
			mustRefuse(t, form, c+text, sealedUse, "%q and cookie %d", c, i)
			for _, at := range places {
				if text[at:at+1] != c {
					mustRefuse(t, form, text[:at]+c+text[at+1:], sealedUse, "cookie %d, %q at %d", i, c, at)
				}
			}
			mustRefuse(t, form, text[:places[4]]+c+text[places[4]:], sealedUse, "cookie %d, %q before %d", i, c, places[4])
		}
		elsewhere(t, masters[0], text)
	}
}

// elsewhere: a text is refused under other names, applications and rings.
func elsewhere(t *testing.T, master, text string) {
	t.Helper()
	form := sealedCodec(t, master, "")
	for _, name := range []string{"", "session", "__Host-session", tokenCookie + "\x00", "\x00" + tokenCookie, "x" + tokenCookie} {
		use := sealedUse
		use.Cookie = name
		if reason := mustRefuse(t, form, text, use, "cookie name %q", name); reason != sojourn.ReasonSignature {
			t.Errorf("cookie name %q: %s", name, reason)
		}
	}
	for _, application := range []string{"a", "\x00", tokenCookie, "session"} {
		if reason := mustRefuse(t, sealedCodec(t, master, application), text, sealedUse, "application %q", application); reason != sojourn.ReasonSignature {
			t.Errorf("application %q: %s", application, reason)
		}
	}
	if reason := mustRefuse(t, sealedCodec(t, sealedKeyC, ""), text, sealedUse, "another ring"); reason != sojourn.ReasonKey {
		t.Errorf("another ring: %s", reason)
	}
	use := sealedUse
	use.Now, use.Moving, use.Room = use.Now.Add(time.Hour), true, make([]sojourn.EncodedField, 0, 8)
	if _, err := form.Decode(text, use); err != nil {
		t.Error(err)
	}
}

// TestEncryptedApplicationAndName: what is sealed for one pair is for no other that
// would be the same text side by side.
func TestEncryptedApplicationAndName(t *testing.T) {
	form := sealedCodec(t, sealedKeyA, "a")
	text, err := form.Encode(&sojourn.Snapshot{Handle: "a3AAECAwQFBgcICQoLDA0ODw", Created: sealedUse.Now, LastSeen: sealedUse.Now}, sojourn.Use{Cookie: "bc"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := form.Decode(text, sojourn.Use{Cookie: "bc"}); err != nil {
		t.Error(err)
	}
	mustRefuse(t, sealedCodec(t, sealedKeyA, "ab"), text, sojourn.Use{Cookie: "c"}, "ab c")
	mustRefuse(t, sealedCodec(t, sealedKeyA, ""), text, sojourn.Use{Cookie: "abc"}, "abc")
}

// TestEncryptedSpellings: of all spellings of one cookie only one is read.
func TestEncryptedSpellings(t *testing.T) {
	form := sealedCodec(t, sealedKeyA, "")
	seen := map[int]bool{}
	for size := range 6 {
		text := mustEncode(t, form, "alice", size+1)
		raw, _ := base64.RawURLEncoding.DecodeString(text)
		seen[len(text)%4] = true
		spellings := []string{
			text + "\n", "\n" + text, text + "\r\n", text[:9] + "\n" + text[9:], text + " ", text + "A", text + "AA", text + "AAAA", `"` + text + `"`, "%" + fmt.Sprintf("%X", text[0]) + text[1:],
		}
		if std := base64.RawStdEncoding.EncodeToString(raw); std != text {
			spellings = append(spellings, std)
		}
		for _, padded := range []string{base64.URLEncoding.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw)} {
			if strings.Contains(padded, "=") {
				spellings = append(spellings, padded)
			}
		}
		if len(text)%4 != 0 {
			spellings = append(spellings, respelled(text))
		}
		for _, spelling := range spellings {
			if reason := mustRefuse(t, form, spelling, sealedUse, "%q", spelling); spelling[:8] == text[:8] && reason != sojourn.ReasonMalformed && reason != sojourn.ReasonSignature {
				t.Errorf("%q: %s", spelling, reason)
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("lengths %v", seen)
	}
}

// TestEncryptedOtherForms: with one ring, no form takes what another wrote.
func TestEncryptedOtherForms(t *testing.T) {
	r := ring(t)
	encrypted := sojourn.Encrypted(r)
	named := func(c *sojourn.Config) { c.Cookie.Name = "session" }
	managers := map[string]*sojourn.Manager{}
	managers["encrypted"], _ = newManager(t, func(c *sojourn.Config) { named(c); c.Keep = encrypted })
	managers["application"], _ = newManager(t, func(c *sojourn.Config) {
		named(c)
		c.Keep = sojourn.Encrypted(r, nil, sojourn.Application("shop"))
	})
	managers["signed"], _ = newManager(t, func(c *sojourn.Config) { named(c); c.Keep = flask.Signed(r) })
	managers["exact"], _ = newManager(t, func(c *sojourn.Config) { c.Keep = flask.Exact(r, flask.Settings{}) })
	managers["store"], _, _ = newStored(t, named)
	for wrote, writer := range managers {
		b := signedIn(t, writer)
		for reads, reader := range managers {
			b.m = reader
			want := ""
			if flasks := "signed exact"; reads == wrote || strings.Contains(flasks, reads) && strings.Contains(flasks, wrote) {
				want = "alice"
			}
			if got := owner(b.clone()); got != want {
				t.Errorf("%s reads what %s wrote: %q", reads, wrote, got)
			}
		}
		text := b.cookies["session"]
		if wrote != "encrypted" {
			mustRefuse(t, sojourn.CodecOf(encrypted), text, sojourn.Use{Cookie: "session"}, "%s", wrote)
			continue
		}
		for _, k := range []sojourn.Keeper{flask.Signed(r), flask.Signed(r, flask.Lenient()), flask.Exact(r, flask.Settings{})} {
			mustRefuse(t, sojourn.CodecOf(k), text, sojourn.Use{Cookie: "session", Now: time.Now()}, "flask")
		}
	}
}

// TestEncryptedKeysApart: what is derived from one master for different ends is
// different: what docs/formats.md says of each, and what can be had of them.
func TestEncryptedKeysApart(t *testing.T) {
	master := []byte(testKey)
	mac := func(h []byte, text string) []byte {
		m := hmac.New(sha256.New, h)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	prk, err := hkdf.Extract(sha256.New, master, []byte("sojourn encrypted v1"))
	if err != nil {
		t.Fatal(err)
	}
	expand := func(info string) []byte {
		b, err := hkdf.Expand(sha256.New, prk, info, 32)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	id := ring(t).Active().ID()
	sealing, err := seal.NewKey(id, master)
	if err != nil {
		t.Fatal(err)
	}
	const handle = "a3AAECAwQFBgcICQoLDA0ODw"
	derived := map[string][]byte{
		"master": master[:20], "extracted": prk, "id": mustHex(t, id),
		"sealing":                   expand("seal\x00" + strings.Repeat("\x00", 16) + "session\x00\x00" + tokenCookie),
		"sealing in an application": expand("seal\x00" + strings.Repeat("\x00", 16) + "session\x00a\x00" + tokenCookie),
		"moved token":               sealing.Derive("moved token"),
		"another purpose":           sealing.Derive("seal"),
		"Flask's identity":          mac(master, "sojourn flask session identity"),
		"Flask's signing, SHA-256":  mac(master, "cookie-session"),
	}
	if !fips140.Enforced() {
		signing := hmac.New(sha1.New, master)
		signing.Write([]byte("cookie-session"))
		derived["Flask's signing"] = signing.Sum(nil)
	}
	if !bytes.Equal(derived["moved token"], expand("derive\x00moved token")) {
		t.Error("the key of moved tokens is not the document's")
	}
	use := sealedUse
	use.Moving = true
	form := sojourn.CodecOf(sojourn.Encrypted(ring(t)))
	d, err := form.Decode(mustEncode(t, form, "alice", 9), use)
	if err != nil || len(d.Secrets) != 1 || d.Handle != handle {
		t.Fatalf("%d secrets of %s, %v", len(d.Secrets), d.Handle, err)
	}
	if want := mac(derived["moved token"], "sojourn moved token v1\x00"+handle); !bytes.Equal(d.Secrets[0][:], want) {
		t.Error("the secret of a moved token is not the document's")
	}
	derived["moved secret"] = d.Secrets[0][:]
	signed := sojourn.CodecOf(flask.Signed(ring(t), flask.Digest(5))) // SHA-256
	text, err := signed.Encode(&sojourn.Snapshot{Handle: handle, Owner: "alice", Created: sealedUse.Now, LastSeen: sealedUse.Now}, use)
	if err == nil {
		d, err = signed.Decode(text, use)
	}
	if err != nil || len(d.Secrets) != 1 || d.Handle != handle {
		t.Fatalf("%d secrets of %s, %v", len(d.Secrets), d.Handle, err)
	}
	derived["moved secret of Flask's"] = d.Secrets[0][:]
	for name, one := range derived {
		for other, two := range derived {
			if n := min(len(one), len(two)); name != other && bytes.Equal(one[:n], two[:n]) {
				t.Errorf("%s and %s are the same", name, other)
			}
		}
	}
}

func mustHex(t testing.TB, text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEncryptedContent: what somebody sealed with the right key that is no session
// is refused, or read as what it says.
func TestEncryptedContent(t *testing.T) {
	sealing, err := seal.NewKey(ring(t).Active().ID(), []byte(testKey))
	if err != nil {
		t.Fatal(err)
	}
	form := sojourn.CodecOf(sojourn.Encrypted(ring(t)))
	seed := strings.Repeat("s", 17)
	for plain, good := range map[string]bool{
		"": false, "\x01": false, "\x01\x02" + seed[1:]: false, "\x01\x02" + seed: false,
		"\x01\x02" + seed + "\x00{}":                                         true,
		"\x01\x02" + seed + "\x05alice{}":                                    true,
		"\x01\x02" + seed + "\x08alice{}":                                    false,
		"\x01\x02" + seed + "\x05alice{":                                     false,
		"\x01\x02" + seed + "\x05alice{}{}":                                  false,
		"\x01\x02" + seed + "\x00\"text\"":                                   false,
		"\x01\x02" + seed + "\x00{\"a\":}":                                   false,
		"\x80\x80":                                                           false,
		"\x01\x80":                                                           false,
		strings.Repeat("\x80", 11) + "\x01":                                  false,
		strings.Repeat("\xff", 9) + "\x01\x02" + seed + "\x00{}":             false, // made before 1970
		"\x01\x02" + seed + strings.Repeat("\xff", 9) + "\x01{}":             false, // an owner of 2^64-1 bytes
		"\x01\x02" + seed + "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01{}": false,
	} {
		text, err := sealing.Seal([]byte(plain), "session\x00\x00", tokenCookie)
		if err != nil {
			t.Fatal(err)
		}
		if good {
			if d, err := form.Decode(text, sealedUse); err != nil || d.Created.UnixMilli() != 1 || d.LastSeen.UnixMilli() != 2 {
				t.Errorf("%q: %+v, %v", plain, d, err)
			}
			continue
		}
		if reason := mustRefuse(t, form, text, sealedUse, "%q", plain); reason != sojourn.ReasonPayload {
			t.Errorf("%q: %s", plain, reason)
		}
	}
	long := strings.Repeat("A", 16<<10)
	if reason := mustRefuse(t, form, long, sealedUse, "long"); reason != sojourn.ReasonMalformed {
		t.Errorf("16 KiB: %s", reason)
	}
	if reason := mustRefuse(t, form, long+"A", sealedUse, "long"); reason != sojourn.ReasonTooLarge {
		t.Errorf("more: %s", reason)
	}
	for name, rec := range map[string]*sojourn.Snapshot{"no handle": {}, "no text": {Handle: "a3AAECAwQFBgcICQoLDA0ODw", State: []sojourn.EncodedField{{Name: "\xff", Raw: "1"}}}} {
		if text, err := form.Encode(rec, sealedUse); err == nil || text != "" {
			t.Errorf("%s: written", name)
		}
	}
	// A clock before 1970 is 1970, and what came after it stays as it was.
	rec := &sojourn.Snapshot{Handle: "a3AAECAwQFBgcICQoLDA0ODw", Created: time.UnixMilli(-5), LastSeen: time.UnixMilli(5)}
	text, err := form.Encode(rec, sealedUse)
	if d, err2 := form.Decode(text, sealedUse); err != nil || err2 != nil || d.Created.UnixMilli() != 0 || d.LastSeen.UnixMilli() != 5 {
		t.Errorf("made %v, used %v, %v, %v", d.Created, d.LastSeen, err, err2)
	}
}

// TestEncryptedSizes: the length of a cookie is that of its content, whatever that
// is, and the overhead that docs/formats.md tells.
func TestEncryptedSizes(t *testing.T) {
	form := sojourn.CodecOf(sojourn.Encrypted(ring(t)))
	plain := binary.AppendUvarint(nil, uint64(sealedUse.Now.Add(-time.Minute).UnixMilli()))
	plain = binary.AppendVarint(plain, time.Minute.Milliseconds())
	for _, size := range []int{1, 100, 2000} {
		bytes := 37 + 12 + len(plain) + 17 + 1 + len("alice") + len(`{"blob":""}`) + size + 16
		if got, want := len(mustEncode(t, form, "alice", size)), base64.RawURLEncoding.EncodedLen(bytes); got != want {
			t.Errorf("%d: %d characters, not %d", size, got, want)
		}
	}
}

// TestEncryptedRing: without a key there is an error that names the remedy, and of
// several keys each does what its state says.
func TestEncryptedRing(t *testing.T) {
	for _, none := range []*keys.Ring{nil, new(keys.Ring)} {
		if _, err := sojourn.New(sojourn.Config{Keep: sojourn.Encrypted(none)}); err == nil || !strings.Contains(err.Error(), "make one with keys.FromEnv") {
			t.Errorf("no keys: %v", err)
		}
	}
	managed := func(a, b, c string) string {
		return fmt.Sprintf("# sojourn keys 1\nstate=%s key=%s\nstate=%s key=%s\nstate=%s key=%s\n", a, sealedKeyA, b, sealedKeyB, c, sealedKeyC)
	}
	keyText := managed("active", "next", "retired")
	r, err := keys.FromProvider(t.Context(), "test", keys.ProviderFunc(func(context.Context) ([]byte, error) { return []byte(keyText), nil }))
	if err != nil {
		t.Fatal(err)
	}
	form := sojourn.CodecOf(sojourn.Encrypted(r))
	use := sealedUse
	use.Moving = true
	read := func(by string) (sojourn.Decoded, sojourn.Reason) {
		d, err := form.Decode(mustEncode(t, sealedCodec(t, by, ""), "alice", 9), use)
		return d, sojourn.ReasonOf(err)
	}
	byA, reasonA := read(sealedKeyA)
	byB, reasonB := read(sealedKeyB)
	_, reasonC := read(sealedKeyC)
	if reasonA != "" || byA.Rewrite || reasonB != "" || byB.Rewrite || reasonC != sojourn.ReasonKey {
		t.Errorf("active: %q %v, next: %q %v, retired: %q", reasonA, byA.Rewrite, reasonB, byB.Rewrite, reasonC)
	}
	if len(byA.Secrets) != 2 || !slices.Equal(byA.Secrets, byB.Secrets) || byA.Secrets[0] == byA.Secrets[1] {
		t.Errorf("%d and %d secrets of what moves", len(byA.Secrets), len(byB.Secrets))
	}
	mustRefuse(t, form, mustEncode(t, sealedCodec(t, sealedKeyA, ""), "", 0)+"A", use, "not counted")
	for _, info := range r.Info() {
		if want := map[keys.State]uint64{keys.Active: 1, keys.Next: 1}[info.State]; info.Reads != want {
			t.Errorf("%s was read %d times", info.State, info.Reads)
		}
	}
	keyText = managed("read-only", "active", "retired")
	if err := form.Traits().Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, _ := read(sealedKeyB)
	old, _ := read(sealedKeyA)
	if now.Rewrite || !old.Rewrite || len(now.Secrets) != 2 || now.Secrets[0] != byA.Secrets[1] || old.Secrets[0] != byA.Secrets[1] {
		t.Error("after a rotation")
	}
	if id, err := seal.KeyID(mustEncode(t, form, "", 0)); err != nil || fmt.Sprintf("%x", id) != r.Active().ID() {
		t.Errorf("written with %x, %v", id, err)
	}
}

// TestEncryptedRequests: in requests, with secrets, and through a rotation that
// nobody notices.
func TestEncryptedRequests(t *testing.T) {
	const pin = sojourn.SecretField[string]("pin")
	site := func(secrets ...string) *sojourn.Manager {
		m, _ := newManager(t, func(c *sojourn.Config) { c.Keep = sojourn.Encrypted(ring(t, secrets...)) })
		return m
	}
	b := newBrowser(t, site(testKey))
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue"); pin.Set(ctx, "1234") })
	before := b.cookies[tokenCookie]
	check := func() *http.Response {
		t.Helper()
		return b.do(func(ctx context.Context) {
			name, _ := sojourn.Owner(ctx)
			if v, _ := pin.Get(ctx); v != "1234" || name != "alice" || color.GetOr(ctx, "") != "blue" {
				t.Errorf("%q, %q, %q", name, v, color.GetOr(ctx, ""))
			}
		})
	}
	if res := check(); setCookie(res) != "" {
		t.Errorf("a read sent %s", setCookie(res))
	}
	b.m = site(anotherKey, testKey)
	if res := check(); setCookie(res) == "" || b.cookies[tokenCookie] == before {
		t.Error("what an old key wrote was not written anew")
	}
	b.m = site(anotherKey)
	if res := check(); setCookie(res) != "" {
		t.Errorf("sent again: %s", setCookie(res))
	}
	form := sojourn.CodecOf(sojourn.Encrypted(ring(t, anotherKey)))
	use := sojourn.Use{Cookie: tokenCookie, Now: time.Now()}
	d, err := form.Decode(b.cookies[tokenCookie], use)
	if err != nil {
		t.Fatal(err)
	}
	d.State = append(d.State, sojourn.EncodedField{Name: "_fresh", Raw: "true"}) // as from Flask's form
	if b.cookies[tokenCookie], err = form.Encode(&d.Snapshot, use); err != nil {
		t.Fatal(err)
	}
	b.do(func(ctx context.Context) { sojourn.From(ctx).Clear() })
	d, err = form.Decode(b.cookies[tokenCookie], use)
	if err != nil || d.Owner != "alice" || len(d.State) != 1 || d.State[0].Name != "_fresh" {
		t.Errorf("after Clear: %+v, %v", d.Snapshot, err)
	}
	b.cookies[tokenCookie] = before
	if got := owner(b); got != "" {
		t.Errorf("a key that is gone reads %q", got)
	}
}

// TestEncryptedFIPS runs what is here in FIPS 140-only mode, in a process of its
// own: the mode is chosen at the start. There Flask's digest is refused.
func TestEncryptedFIPS(t *testing.T) {
	if fips140.Enforced() {
		if _, err := sojourn.New(sojourn.Config{Keep: flask.Signed(ring(t))}); err == nil || !strings.Contains(err.Error(), "SHA-1, Flask's digest, is not allowed in FIPS 140-only mode: pass flask.Digest(crypto.SHA256)") {
			t.Errorf("flask.Signed: %v", err)
		}
		if _, err := sojourn.New(sojourn.Config{Keep: sojourn.Encrypted(ring(t))}); err != nil {
			t.Error(err)
		}
		return
	}
	tests := []string{"TestEncryptedFIPS", "TestEncryptedVectors", "TestEncryptedSpellings", "TestEncryptedKeysApart", "TestEncryptedContent", "TestEncryptedSizes", "TestEncryptedRing", "TestEncryptedRequests"}
	cmd := exec.Command(os.Args[0], "-test.run=^("+strings.Join(tests, "|")+")$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	if passed := strings.Count(string(out), "--- PASS: "); err != nil || passed != len(tests) {
		t.Errorf("%d of %d tests passed, %v\n%s", passed, len(tests), err, out)
	}
}

// TestEncryptedQuoted: a cookie in quotes is another spelling, and refused.
func TestEncryptedQuoted(t *testing.T) {
	m, events := newManager(t, func(c *sojourn.Config) { c.Keep = sojourn.Encrypted(ring(t)) })
	b := signedIn(t, m)
	b.cookies[tokenCookie] = `"` + b.cookies[tokenCookie] + `"`
	events.reset()
	if got := owner(b); got != "" {
		t.Errorf("signed in as %q", got)
	}
	if e, _ := events.find(sojourn.EventRefused); e.Reason != sojourn.ReasonMalformed {
		t.Errorf("events %s, reason %q", events.kinds(), e.Reason)
	}
}
