//go:build unix

package engines

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to answer, or to end.
const patience = 30 * time.Second

// A process is a server program that a test runs. What differs between
// servers is in the fields; what is the same for all is here.
type process struct {
	t       testing.TB
	path    string              // of the program
	args    []string            // without the program's name
	dir     string              // its directory, which outlives a restart
	as      *syscall.Credential // whom it runs as; nil for the test's own user
	answers func(ctx context.Context, pid int) error

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
}

// find returns the path of the first of the programs that is installed.
func find(t testing.TB, remedy string, programs ...string) string {
	t.Helper()
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("engines: %s is not installed: %s", programs[0], remedy)
	return ""
}

// freePort returns a port of 127.0.0.1 that nobody uses at the moment. It is at
// random and below those that systems hand out for outgoing connections, which
// another process would get before the server has it.
func freePort(t testing.TB) string {
	t.Helper()
	const lowest, highest = 10000, 32000
	for range 100 {
		port := strconv.Itoa(lowest + rand.N(highest-lowest))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatalf("engines: no free port between %d and %d", lowest, highest)
	return ""
}

// withCredential has a program run as somebody else.
func withCredential(attr *syscall.SysProcAttr, as *syscall.Credential) *syscall.SysProcAttr {
	if attr == nil {
		attr = &syscall.SysProcAttr{}
	}
	attr.Credential = as
	return attr
}

// start runs the program and waits until it answers.
func (p *process) start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	log, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatalf("engines: %v", err)
	}
	defer log.Close()
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.SysProcAttr = dieWithParent()
	if p.as != nil {
		cmd.SysProcAttr = withCredential(cmd.SysProcAttr, p.as)
	}
	exited := make(chan struct{})
	started := make(chan error)
	go run(cmd, started, exited)
	if err := <-started; err != nil {
		p.t.Fatalf("engines: %s does not start: %v", p.path, err)
	}
	p.cmd, p.exited = cmd, exited
	if err := p.await(cmd.Process.Pid, exited); err != nil {
		cmd.Process.Kill()
		<-exited
		p.t.Fatalf("engines: %s does not answer: %v\n%s", p.path, err, p.Log())
	}
}

// await polls until the server answers or has ended.
func (p *process) await(pid int, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := p.answers(ctx, pid)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("it has ended: %w", err)
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// Kill ends the server at once, as a crash would (SIGKILL).
func (p *process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kill()
}

func (p *process) kill() {
	if p.cmd != nil {
		// It makes no more processes of its own once it has stopped.
		var family []int
		if p.cmd.Process.Signal(syscall.SIGSTOP) == nil { // else it has ended, and its id may be another's
			family = children(p.cmd.Process.Pid)
		}
		p.cmd.Process.Kill() // by its id; an error says that it has ended already
		<-p.exited
		finish(family) // or they would be in the way of the next start
		p.cmd = nil
	}
}

// Restart kills the server if it runs, and starts it again with the same
// address and data. It waits until the server answers.
func (p *process) Restart() {
	p.t.Helper()
	p.Kill()
	p.start()
}

// Pause stops the server without closing anything (SIGSTOP): its clients find
// that nothing answers. Resume lets it go on.
func (p *process) Pause() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
}

// Resume lets a paused server go on.
func (p *process) Resume() {
	p.t.Helper()
	p.signal(syscall.SIGCONT)
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		p.t.Fatalf("engines: %s does not run", p.path)
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("engines: %s: %v", p.path, err)
	}
	for _, pid := range children(p.cmd.Process.Pid) {
		syscall.Kill(pid, s)
	}
}

// Dir is the server's directory.
func (p *process) Dir() string { return p.dir }

// Log is what the server has printed, for the message of a test that failed.
func (p *process) Log() string {
	text, err := os.ReadFile(p.logPath())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (p *process) logPath() string { return filepath.Join(p.dir, "server.log") }
