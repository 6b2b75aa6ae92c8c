package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// fileTime is when edits are made here.
var fileTime = time.Unix(1700000000, 0)

// TestKeyAsPath: a key, or the text of a key file, in place of a file's name is
// not repeated, and no edit makes a file of that name.
func TestKeyAsPath(t *testing.T) {
	t.Chdir(t.TempDir())
	fromEnv := "dev" // nobody would take it for a key, were it not the value of a variable
	t.Setenv("SECRET_KEY", fromEnv)
	for _, key := range []string{
		Generate(), strongA, strongC, "Lq3/9vXc+TmA0zEwYb7Rk2/dNhUoPsJf4GiKxQ8yBnM=", "/q3z9vXcTTmA0zEwYb7Rk2ddNhUoPsJf4GiKxQ8yBnM=",
		"Lq3/9vXc+TmA0zEwYb7Rk2/dNhUoPsJf4GiKxQ8yBnM", "base64:Lq3/9vXc+TmA0zEwYb7Rk2/dNhUoPsJf4GiKxQ8yBnM", strongA + "\n./" + strongB + "\n",
		managedHeader + "\nstate=active key=" + strongA, strings.Repeat(strongA, 10), fromEnv,
	} {
		file := File(key)
		_, read := FromFile(key)
		_, listed := file.List()
		_, activated := file.Activate("00000000", fileTime)
		added := read
		if key[0] != '/' { // a broken one would make a file outside of the test's directory
			_, added = file.Add(fileTime)
		}
		for who, err := range map[string]error{"FromFile": read, "List": listed, "Activate": activated, "Add": added} {
			if who == "Add" && key == fromEnv {
				continue // the path of a file may come from a variable
			}
			if err == nil || !errors.Is(err, fs.ErrNotExist) && len(key) < 255 {
				t.Errorf("%s(%q): %v", who, key, err)
			}
			for _, shown := range []string{fmt.Sprint(err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), dump(reflect.ValueOf(err), 0)} {
				if strings.Contains(shown, key[:3]) || strings.Contains(shown, strongA) {
					t.Errorf("%s(%q) shows it: %s", who, key, shown)
				}
			}
			if want := "may be a key and not the path of a file; give the path of a key file, with ./ in front"; key != fromEnv && !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("%s(%q): %v", who, key, err)
			}
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) != 1 || left[0].Name() != fromEnv {
		t.Errorf("made %v, %v", left, err)
	}
}

// TestPathLikeKey: what is plainly a path is repeated, so that it can be mended.
func TestPathLikeKey(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{
		"session.keys", "keys", "./" + strongA, dir + "/" + strongA, "/nonexist/MyShop2/production/session/keys", "etc/my-shop/production/session/keys",
	} {
		if _, err := FromFile(path); err == nil || !strings.Contains(err.Error(), "open "+path+": no such file") {
			t.Errorf("%v", err)
		}
	}
	t.Setenv("KEY_FILE", dir+"/session.keys")
	if _, err := FromFile(os.Getenv("KEY_FILE")); err == nil || !strings.Contains(err.Error(), "make one with: sojourn key add "+dir+"/session.keys ") {
		t.Errorf("the path is in a variable: %v", err)
	}
	t.Chdir(dir)
	if err := os.WriteFile(strongA, []byte(strongB), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := FromFile(strongA)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := File(strongA).Add(fileTime); err != nil {
		t.Error(err)
	}
	os.Remove(strongA)
	if err := r.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "open "+strongA+": ") {
		t.Errorf("that was a file: %v", err)
	}
}

// TestReloadLacks: a ring that has keys is not told to make another when its
// source has none any more.
func TestReloadLacks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.keys")
	write := func(text string) {
		t.Setenv("SOJOURN_TEST_KEYS", text)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strongA)
	file, err1 := FromFile(path)
	env, err2 := FromEnv("SOJOURN_TEST_KEYS")
	shelf, provided := mustProvide(t, strongA)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	lacks := func(r *Ring, want string) {
		t.Helper()
		err := r.Reload(t.Context())
		if err == nil || err.Error() != want || !r.Active().has([]byte(strongA)) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	const kept = "; the keys in use are unchanged"
	write(" \n")
	shelf.set("")
	lacks(file, "keys: key file "+path+" is empty; put back the file as it was"+kept)
	lacks(env, "keys: environment variable SOJOURN_TEST_KEYS is empty; set it as it was"+kept)
	lacks(provided, "keys: provider shelf gives no key; store there what was there before"+kept)
	os.Remove(path)
	os.Unsetenv("SOJOURN_TEST_KEYS")
	lacks(file, "keys: open "+path+": no such file or directory; put back the file as it was"+kept)
	if err := file.Reload(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
	lacks(env, "keys: environment variable SOJOURN_TEST_KEYS is not set; set it as it was"+kept)
	write(strongB)
	if err := file.Reload(t.Context()); err != nil || !file.Active().has([]byte(strongB)) {
		t.Errorf("put back, and not read: %v", err)
	}
}

// TestCutOff: a file of which the end is missing is not another key.
func TestCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.keys")
	if _, err := File(path).Add(time.Now()); err != nil {
		t.Fatal(err)
	}
	ring, err := FromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	active := ring.Active().ID()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{1, 20} {
		if err := os.WriteFile(path, text[:len(text)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := ring.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "cut off") || ring.Active().ID() != active {
			t.Errorf("without %d bytes: %v, key %s", cut, err, ring.Active().ID())
		}
	}
}

// TestTooManyKeys: an edit never leaves a file that cannot be read.
func TestTooManyKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.keys")
	var text strings.Builder
	text.WriteString("# sojourn keys 1\n")
	for i := range 430 {
		state := "retired"
		if i == 0 {
			state = "active"
		}
		text.WriteString("state=" + state + " created=2026-11-25T00:00:00Z since=2026-11-25T00:00:00Z key=" + Generate() + "\n")
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := File(path).Add(time.Now()); err != nil {
			if !strings.Contains(err.Error(), "remove lines of retired keys") {
				t.Error(err)
			}
			if _, err := FromFile(path); err != nil {
				t.Errorf("after an edit that failed: %v", err)
			}
			return
		}
	}
	t.Error("there is no end to it")
}
