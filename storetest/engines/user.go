//go:build unix

package engines

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// unprivileged returns the first of the users that exists, when the test runs as
// root: there are servers that refuse him. Else it is nil.
func unprivileged(t testing.TB, names ...string) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	t.Fatalf("engines: root cannot run this server, and there is no user %q", names)
	return nil
}

// privateDir returns a directory that belongs to the server's user, and goes with
// the test. Those of the test itself are closed to others.
func (p *process) privateDir() string {
	p.t.Helper()
	dir, err := os.MkdirTemp("", "sojourn-engine-")
	if err != nil {
		p.t.Fatalf("engines: %v", err)
	}
	p.t.Cleanup(func() { os.RemoveAll(dir) })
	if p.as != nil {
		if err := os.Chown(dir, int(p.as.Uid), int(p.as.Gid)); err != nil {
			p.t.Fatalf("engines: %v", err)
		}
	}
	return dir
}

// prepare runs a program to its end, as the server's user.
func (p *process) prepare(name string, args ...string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), name, args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("engines: %s: %v\n%s", name, err, out)
	}
}

// newest returns the files of a pattern, that of the greatest version first.
func newest(pattern string) []string {
	paths, _ := filepath.Glob(pattern) // the pattern is well formed
	slices.SortFunc(paths, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(b, a)
	})
	return paths
}
