//go:build unix

package keys

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// editTime is when edits are made in tests.
var editTime = time.Date(2026, 3, 1, 9, 0, 0, 123, time.UTC)

// keyFile writes a key file of the test's own; "" is none.
func keyFile(t *testing.T, text string) File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "session.keys")
	if text != "" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return File(path)
}

func (f File) read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(string(f))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wants checks the file's keys, each as "state id", and that nothing is left
// beside it.
func (f File) wants(t *testing.T, want ...string) {
	t.Helper()
	list, err := f.List()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range list {
		got = append(got, string(i.State)+" "+i.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := os.Lstat(string(f) + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a draft is left: %v", err)
	}
}

// TestLife is a key's whole life.
func TestLife(t *testing.T) {
	f := keyFile(t, "")
	a, err := f.Add(editTime)
	if err != nil || a.State != Active || !IsID(a.ID) || !a.Created.Equal(editTime.Truncate(time.Second)) || a.Since != a.Created {
		t.Fatalf("%+v, %v", a, err)
	}
	if info, _ := os.Stat(string(f)); info.Mode().Perm() != 0o600 {
		t.Errorf("made with mode %v", info.Mode())
	}
	r, err := FromFile(string(f))
	if err != nil || r.Active().ID() != a.ID || len(r.Active().Bytes()) != 64 {
		t.Fatal(err)
	}
	b, err := f.Add(editTime.Add(time.Hour))
	if err != nil || b.State != Next || b.ID == a.ID {
		t.Fatalf("%+v, %v", b, err)
	}
	f.wants(t, "active "+a.ID, "next "+b.ID)
	former, err := f.Activate(b.ID, editTime.Add(2*time.Hour))
	if err != nil || former.ID != a.ID || former.State != Active {
		t.Fatalf("%+v, %v", former, err)
	}
	f.wants(t, "active "+b.ID, "read-only "+a.ID)
	list, _ := f.List()
	for i, hours := range []int{1, 0} { // b and a
		if got := list[i]; !got.Created.Equal(a.Created.Add(time.Duration(hours)*time.Hour)) || !got.Since.Equal(a.Created.Add(2*time.Hour)) {
			t.Errorf("%+v", got)
		}
	}
	before := f.read(t)
	if former, err = f.Activate(b.ID, editTime.Add(3*time.Hour)); err != nil || former != (Info{}) || f.read(t) != before {
		t.Errorf("activating the active key: %+v, %v", former, err)
	}
	if _, err := f.Activate(a.ID, editTime); err != nil { // back again
		t.Fatal(err)
	}
	f.wants(t, "active "+a.ID, "read-only "+b.ID)
	if _, err := f.Activate(b.ID, editTime); err != nil {
		t.Fatal(err)
	}
	if _, err = f.Retire(b.ID, editTime); err == nil || !strings.Contains(err.Error(), "is active") || !strings.Contains(err.Error(), "sojourn key activate "+string(f)+" ID") {
		t.Errorf("retiring the active key: %v", err)
	}
	was, err := f.Retire(a.ID, editTime)
	if err != nil || was.State != ReadOnly {
		t.Fatalf("%+v, %v", was, err)
	}
	before = f.read(t)
	if was, err = f.Retire(a.ID, editTime.Add(time.Hour)); err != nil || was.State != Retired || f.read(t) != before {
		t.Errorf("retiring a retired key: %+v, %v", was, err)
	}
	if _, err = f.Activate(a.ID, editTime); err == nil || !strings.Contains(err.Error(), "is retired") || !strings.Contains(err.Error(), "sojourn key add "+string(f)) {
		t.Errorf("activating a retired key: %v", err)
	}
	f.wants(t, "active "+b.ID, "retired "+a.ID)
	if err := r.Reload(t.Context()); err != nil || r.Active().ID() != b.ID || len(r.All()) != 1 {
		t.Errorf("%v, %v", r, err)
	}
	c, err := f.Add(editTime)
	if err != nil {
		t.Fatal(err)
	}
	if was, err = f.Retire(c.ID, editTime); err != nil || was.State != Next {
		t.Errorf("retiring what is next: %+v, %v", was, err)
	}
}

// TestEditPlain: an edit turns the plain form into the managed one, with the
// same keys, whatever bytes they have.
func TestEditPlain(t *testing.T) {
	a, b := newKey([]byte(strongA)).ID(), newKey([]byte(strongB)).ID()
	f := keyFile(t, strongA+"\nbase64:IyBhIGNvbW1lbnQgdGhhdCBpcyBhIGtleQ\n"+strongB)
	old, _ := FromFile(string(f))
	added, err := f.Add(editTime)
	if err != nil {
		t.Fatal(err)
	}
	f.wants(t, "active "+a, "next "+added.ID, "read-only "+old.All()[1].ID(), "read-only "+b)
	stamp := " created=2026-03-01T09:00:00Z since=2026-03-01T09:00:00Z key="
	got := f.read(t)
	head, key, _ := strings.Cut(got, "state=next"+stamp)
	if want := managedHeader + "\nstate=active key=" + strongA + "\nstate=read-only key=base64:IyBhIGNvbW1lbnQgdGhhdCBpcyBhIGtleQ==\nstate=read-only key=" + strongB + "\n"; head != want || len(key) != 65 {
		t.Errorf("%q\n%q", got, want)
	}
	f = keyFile(t, strongA+"\n"+strongB)
	if _, err := f.Activate(b, editTime); err != nil {
		t.Fatal(err)
	}
	f.wants(t, "active "+b, "read-only "+a)
	f = keyFile(t, "dev\n"+strongB) // a weak key is what one has to get rid of
	if _, err := f.Add(editTime); err != nil {
		t.Error(err)
	}
	f = keyFile(t, "\n")
	if added, err := f.Add(editTime); err != nil || added.State != Active {
		t.Errorf("an empty file: %+v, %v", added, err)
	}
}

func TestEditRefuses(t *testing.T) {
	const unknown = "00000000"
	f := keyFile(t, strongA)
	for _, edit := range []func(string, time.Time) (Info, error){f.Activate, f.Retire} {
		if _, err := edit(unknown, editTime); err == nil || !strings.Contains(err.Error(), "has no key with the id "+unknown) || !strings.Contains(err.Error(), "sojourn key list") {
			t.Errorf("%v", err)
		}
		for _, id := range []string{"", strongB, f.mustList(t)[0].ID[:7], strings.ToUpper("abcdef01")} {
			if _, err := edit(id, editTime); err == nil || !strings.Contains(err.Error(), "an id is 8 hex digits") || id != "" && strings.Contains(err.Error(), id) {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
	if got := f.read(t); got != strongA {
		t.Errorf("changed to %q", got)
	}
	missing := File(filepath.Join(t.TempDir(), "missing"))
	if _, err := missing.Activate(unknown, editTime); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := missing.List(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	link := File(filepath.Join(t.TempDir(), "link"))
	if err := os.Symlink("nowhere", string(link)); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]File{
		"a key file needs a path": "", " is not a regular file; give the path of a key file": File(t.TempDir()), "is a symbolic link to a file that does not exist": link,
		"/a does not exist; make it, or give another path: no such file or directory": File(t.TempDir() + "/a/b"), "line 1: the line is not plain text": keyFile(t, "\x00"), "line 2: the line is empty": keyFile(t, strongA+"\n\n"+strongB),
	} {
		if _, err := f.Add(editTime); err == nil || !strings.Contains(err.Error(), name) || !strings.HasPrefix(err.Error(), "keys: ") {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := os.Lstat(string(f) + ".new"); err == nil {
			t.Errorf("%q: a draft is left", name)
		}
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o622} {
		f := keyFile(t, strongA)
		if err := os.Chmod(string(f), mode); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Add(editTime); err == nil || !strings.Contains(err.Error(), "is open to other users") || f.read(t) != strongA {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	t.Setenv("A_KEY", strongC)
	if _, err := File(strongC).Activate(unknown, editTime); err == nil || strings.Contains(err.Error(), strongC) {
		t.Errorf("a key for a path: %v", err)
	}
}

func (f File) mustList(t *testing.T) []Info {
	t.Helper()
	list, err := f.List()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestNotRegular: what is no file gets no advice that would harm it, and a pipe
// is not waited for.
func TestNotRegular(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, os.DevNull, pipe, link, "/"} {
		_, read := FromFile(path)
		_, listed := File(path).List()
		_, added := File(path).Add(editTime)
		_, activated := File(path).Activate("00000000", editTime)
		for _, err := range []error{read, listed, added, activated} {
			if want := "keys: " + path + " is not a regular file; give the path of a key file"; err == nil || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
}

// TestNoPlace: a directory that no file can be made in is named, and not the
// draft.
func TestNoPlace(t *testing.T) {
	dir := "/proc" // where root cannot make one either
	if os.Getuid() != 0 {
		if dir = t.TempDir(); os.Chmod(dir, 0o500) != nil {
			t.Fatal("no directory without the right to write")
		}
	}
	for file, want := range map[File]string{
		File(dir + "/x.keys"):  "the directory " + dir + " cannot be written, ",
		"/nonexist/x.keys":     "keys: key file /nonexist/x.keys: the directory /nonexist does not exist; make it, or give another path: no such file or directory",
		"nonexist/deep/x.keys": "the directory nonexist/deep does not exist; ",
	} {
		if _, err := file.Add(editTime); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), ".new") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestEditKeeps: mode, owner and symbolic links stay.
func TestEditKeeps(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o400, 0o700} {
		f := keyFile(t, strongA)
		if err := os.Chmod(string(f), mode); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Add(editTime); err != nil {
			t.Fatal(err)
		}
		if info, _ := os.Stat(string(f)); info.Mode().Perm() != mode {
			t.Errorf("mode %o has become %v", mode, info.Mode())
		}
	}
	f := keyFile(t, strongA)
	link := File(filepath.Join(t.TempDir(), "link"))
	if err := os.Symlink(string(f), string(link)); err != nil {
		t.Fatal(err)
	}
	if _, err := link.Add(editTime); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(string(link)); err != nil || info.Mode()&fs.ModeSymlink == 0 || len(f.mustList(t)) != 2 {
		t.Errorf("the link has become %v, %v", info.Mode(), err)
	}
}

// TestEditKeepsOwner: only root can give a file away, as the tests in CI do.
func TestEditKeepsOwner(t *testing.T) {
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 1234, 2345
	}
	f := keyFile(t, strongA)
	if err := os.Chown(string(f), uid, gid); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Add(editTime); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(string(f))
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); int(owner.Uid) != uid || int(owner.Gid) != gid || info.Mode().Perm() != 0o600 {
		t.Errorf("owner %d:%d, mode %v", owner.Uid, owner.Gid, info.Mode())
	}
}

// TestEditsExclude: of two edits at once one is refused, and says what to do
// about a draft that a crash has left.
func TestEditsExclude(t *testing.T) {
	f := keyFile(t, strongA)
	draft := string(f) + ".new"
	if err := os.WriteFile(draft, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Add(editTime); err == nil || !strings.Contains(err.Error(), draft+" exists") || !strings.Contains(err.Error(), "rm "+draft) {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadFile(draft); err != nil || string(left) != "half" || f.read(t) != strongA {
		t.Errorf("the draft of another edit was touched: %q, %v", left, err)
	}
	if err := os.Remove(draft); err != nil {
		t.Fatal(err)
	}
	// Each of four editors adds five keys, and tries again when refused.
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for added := 0; added < 5; {
				switch _, err := f.Add(editTime); {
				case err == nil:
					added++
				case !strings.Contains(err.Error(), "exists: somebody is editing"):
					t.Error(err)
					return
				}
				// Whoever reads meanwhile finds a whole file.
				if r, err := FromFile(string(f)); err != nil || !r.Active().has([]byte(strongA)) {
					t.Errorf("a reader: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(f.mustList(t)); n != 21 {
		t.Errorf("%d keys, want 21: an edit was lost", n)
	}
}

// TestEditSyncs: the draft is whole and on the disk before it takes the file's
// place, and the directory after it; a crash before or between leaves a file
// that is whole.
func TestEditSyncs(t *testing.T) {
	defer func() { fsync = (*os.File).Sync }()
	f := keyFile(t, strongA)
	var synced []string
	fsync = func(file *os.File) error {
		synced = append(synced, file.Name())
		now := f.read(t)
		if before := now == strongA; before != (len(synced) == 1) {
			t.Errorf("at sync %d of %s the file holds %d bytes", len(synced), file.Name(), len(now))
		}
		if draft, err := os.ReadFile(string(f) + ".new"); len(synced) == 1 && (err != nil || strings.Count(string(draft), "\n") != 3) {
			t.Errorf("synced %q, %v", draft, err)
		}
		return file.Sync()
	}
	if _, err := f.Add(editTime); err != nil || !slices.Equal(synced, []string{string(f) + ".new", filepath.Dir(string(f))}) {
		t.Errorf("synced %q, %v", synced, err)
	}

	full := errors.New("no space left on device")
	before := f.read(t)
	fsync = func(*os.File) error { return full }
	if _, err := f.Add(editTime); !errors.Is(err, full) || f.read(t) != before {
		t.Errorf("the disk is full: %v", err)
	}
	if _, err := os.Lstat(string(f) + ".new"); err == nil {
		t.Error("the disk is full: a draft is left")
	}
	n := 0
	fsync = func(*os.File) error {
		if n++; n == 2 {
			return full
		}
		return nil
	}
	if _, err := f.Add(editTime); !errors.Is(err, full) || !strings.Contains(err.Error(), "has been changed, but") || len(f.mustList(t)) != 3 {
		t.Errorf("the directory could not be synced: %v", err)
	}
}

// TestEditCrash kills a process that edits, again and again.
func TestEditCrash(t *testing.T) {
	if path := os.Getenv("SOJOURN_TEST_EDIT"); path != "" {
		for {
			added, err := File(path).Add(time.Now())
			if err == nil {
				_, err = File(path).Activate(added.ID, time.Now())
			}
			if err != nil {
				t.Fatal(err)
			}
			os.Stdout.WriteString(added.ID + "\n")
		}
	}
	f := keyFile(t, strongA)
	lost := 0
	for range 20 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestEditCrash$")
		cmd.Env = append(os.Environ(), "SOJOURN_TEST_EDIT="+string(f))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewScanner(out)
		last := ""
		for n := 0; n < 5 && in.Scan(); n++ {
			last = in.Text()
		}
		cmd.Process.Kill()
		for in.Scan() {
			last = in.Text()
		}
		cmd.Wait()
		list, err := f.List()
		if err != nil || !IsID(last) {
			t.Fatalf("after a crash: %v, last %q", err, last)
		}
		if !slices.ContainsFunc(list, func(i Info) bool { return i.ID == last && i.State != Next }) {
			t.Fatalf("key %s was reported active, and is not in the file", last)
		}
		if err := os.Remove(string(f) + ".new"); err == nil {
			lost++
		}
	}
	t.Logf("%d of 20 crashes left a draft", lost)
}
