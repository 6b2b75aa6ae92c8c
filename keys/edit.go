package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A File is the path of a key file, for editing; [FromFile] reads it. The tool
// does the same: sojourn key add, activate, retire, list.
//
// To rotate: Add on every machine, or where all read the file; once every
// process has read it, Activate; and when nothing that the former key wrote can
// be valid any more, and no process counts reads of it, Retire.
//
// Edits write the managed form, see [Parse], also where the file was in the
// plain form. The file is replaced as a whole, so that whoever reads it finds
// what was there before or after the edit, even after a crash. Mode and owner
// stay; of a symbolic link the target is edited. Two edits exclude each other:
// while the file FILE is edited there is a file FILE.new beside it. After an
// error nothing has changed, unless the error says otherwise. Weak keys are not
// refused here, but when the file is read for a ring.
type File string

// Add makes a new key and adds it as next: it reads, and does not write until
// it is made active. If the file does not exist, Add makes it with mode 0600,
// and the key is active. It returns the key; now is when it is made.
func (f File) Add(now time.Time) (Info, error) {
	c := candidate{secret: []byte(Generate()), state: Next, created: now.UTC().Truncate(time.Second)}
	c.since = c.created
	err := f.edit(true, func(list []candidate) ([]candidate, error) {
		if len(list) == 0 {
			c.state = Active
		}
		return append(list, c), nil
	})
	if err != nil {
		return Info{}, err
	}
	return c.info(), nil
}

// Activate makes the key of this id active: it writes from now on. The one
// that was active is read-only from now on, and returned. Where the key is
// active already nothing changes, and the zero Info is returned. A retired key
// stays retired.
func (f File) Activate(id string, now time.Time) (former Info, err error) {
	err = f.edit(false, func(list []candidate) ([]candidate, error) {
		c, err := f.find(list, id)
		switch {
		case err != nil:
			return nil, err
		case c.state == Active:
			return nil, nil
		case c.state == Retired:
			return nil, fmt.Errorf("keys: key %s is retired, and what it wrote is refused: it cannot become active again; add a new one with: sojourn key add %s", id, shellQuote(string(f)))
		}
		for i := range list {
			if list[i].state == Active {
				former = list[i].info()
				list[i].enter(ReadOnly, now)
			}
		}
		c.enter(Active, now)
		return list, nil
	})
	if err != nil {
		return Info{}, err
	}
	return former, nil
}

// Retire makes the key of this id read nothing any more: what it wrote is
// refused, and that cannot be undone. It returns the key as it was before;
// where that is retired already nothing changes. The active key is refused:
// activate another first.
func (f File) Retire(id string, now time.Time) (before Info, err error) {
	err = f.edit(false, func(list []candidate) ([]candidate, error) {
		c, err := f.find(list, id)
		if err != nil {
			return nil, err
		}
		before = c.info()
		switch c.state {
		case Retired:
			return nil, nil
		case Active:
			file := shellQuote(string(f))
			return nil, fmt.Errorf("keys: key %s is active, and a file without an active key is none; activate another first: sojourn key activate %s ID (sojourn key list %s shows them, sojourn key add %s makes one)",
				id, file, file, file)
		}
		c.enter(Retired, now)
		return list, nil
	})
	if err != nil {
		return Info{}, err
	}
	return before, nil
}

// List returns the keys of the file, as [Ring.Info] does. Nothing is changed.
func (f File) List() ([]Info, error) {
	r, err := fromFile("File", string(f), []Option{InsecureAllowWeak()})
	return r.Info(), err
}

// enter is the one place where a key in a file changes its state.
func (c *candidate) enter(state State, now time.Time) {
	c.state, c.since = state, now.UTC().Truncate(time.Second)
}

func (c *candidate) info() Info {
	return Info{ID: newKey(c.secret).ID(), State: c.state, Created: c.created, Since: c.since}
}

// find returns the key of an id, to be changed in its place. What is no id may
// be a key by mistake, and is not repeated.
func (f File) find(list []candidate, id string) (*candidate, error) {
	for i := range list {
		if newKey(list[i].secret).ID() == id {
			return &list[i], nil
		}
	}
	if !IsID(id) {
		return nil, errors.New("keys: what was given for the id of a key is none: an id is 8 hex digits, as sojourn key list prints it")
	}
	return nil, fmt.Errorf("keys: key file %s has no key with the id %s; see: sojourn key list %s", f, id, shellQuote(string(f)))
}

// IsID reports whether s has the form of a key's id: 8 hex digits.
func IsID(s string) bool {
	if len(s) != 8 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// edit replaces the file by what change makes of its keys; nil is no change.
// It may be absent only if create is set.
func (f File) edit(create bool, change func([]candidate) ([]candidate, error)) error {
	path, err := f.target()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil && !create {
		if _, err := readFile("File", path); err != nil { // says what is wrong, and the remedy
			return err
		}
	}
	// What is written goes here, and its being here keeps others away.
	draft := path + ".new"
	out, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keys: %s exists: somebody is editing the key file, or an edit was cut off; if nobody is, remove it: rm %s", draft, shellQuote(draft))
	}
	if err != nil {
		return draftError(path, err)
	}
	replaced := false
	defer func() {
		out.Close()
		if !replaced {
			os.Remove(draft)
		}
	}()
	var list []candidate
	before, err := os.Stat(path) // not earlier: somebody may have made it
	if err == nil {
		list, err = readForEdit(path)
	} else if create && errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return err
	}
	if list, err = change(list); list == nil || err != nil {
		return err
	}
	text := formatManaged(list)
	if len(text) > maxText {
		return fmt.Errorf("keys: key file %s would be too large to be read; remove lines of retired keys from it first, with an editor", path)
	}
	if _, err := build(split(text, "key file "+path), settings{allowWeak: true}, nil); err != nil { // what nobody can read replaces nothing
		return err
	}
	if err := writeDraft(out, before, text); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := os.Rename(draft, path); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	replaced = true
	if err := syncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("keys: key file %s has been changed, but it is not certain that a crash of the machine would leave it so: %w", path, err)
	}
	return nil
}

// draftError says why nothing can be written beside the key file at path.
func draftError(path string, err error) error {
	dir := filepath.Dir(path)
	if _, gone := os.Stat(dir); errors.Is(gone, fs.ErrNotExist) {
		return fmt.Errorf("keys: key file %s: the directory %s does not exist; make it, or give another path: %w", path, dir, causeOf(err))
	}
	return fmt.Errorf("keys: key file %s: the directory %s cannot be written, and an edit writes the file anew; edit it as a user who can, or give another path: %w", path, dir, causeOf(err))
}

// target returns the file that is meant: that at the end of symbolic links. It
// is a regular file, or none.
func (f File) target() (path string, err error) {
	if f == "" {
		return "", errors.New("keys: a key file needs a path")
	}
	path, err = filepath.EvalSymlinks(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		if info, err := os.Lstat(string(f)); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return "", fmt.Errorf("keys: %s is a symbolic link to a file that does not exist; remove it, or let it lead to a file", f)
		}
		if !mayBeKey(string(f)) {
			return string(f), nil
		}
	}
	if err != nil {
		return "", openError("File", string(f), err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", notRegular(string(f))
	}
	return path, nil
}

// readForEdit returns the keys of a file in the order of its lines. It accepts
// what FromFile accepts, weak keys, and a file that is empty.
func readForEdit(path string) ([]candidate, error) {
	text, err := readFile("File", path)
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return nil, err
	}
	list := split(text, "key file "+path)
	if _, err := build(list, settings{allowWeak: true}, nil); err != nil {
		return nil, err
	}
	return list, nil
}

// writeDraft writes text to out so that it survives a crash, for the owner and
// with the mode of the file that it is to replace, nil if there is none.
func writeDraft(out *os.File, before fs.FileInfo, text []byte) error {
	if before != nil {
		if err := giveTo(out, before); err != nil {
			return fmt.Errorf("%s belongs to another user, who could not read it after this edit; edit it as that user or as root: %w", before.Name(), err)
		}
		if err := out.Chmod(before.Mode().Perm()); err != nil {
			return err
		}
	}
	if _, err := out.Write(text); err != nil {
		return err
	}
	if err := fsync(out); err != nil {
		return err
	}
	return out.Close()
}

// fsync is replaced by tests, which crash here.
var fsync = (*os.File).Sync
