package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
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
	t.Setenv(secretEnv, "")
	if got = call(t, "", "cookie", "verify", cookie); got.code != exitUsage {
		t.Errorf("without a key: %+v", got)
	}
}
