package interop

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

//go:embed testdata/*.py
var programs embed.FS

// patience is how long a test waits for Python before it says what hangs.
const patience = 30 * time.Second

// install is what to do when no interpreter will do. Nothing is ever skipped:
// without Flask these tests prove nothing.
const install = "apt-get install python3-flask python3-flask-login"

// versions is what a process says about itself in its first line.
type versions struct {
	Python     string `json:"python"`
	Flask      string `json:"flask"`
	Werkzeug   string `json:"werkzeug"`
	FlaskLogin string `json:"flask_login"`
	Fallbacks  bool   `json:"fallbacks"` // knows SECRET_KEY_FALLBACKS
}

// withFlask and withFlaskLogin find the interpreters once: looking costs a
// start of Python each.
var (
	withFlask = sync.OnceValues(func() (string, error) {
		if chosen := os.Getenv("SOJOURN_PYTHON"); chosen != "" {
			return interpreter("flask", chosen)
		}
		return interpreter("flask", "python3", "/usr/bin/python3")
	})
	withFlaskLogin = sync.OnceValues(func() (string, error) {
		candidates := []string{"python3", "/usr/bin/python3"}
		if chosen := os.Getenv("SOJOURN_PYTHON"); chosen != "" {
			candidates = append([]string{chosen}, candidates...)
		}
		return interpreter("flask, flask_login", candidates...)
	})
)

// interpreter returns the first candidate that can import what is needed.
func interpreter(imports string, candidates ...string) (string, error) {
	for _, c := range candidates {
		if exec.Command(c, "-c", "import "+imports).Run() == nil {
			return c, nil
		}
	}
	return "", errors.New(install)
}

// A process is a running program of testdata. Tests talk to it in lines: it
// reads standard input and answers on standard output.
type process struct {
	name string
	versions
	stdin  *os.File
	stdout *os.File
	lines  *bufio.Reader
	cmd    *exec.Cmd
	said   bytes.Buffer // standard error; to be read once the process has ended
}

// start runs testdata/main.py with one argument until the end of the test.
func start(t testing.TB, find func() (string, error), program string) *process {
	t.Helper()
	python, err := find()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	unpack(t, dir)
	p := &process{name: program, cmd: exec.Command(python, filepath.Join(dir, "main.py"), program)}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), "PYTHONUTF8=1", "PYTHONDONTWRITEBYTECODE=1")
	p.cmd.Stderr = &p.said
	var theirs [2]*os.File
	theirs[0], p.stdin = pipe(t)
	p.stdout, theirs[1] = pipe(t)
	p.lines = bufio.NewReaderSize(p.stdout, 1<<20)
	p.cmd.Stdin, p.cmd.Stdout = theirs[0], theirs[1]
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(t) })
	for _, f := range theirs { // so that the end of the process is the end of the file
		f.Close()
	}
	if err := p.receive(&p.versions); err != nil {
		t.Fatal(err)
	}
	return p
}

// pipe returns the two ends of a pipe. Other than those of os/exec they are
// files for sure, which have deadlines.
func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// unpack writes the Python programs where an interpreter can read them.
func unpack(t testing.TB, dir string) {
	t.Helper()
	files, err := fs.Glob(programs, "testdata/*.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := programs.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// stop kills the process, by its handle, and shows what it complained about
// if the test failed.
func (p *process) stop(t testing.TB) {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	_ = p.cmd.Wait()         // "killed" is no news
	if t.Failed() && p.said.Len() > 0 {
		t.Logf("%s said:\n%s", p.name, p.said.Bytes())
	}
}

// send writes one line of JSON to the process, within the patience.
func (p *process) send(v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		err = p.stdin.SetWriteDeadline(time.Now().Add(patience))
	}
	if err != nil {
		return err
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s is gone: %w", p.name, err)
	}
	return nil
}

// receive reads one line of JSON from the process, within the patience.
func (p *process) receive(v any) error {
	if err := p.stdout.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	line, err := p.lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", p.name, err)
	}
	return json.Unmarshal(line, v)
}
