package main

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/keys"
)

// rotate calls "sojourn key …" and wants it to succeed without printing what
// the file holds.
func rotate(t *testing.T, file string, args ...string) string {
	t.Helper()
	got := call(t, "", append([]string{"key"}, args...)...)
	if got.code != exitOK || got.stderr != "" {
		t.Fatalf("%q: %+v", args, got)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, key, _ := strings.Cut(strings.TrimSpace(line), "key="); key != "" && strings.Contains(got.stdout, key) {
			t.Errorf("%q prints a key: %s", args, got.stdout)
		}
	}
	return got.stdout
}

// next returns the arguments of the command that an answer says to call next.
func next(t *testing.T, answer string) []string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^  sojourn key (\w+ \S+ [0-9a-f]{8})$`).FindStringSubmatch(answer)
	if m == nil {
		t.Fatalf("no next command in: %s", answer)
	}
	return strings.Fields(m[1])
}

// TestKeyLife rotates by calling what each command says to call next, while
// the program reads the file, and takes a cookie through it.
func TestKeyLife(t *testing.T) {
	file := t.TempDir() + "/session.keys"
	made := rotate(t, file, "add", file)
	if !strings.Contains(made, "made "+file+" with the active key ") {
		t.Errorf("%s", made)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	sign := func() string {
		return strings.TrimSpace(call(t, "", "cookie", "sign", "--secret-file", file, `{"a":1}`).stdout)
	}
	verify := func(cookie, want string, code int) {
		t.Helper()
		got := call(t, "", "cookie", "verify", "--secret-file", file, cookie)
		if got.code != code || !strings.Contains(got.stdout+got.stderr, want) {
			t.Errorf("%+v, want %q", got, want)
		}
	}
	list := func(states ...string) (ids []string) {
		t.Helper()
		lines := strings.Split(strings.TrimSpace(rotate(t, file, "list", file)), "\n")
		if len(lines) != len(states)+1 || !strings.HasPrefix(lines[0], "ID        STATE") {
			t.Fatalf("%q", lines)
		}
		for i, state := range states {
			if m := regexp.MustCompile(`^([0-9a-f]{8})  (\S+) +\d{4}-\d\d-\d\d .* UTC.*  \d{4}-\d\d-\d\d .* UTC`).FindStringSubmatch(lines[i+1]); m == nil || m[2] != state {
				t.Errorf("%q, want %s", lines[i+1], state)
			} else {
				ids = append(ids, m[1])
			}
		}
		return ids
	}
	byA := sign()
	a := list("active")[0]
	verify(byA, "key:        0 ("+file+", "+a+", active)\n", exitOK)
	step := next(t, rotate(t, file, "add", file))
	if ids := list("active", "next"); step[0] != "activate" || step[1] != file || step[2] != ids[1] {
		t.Errorf("next: %q, keys %q", step, ids)
	}
	if sign()[:20] != byA[:20] {
		t.Error("what was added writes")
	}
	answer := rotate(t, file, step...)
	if !strings.Contains(answer, "key "+step[2]+" is active, and key "+a+" only reads\n") {
		t.Errorf("%s", answer)
	}
	if again := rotate(t, file, step...); again != "key "+step[2]+" is active already; nothing was changed\n" {
		t.Errorf("%s", again)
	}
	list("active", "read-only")
	verify(byA, a+", read-only)", exitOK)
	byB := sign()
	verify(byB, step[2]+", active)", exitOK)
	if step = next(t, answer); step[0] != "retire" || step[2] != a {
		t.Errorf("next: %q", step)
	}
	rotate(t, file, step...)
	if again := rotate(t, file, step...); again != "key "+a+" is retired already; nothing was changed\n" {
		t.Errorf("%s", again)
	}
	list("active", "retired")
	verify(byA, "cookie refused (key): signed with a key that is retired", exitFailed)
	verify(byA, "\n  key "+a+" of "+file+" signed it, and was retired at ", exitFailed)
	verify(byB, "valid", exitOK)
	verify(byA[:len(byA)-2]+"AA", "cookie refused (signature)", exitFailed)
	got := call(t, "", "cookie", "verify", "--json", "--secret-file", file, byB)
	if b := list("active", "retired")[0]; !strings.Contains(got.stdout, `"key":0,"key_id":"`+b+`","payload"`) {
		t.Errorf("%+v", got)
	}
	check := call(t, "", "key", "check", "--file", file)
	if check.code != exitOK || !strings.Contains(check.stdout, " (active): good, 64 bytes\n") || !strings.Contains(check.stdout, "key "+a+" (retired): not judged, 64 bytes\n") {
		t.Errorf("%+v", check)
	}
	if ring, err := keys.FromFile(file); err != nil || len(ring.All()) != 1 {
		t.Errorf("%v, %v", ring, err)
	}
	secrets, err := readSecrets([]string{file})
	if err != nil || len(secrets) != 1 {
		t.Errorf("%d keys to use, %v: a retired one is none", len(secrets), err)
	}
}

// TestKeyTooEarly: who activates or retires a key so soon that people may be
// signed out is told, and the key is activated or retired all the same.
func TestKeyTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := t.TempDir() + "/k"
		rotate(t, file, "add", file)
		for _, test := range []struct {
			added, wrote             time.Duration // how long before
			activatedNow, retiredNow string
		}{
			{5 * time.Second, 10 * time.Second, "5 seconds", "10 seconds"},
			{59 * time.Second, 12*time.Hour - time.Second, "59 seconds", "11 hours"},
			{time.Minute, 12 * time.Hour, "", ""},
			{0, time.Second, "0 seconds", "1 second"},
		} {
			activate := next(t, rotate(t, file, "add", file))
			time.Sleep(test.added)
			answer := rotate(t, file, activate...)
			warning := "\nkey " + activate[2] + " was added " + test.activatedNow + " ago: a process that has not read the file since refuses what it writes; until it has, its visitors are not signed in\n"
			if !strings.HasPrefix(answer, "key "+activate[2]+" is active, and key ") || strings.Contains(answer, warning) != (test.activatedNow != "") || strings.Contains(answer, "was added") != (test.activatedNow != "") {
				t.Errorf("after %v: %s", test.added, answer)
			}
			retire := next(t, answer)
			if back := rotate(t, file, "activate", file, retire[2]); strings.Contains(back, "was added") {
				t.Errorf("every process knows a key that wrote before: %s", back)
			}
			rotate(t, file, activate...)
			time.Sleep(test.wrote)
			answer = rotate(t, file, retire...)
			warning = "\nit wrote until " + test.retiredNow + " ago: whoever has such a cookie and no newer one is signed out\n"
			if !strings.HasPrefix(answer, "key "+retire[2]+" is retired\n") || strings.Contains(answer, warning) != (test.retiredNow != "") || strings.Contains(answer, "it wrote until") != (test.retiredNow != "") {
				t.Errorf("after %v: %s", test.wrote, answer)
			}
			if again := rotate(t, file, retire...); !strings.Contains(again, "already") || strings.Contains(again, "wrote until") {
				t.Errorf("%s", again)
			}
		}
		unused := next(t, rotate(t, file, "add", file))
		if answer := rotate(t, file, "retire", file, unused[2]); strings.Contains(answer, "it wrote until") {
			t.Errorf("that never wrote: %s", answer)
		}
		plain := writeFile(t, "plain", []byte(keys.Generate()+"\n"+keys.Generate()+"\n")) // times are not known
		list, err := keys.File(plain).List()
		if err != nil {
			t.Fatal(err)
		}
		if answer := rotate(t, plain, "retire", plain, list[1].ID); strings.Contains(answer, "it wrote until") {
			t.Errorf("nobody knows when it wrote: %s", answer)
		}
	})
}

// TestKeyEditKeeps: the mode stays, and a link.
func TestKeyEditKeeps(t *testing.T) {
	file := writeFile(t, "k", []byte("9c2f0d6be1a84375c2f19e0b7d35a6489c0e21d7f4b8536a\n"))
	if err := os.Chmod(file, 0o400); err != nil {
		t.Fatal(err)
	}
	link := t.TempDir() + "/link"
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	rotate(t, file, "add", link)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link has become %v, %v", info.Mode(), err)
	}
}

// TestKeyEditsExclude: of many edits at once each is done or refused.
func TestKeyEditsExclude(t *testing.T) {
	file := t.TempDir() + "/k"
	rotate(t, file, "add", file)
	var mu sync.Mutex
	done := 1
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			got := call(t, "", "key", "add", file)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case got.code == exitOK:
				done++
			case got.code != exitUsage || !strings.Contains(got.stderr, file+".new exists: somebody is editing the key file") || !strings.Contains(got.stderr, "rm "+file+".new"):
				t.Errorf("%+v", got)
			}
		})
	}
	wg.Wait()
	if list, err := keys.File(file).List(); err != nil || len(list) != done {
		t.Errorf("%d keys, %v; %d were added", len(list), err, done)
	}
	if _, err := os.Lstat(file + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a draft is left")
	}
}

// TestKeyAsFile: a key in place of a file or an id is not repeated, and makes
// no file.
func TestKeyAsFile(t *testing.T) {
	t.Chdir(t.TempDir())
	key := keys.Generate()
	file := writeFile(t, "k", []byte(key+"\n"))
	for _, args := range [][]string{
		{"add", key}, {"list", key}, {"activate", key, "00000000"}, {"retire", key, "00000000"}, {"activate", file, key}, {"retire", file, key},
		{"activate", key}, {"retire", key}, {"add", file, key}, {"list", file, key}, {"add", "-" + key}, {"activate", file, key[:8] + "x"},
		{"add", "Lq3/9vXc+TmA0zEwYb7Rk2/dNhUoPsJf4GiKxQ8yBnM="}, {"list", "Lq3/9vXc+TmA0zEwYb7Rk2/dNhUoPsJf4GiKxQ8yBnM="},
	} {
		got := call(t, "", append([]string{"key"}, args...)...)
		if got.code != exitUsage || strings.Contains(got.stdout+got.stderr, key[:8]) || strings.Contains(got.stderr, "Lq3") || !strings.Contains(got.stderr, "for how it is used") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("made %v, %v", left, err)
	}
}
