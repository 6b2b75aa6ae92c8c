package promises

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// TestSecretsAtRest: what engines write to their files, and what lists show,
// holds no token and no secret half of one, in any spelling; the hash of it is
// there, which shows that the right files were looked at (promise 5).
func TestSecretsAtRest(t *testing.T) {
	dir := t.TempDir()
	redis := engines.Redis(t, engines.AppendOnly("always"))
	for name, test := range map[string]struct{ url, dir string }{
		"sqlite": {"sqlite:" + filepath.Join(dir, "sessions.db"), dir},
		"redis":  {"redis://" + redis.Addr(), redis.Dir()},
	} {
		t.Run(name, func(t *testing.T) {
			s := openFor(t, test.url)
			site, err := newSite(s, nil)
			if err != nil {
				t.Fatal(err)
			}
			v := newVisitor(t, inProcess(t, site))
			before, err := s.Changes(context.Background(), "")
			if err != nil {
				t.Fatal(err)
			}
			var tokens []string
			for _, path := range []string{"/add?item=a", "/sign-in?owner=alice", "/regenerate?name=x", "/sign-in?owner=alice"} {
				v.must(path)
				tokens = append(tokens, v.token())
			}
			var files bytes.Buffer
			err = filepath.WalkDir(test.dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				content, err := os.ReadFile(path)
				files.Write(content)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for i, token := range tokens {
				handle, text, _ := strings.Cut(token, ".")
				secret, err := base64.RawURLEncoding.DecodeString(text)
				if err != nil || len(secret) != 32 {
					t.Fatalf("token %d: %v", i, err)
				}
				for what, spelling := range map[string]string{
					"token": token, "secret as text": text, "secret": string(secret), "secret in hex": fmt.Sprintf("%x", secret),
					"secret in standard base64": base64.RawStdEncoding.EncodeToString(secret),
				} {
					if bytes.Contains(files.Bytes(), []byte(spelling)) {
						t.Errorf("token %d: its %s is in the files", i, what)
					}
				}
				sum := sha256.Sum256(secret)
				if i == len(tokens)-1 && (!bytes.Contains(files.Bytes(), sum[:]) || !bytes.Contains(files.Bytes(), []byte(handle))) {
					t.Errorf("token %d: its hash or handle is not in the files: they are the wrong ones", i)
				}
			}
			shown := ""
			list, err := s.List(context.Background(), "alice", store.Page{Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			scan, err := s.Scan(context.Background(), store.Page{Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			changes, err := s.Changes(context.Background(), before.Next)
			if err != nil || len(changes.List) == 0 {
				t.Fatalf("%d changes, %v", len(changes.List), err)
			}
			shown += fmt.Sprintf("%+v %+v %+v", list, scan, changes)
			for _, token := range tokens {
				handle, text, _ := strings.Cut(token, ".")
				secret, _ := base64.RawURLEncoding.DecodeString(text)
				sum := sha256.Sum256(secret)
				if strings.Contains(shown, text) || strings.Contains(shown, string(sum[:])) {
					t.Errorf("a list shows more than the handle %s", handle)
				}
			}
			if len(list.Records) != 1 || !strings.Contains(shown, v.token()[:24]) {
				t.Errorf("the list does not show the session: %s", shown)
			}
		})
	}
}
