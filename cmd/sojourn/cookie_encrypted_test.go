package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/anatomy"
	"github.com/sojourn-go/sojourn/keys"
)

// TestEncryptedVectors: cookie verify reads what version 1 wrote and refuses what
// must be refused, for its reason; inspect shows nothing of what is in it.
func TestEncryptedVectors(t *testing.T) {
	text, err := os.ReadFile("../../testdata/encrypted-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	type vector struct {
		About, Keys, Application, Cookie, Text, Reason string
		Session                                        struct {
			Handle, Owner     string
			Created, LastSeen int64
			Fields            map[string]string
		}
	}
	var file struct{ Accepted, Refused []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	verify := func(v vector, more ...string) (got result, answer map[string]any) {
		key := writeFile(t, "v.key", []byte(v.Keys))
		args := append([]string{"cookie", "verify", "--json", "--secret-file", key, "--name", v.Cookie, "--application", v.Application}, more...)
		got = call(t, v.Text, args...)
		if err := json.Unmarshal([]byte(got.stdout), &answer); err != nil {
			t.Errorf("%s: %+v", v.About, got)
		}
		return got, answer
	}
	ran := 0
	synctest.Test(t, func(t *testing.T) { // in the year 2000, when none of them but one is too old
		for _, v := range file.Accepted {
			if v.Session.Owner == "" && len(v.Session.Fields) == 0 || v.Session.Created < 1e11 {
				continue // refused, as package anatomy tests
			}
			ran++
			got, answer := verify(v)
			want := fmt.Sprintf(`"handle":%s,"owner":%s,"made":%d,"last_used":%d,`, quote(v.Session.Handle), quote(v.Session.Owner), v.Session.Created/1000, v.Session.LastSeen/1000)
			if got.code != exitOK || answer["valid"] != true || answer["payload"] != nil || !strings.Contains(got.stdout, want) {
				t.Errorf("%s: %+v, want %s", v.About, got, want)
			}
			sizes, _ := answer["sizes"].(map[string]any)
			if len(sizes) != len(v.Session.Fields) {
				t.Errorf("%s: sizes %v", v.About, sizes)
			}
			_, answer = verify(v, "--show")
			for name, raw := range v.Session.Fields {
				if len(v.Session.Fields) > 1 && sizes[name] != float64(len(raw)) {
					t.Errorf("%s: %s has %v bytes, not %d", v.About, name, sizes[name], len(raw))
				}
			}
			if payload, _ := answer["payload"].(map[string]any); len(payload) != len(v.Session.Fields) {
				t.Errorf("%s: payload %v", v.About, payload)
			}
			inspected := call(t, v.Text, "cookie", "inspect")
			if inspected.code != exitOK || strings.Contains(inspected.stdout, v.Session.Handle) {
				t.Errorf("%s: %+v", v.About, inspected)
			}
		}
		for _, v := range file.Refused {
			if v.Reason == "malformed" {
				continue // not taken for an encrypted one
			}
			ran++
			if got, answer := verify(v); got.code != exitFailed || answer["valid"] != false || answer["reason"] != v.Reason {
				t.Errorf("%s: %+v, want %s", v.About, got, v.Reason)
			}
		}
	})
	if ran < 25 {
		t.Errorf("only %d vectors ran", ran)
	}
}

// TestVerifyShows: what the answer for people has, and what only --show adds; and a
// wrong name is found.
func TestVerifyShows(t *testing.T) {
	key := keyFile(t)
	d, v := startDemo(t, nil, "--keep", "encrypted", "--secret-file", key), newVisitor(t)
	v.at(d, "/sign-in", "name", "Ada")
	v.at(d, "/cart/add", "product", "lantern")
	cookie := v.cookie(d)
	d.stop()
	args := []string{"cookie", "verify", "--secret-file", key, "--name", "sojourn_demo", cookie}
	got := call(t, "", args...)
	wants(t, got.stdout, "valid, and encrypted\n", ", active\n", "owner:      Ada\n", "made:       ", "last used:  ", "  cart: 13 bytes\n", "have not been asked\n")
	lacks(t, got.stdout, "lantern")
	wants(t, call(t, "", append(args, "--show")...).stdout, `"cart": {"lantern": 1}`)
	got = call(t, "", "cookie", "verify", "--secret-file", key, cookie)
	if got.code != exitFailed {
		t.Errorf("%+v", got)
	}
	wants(t, got.stderr, "cookie refused (signature): ", "it opens with --name sojourn_demo\n")
	got = call(t, "", append(args, "--application", "shop")...)
	wants(t, got.stderr, "cookie refused (signature): ", "to another application\n")
	for _, flag := range []string{"--salt=x", "--digest=sha256", "--derivation=none", "--lenient"} {
		got = call(t, "", append(args, flag)...)
		name, _, _ := strings.Cut(flag, "=")
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, "sojourn: "+name+" is for Flask's form; this cookie is encrypted\n") {
			t.Errorf("%s: %+v", flag, got)
		}
	}
	t.Setenv(secretEnv, "")
	if got = call(t, "", "cookie", "verify", cookie); got.code != exitUsage {
		t.Errorf("without a key: %+v", got)
	}
}

// TestVerifyEncryptedAge: --now and --max-age judge when it was last used.
func TestVerifyEncryptedAge(t *testing.T) {
	const day = 24 * 60 * 60
	used := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	at := func(seconds int64) string { return strconv.FormatInt(seconds, 10) }
	key := []byte(keys.Generate())
	ring, err := keys.New([][]byte{key})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // begins at used
		cookie := encryptedCookie(t, ring)
		file := writeFile(t, "k", key)
		for _, test := range []struct {
			args   []string
			reason string // "" is valid
			advice string
		}{
			{nil, "", ""},
			{[]string{"--now", at(used + 90), "--max-age", "90"}, "", ""},
			{[]string{"--now", at(used + 91), "--max-age", "90"}, "expired", "last used at 2000-01-01 00:00:00 UTC, 91 seconds before now; the most allowed is 90 seconds, by --max-age"},
			{[]string{"--max-age", "0"}, "", ""},
			{[]string{"--max-age", "-1"}, "expired", "the most allowed is -1 seconds"},
			{[]string{"--now", at(used + 399*day)}, "", ""}, // the 31 days are Flask's
			{[]string{"--now", at(used + 400*day)}, "", ""},
			{[]string{"--now", at(used + 400*day + 1)}, "expired", "no program accepts one that was not used for 400 days"},
			{[]string{"--now", at(used + 400*day + 1), "--max-age", at(500 * day)}, "expired", "not used for 400 days"},
			{[]string{"--now", at(used - 1)}, "future", "last used at 2000-01-01 00:00:00 UTC, 1 second after now"},
			{[]string{"--now", at(used - 1), "--max-age", "9223372036854775807"}, "future", ""},
			{[]string{"--now", "-9223372036854775808", "--max-age", "-9223372036854775808"}, "future", ""},
			{[]string{"--now", "9223372036854775807"}, "expired", ""},
		} {
			args := append([]string{"cookie", "verify", "--secret-file", file, cookie}, test.args...)
			got, asJSON := call(t, "", args...), call(t, "", append(args, "--json")...)
			if test.reason == "" {
				if got.code != exitOK || asJSON.code != exitOK || !strings.HasPrefix(got.stdout, "valid, and encrypted\n") || !strings.Contains(asJSON.stdout, `"valid":true`) {
					t.Errorf("%q: %+v %+v", test.args, got, asJSON)
				}
				continue
			}
			if got.code != exitFailed || got.stdout != "" || !strings.Contains(got.stderr, "cookie refused ("+test.reason+"): ") || !strings.Contains(got.stderr, test.advice) {
				t.Errorf("%q: %+v, want %s and %q", test.args, got, test.reason, test.advice)
			}
			if asJSON.code != exitFailed || !strings.Contains(asJSON.stdout, `{"valid":false,"reason":"`+test.reason+`","detail":"`) {
				t.Errorf("%q: %+v", test.args, asJSON)
			}
		}
		time.Sleep(time.Hour)
		wants(t, call(t, "", "cookie", "verify", "--secret-file", file, "--now", at(used+60), cookie).stdout, "last used:  2000-01-01 00:00:00 UTC, 60 seconds before now\n")
	})
}

// TestJudgeAhead: a cookie of a machine whose clock is ahead is in order, as in a
// program, but a negative age never is.
func TestJudgeAhead(t *testing.T) {
	u := &anatomy.Unsealed{LastUsed: time.Unix(1700000005, 0)}
	for maxAge, ok := range map[int64]bool{0: true, 60: true, -1: false, -5: false} {
		at := &moment{now: integer{value: 1700000000}, maxAge: integer{value: maxAge, given: true}}
		if _, err := at.judge(u); (err == nil) != ok {
			t.Errorf("--max-age %d: %v", maxAge, err)
		}
	}
}

// encryptedCookie is one that a program sends now, under the default name.
func encryptedCookie(t *testing.T, ring *keys.Ring) string {
	t.Helper()
	m, err := sojourn.New(sojourn.Config{Keep: sojourn.Encrypted(ring)})
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		sojourn.From(r.Context()).SignIn("ada")
	})).ServeHTTP(answer, httptest.NewRequest("GET", "https://shop.example/", nil))
	for _, c := range answer.Result().Cookies() {
		if c.Name == defaultName {
			return c.Value
		}
	}
	t.Fatalf("no cookie: %v", answer.Header())
	return ""
}
