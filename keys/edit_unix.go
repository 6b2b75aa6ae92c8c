//go:build unix

package keys

import (
	"io/fs"
	"os"
	"syscall"
)

// giveTo gives a new file to the owner of another. The group does not matter:
// it may not read a key file.
func giveTo(f *os.File, other fs.FileInfo) error {
	made, err := f.Stat()
	if err != nil {
		return err
	}
	is, ok := made.Sys().(*syscall.Stat_t)
	want, ok2 := other.Sys().(*syscall.Stat_t)
	if !ok || !ok2 || is.Uid == want.Uid && is.Gid == want.Gid {
		return nil
	}
	if err := f.Chown(int(want.Uid), int(want.Gid)); err != nil && is.Uid != want.Uid {
		return err
	}
	return nil
}

// syncDir makes a rename in a directory survive a crash of the machine.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return fsync(dir)
}
