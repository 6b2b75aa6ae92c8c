package interop

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

// Keys of the tests, made at random.
const (
	keyA = "b5b1a6f5e2e1a2b6fd7b3f6a0b1b0f2b9bd4c2c28a0c4d5f8f0a6f3a6c3c7d19"
	keyB = "3c1f70b85be94b3a8d7a6f8d5a1e9c0472f6b1de0d3f4c5a9e8b7c6d5f4a3b21"
)

// A codec is Flask's own session serializer in a process of its own. It signs
// and reads cookies at any time that a test chooses.
type codec struct{ *process }

func newCodec(t testing.TB) *codec { return &codec{start(t, withFlask, "codec")} }

// An operation is one request to the codec; which fields count depends on Do.
type operation struct {
	Do      string   `json:"do"` // dump, load, sign or header
	Keys    [][]byte `json:"keys"`
	Salt    string   `json:"salt,omitempty"`
	Now     *int64   `json:"now,omitempty"` // nil is the real time
	MaxAge  *int64   `json:"max_age,omitempty"`
	Session any      `json:"session,omitempty"`
	Cookie  string   `json:"cookie"`
	Payload []byte   `json:"payload"`
	Header  string   `json:"header"`
}

// A result is the codec's answer to an operation.
type result struct {
	Cookie  string `json:"cookie"`
	JSON    string `json:"json"`    // the session's tagged JSON as Flask writes it
	Verdict string `json:"verdict"` // session, refused or error (Flask answers 500)
	Error   string `json:"error"`
	Session any    `json:"session"` // annotated
	At      int64  `json:"at"`      // the stamp
	Found   bool   `json:"found"`
	Value   string `json:"value"` // of the cookie named session
}

// do runs operations in one exchange, which is what makes thousands cheap.
func (c *codec) do(t rapid.TB, ops ...operation) []result {
	t.Helper()
	for i := range ops {
		if ops[i].Keys == nil {
			ops[i].Keys = secrets(keyA)
		}
	}
	var results []result
	err := c.send(ops)
	if err == nil {
		err = c.receive(&results)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(ops) {
		t.Fatalf("%d results of %d operations", len(results), len(ops))
	}
	return results
}

// dump has Flask sign a session, annotated, at a time of the test's choice.
func (c *codec) dump(t rapid.TB, session any, at time.Time) string {
	t.Helper()
	return c.do(t, operation{Do: "dump", Session: session, Now: new(at.Unix())})[0].Cookie
}

// load has Flask read a cookie, now, and fails when it does not.
func (c *codec) load(t rapid.TB, cookie string, secret ...string) result {
	t.Helper()
	if secret == nil {
		secret = []string{keyA, keyB}
	}
	r := result{}
	for _, s := range secret { // one at a time: an old Flask knows no fallbacks
		if r = c.do(t, operation{Do: "load", Keys: secrets(s), Cookie: cookie})[0]; r.Verdict == "session" {
			return r
		}
	}
	t.Fatalf("Flask does not read %q: %s (%s)", cookie, r.Verdict, r.Error)
	return r
}

func secrets(list ...string) [][]byte {
	out := make([][]byte, len(list))
	for i, s := range list {
		out[i] = []byte(s)
	}
	return out
}

func ring(t rapid.TB, list ...string) *keys.Ring {
	t.Helper()
	r, err := keys.New(secrets(list...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func signer(t rapid.TB, list ...string) *flask.Signer {
	t.Helper()
	s, err := flask.NewSigner(ring(t, list...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wire is the payload of a cookie as it is signed, for messages.
func wire(cookie string) string {
	head, _, _ := strings.Cut(cookie, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || head == "" {
		return cookie
	}
	return string(text)
}
