package flask_test

import (
	"crypto"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

func weakRing(t testing.TB, secrets ...string) *keys.Ring {
	t.Helper()
	var list [][]byte
	for _, s := range secrets {
		list = append(list, []byte(s))
	}
	ring, err := keys.New(list, keys.InsecureAllowWeak())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// TestKnownAnswers are cookies that itsdangerous 2.2.0 made with key "k" at
// 1700000000 for {"a":1}.
func TestKnownAnswers(t *testing.T) {
	at := time.Unix(1700000000, 0)
	for want, opts := range map[string][]flask.Option{
		"eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74": nil,
		knownSHA256: {flask.Digest(crypto.SHA256)},
		knownConcat: {flask.KeyDerivation(flask.DeriveConcat)},
		knownDjango: {flask.KeyDerivation(flask.DeriveDjangoConcat)},
		knownNone:   {flask.KeyDerivation(flask.DeriveNone)},
		knownSalt:   {flask.Salt("other")},
		knownSHA512: {flask.Digest(crypto.SHA512)},
	} {
		s, err := flask.NewSigner(weakRing(t, "k"), opts...)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Sign(` {"a": 1} `, at); got != want || err != nil {
			t.Errorf("%s, want %s (%v)", got, want, err)
		}
		if v, err := s.Verify(want, at, 0); err != nil || v.Payload != `{"a":1}` {
			t.Errorf("%s: %v", want, err)
		}
		for other := range map[string]bool{"eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74": true, knownSHA256: true, knownSalt: true} {
			if _, err := s.Verify(other, at, 0); other != want && sojourn.ReasonOf(err) != sojourn.ReasonSignature {
				t.Errorf("%s verified by the signer of %s: %v", other, want, err)
			}
		}
	}
}

// TestOneSpelling: of a cookie's spellings that Flask takes, we take one.
func TestOneSpelling(t *testing.T) {
	const cookie = "eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74"
	s, _ := flask.NewSigner(weakRing(t, "k"))
	lenient, _ := flask.NewSigner(weakRing(t, "k"), flask.Lenient())
	at := time.Unix(1700000000, 0)
	for _, other := range []string{
		strings.Replace(cookie, "-1Q", "+1Q", 1), cookie + "=", cookie + "!!", strings.TrimSuffix(cookie, "4") + "5", strings.TrimSuffix(cookie, "B74") + "B 74 !!",
	} {
		if _, err := s.Verify(other, at, 0); sojourn.ReasonOf(err) != sojourn.ReasonSignature {
			t.Errorf("%q: %v", other, err)
		}
		if _, err := lenient.Verify(other, at, 0); err != nil {
			t.Errorf("lenient %q: %v", other, err)
		}
	}
	for _, payload := range []string{"eyJhI\njoxfQ", "eyJhIjoxfQ\r", "eyJhIjoxfQ==", "eyJhIjoxfR", "eyJhIjoxf Q"} {
		if _, err := s.Verify(flask.SignRaw(s, payload, at), at, 0); sojourn.ReasonOf(err) != sojourn.ReasonPayload {
			t.Errorf("%q: %v", payload, err)
		}
	}
}

// TestAge: exactly maxAge old is young enough, and the future is refused by
// the second, as Flask does.
func TestAge(t *testing.T) {
	const cookie = "eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74"
	s, _ := flask.NewSigner(weakRing(t, "k"))
	for _, test := range []struct {
		now    int64
		maxAge time.Duration
		want   sojourn.Reason
	}{
		{1700000000, 0, ""}, {1700000001, 0, "expired"}, {1700000060, time.Minute, ""}, {1700000061, time.Minute, "expired"},
		{1699999999, time.Minute, "future"}, {1700000000, -time.Second, "expired"}, {-5, time.Minute, "future"}, {1700000001, 1900 * time.Millisecond, ""},
	} {
		if _, err := s.Verify(cookie, time.Unix(test.now, 0), test.maxAge); sojourn.ReasonOf(err) != test.want {
			t.Errorf("at %d, at most %v: %v, want %q", test.now, test.maxAge, err, test.want)
		}
	}
}

// TestSignRefuses what no session is.
func TestSignRefuses(t *testing.T) {
	s, _ := flask.NewSigner(weakRing(t, "k"))
	for _, text := range []string{"", "5", "[]", `{"a":}`, `{"a":{" b":"x"}}`} {
		if cookie, err := s.Sign(text, time.Unix(0, 0)); err == nil {
			t.Errorf("signed %q: %s", text, cookie)
		}
	}
}

// TestCompression: what is worth it is compressed, small cookies never, and an
// inflated payload is bounded.
func TestCompression(t *testing.T) {
	s, _ := flask.NewSigner(weakRing(t, "k"))
	at := time.Unix(1700000000, 0)
	for n, want := range map[int]bool{100: false, 1000: false, 1100: true, 500000: true, 1<<20 - 100: true} {
		text := `{"a":"` + strings.Repeat("x", n) + `"}`
		cookie, err := s.Sign(text, at)
		if err != nil || strings.HasPrefix(cookie, ".") != want {
			t.Errorf("%d bytes: compressed %v, %v", n, strings.HasPrefix(cookie, "."), err)
		}
		if v, err := s.Verify(cookie, at, 0); err != nil || v.Payload != text || v.Compressed != want {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := s.Sign(`{"a":"`+strings.Repeat("x", 1<<20)+`"}`, at); sojourn.ReasonOf(err) != sojourn.ReasonTooLarge {
		t.Errorf("what would not be read back: %v", err)
	}
}

// TestKeysFromEnv reads the keys as Flask does, and refuses what Flask would
// take for one key a character.
func TestKeysFromEnv(t *testing.T) {
	const a, b, c = "aV8kQ2vN7xT4mZ1pL9wR3sY6", "bW9lR3wO8yU5nA2qM0xS4tZ7", "cX0mS4xP9zV6oB3rN1yT5uA8"
	tests := []struct {
		key, fallbacks string
		want           string // the keys, or a part of the error
	}{
		{a, "", a}, {a, b, a + " " + b}, {a, b + "\n" + c + "\n", a + " " + b + " " + c}, {a, b + "\r\n" + c + "\r\n", a + " " + b + " " + c},
		{" " + a + " ", "", " " + a + " "}, {"base64:" + a, "", "base64:" + a},
		{a + "\n" + b, "", "SECRET_KEY has several lines"}, {a + "\nx", "", a + "\nx"},
		{"", b, "SECRET_KEY is not set"}, {"dev", "", "SECRET_KEY"}, {a, "dev", "SECRET_KEY_FALLBACKS line 1"},
		{a, b + "\n\n" + c, "line 2 is empty"}, {a, `["` + b + `", "` + c + `"]`, "is a list of keys"}, {a, b + "," + c, "is a list of keys"}, {a, b + "\n('" + c + "',)", "line 2 is a list"},
	}
	for _, test := range tests {
		t.Setenv("SECRET_KEY", test.key)
		t.Setenv("SECRET_KEY_FALLBACKS", test.fallbacks)
		ring, err := flask.KeysFromEnv()
		if err != nil {
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), b) || strings.Contains(err.Error(), c) {
				t.Errorf("%q %q: %v", test.key, test.fallbacks, err)
			}
			continue
		}
		var got []string
		for _, k := range ring.All() {
			got = append(got, string(k.Bytes()))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%q %q: %q, want %q", test.key, test.fallbacks, got, test.want)
		}
	}
	t.Setenv("SECRET_KEY", "dev")
	t.Setenv("SECRET_KEY_FALLBACKS", "")
	if _, err := flask.KeysFromEnv(keys.InsecureAllowWeak()); err != nil {
		t.Errorf("a weak key, allowed: %v", err)
	}
}

// Made by itsdangerous 2.2.0.
const (
	knownSHA256 = "eyJhIjoxfQ.ZVPxAA.uMX9NDK1iUEXE0X4_F0AhuXWsL9OlV_0ak7239ihzpg"
	knownSHA512 = "eyJhIjoxfQ.ZVPxAA.QKuchlkA91BmvBVOyaF8dDUCTlnix_Wk9u_l8cpIp-HfrOX9AKHbrC9mokM2boiE2N0jmWOTISO1u8g3BiSwBQ"
	knownConcat = "eyJhIjoxfQ.ZVPxAA.l8kRkbWODG6gw0b_6kbXOL3ttTU"
	knownDjango = "eyJhIjoxfQ.ZVPxAA.Lw7IKDDCIAlqFJZ7PfUv2LRn6i8"
	knownNone   = "eyJhIjoxfQ.ZVPxAA.tpkGISYUdHL-nX8Kgia9o1LyRLo"
	knownSalt   = "eyJhIjoxfQ.ZVPxAA.v4AuczIcj6nGXJUeWDj2PlHrg9g"
)

// TestBeforeTime: a clock before 1970 refuses even the oldest cookie, as Flask's
// arithmetic does.
func TestBeforeTime(t *testing.T) {
	s, _ := flask.NewSigner(weakRing(t, "k"))
	cookie, err := s.Sign(`{"a":1}`, time.Unix(0, 0))
	if err != nil || strings.Count(cookie, ".") != 2 {
		t.Fatal(cookie, err)
	}
	for now, want := range map[int64]sojourn.Reason{0: "", 5: "", -5: "future"} {
		if _, err := s.Verify(cookie, time.Unix(now, 0), time.Minute); sojourn.ReasonOf(err) != want {
			t.Errorf("at %d: %v", now, err)
		}
	}
	if _, err := s.Sign("[]", time.Unix(0, 0)); sojourn.ReasonOf(err) != sojourn.ReasonPayload || strings.Contains(err.Error(), "tagged") {
		t.Errorf("signing no session: %v", err)
	}
}
