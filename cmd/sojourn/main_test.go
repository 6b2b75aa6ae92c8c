package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sojourn": main})
}

// TestScripts runs the manual in testdata/script.
func TestScripts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() }) // after the scripts, which run in parallel
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(time.Minute),
		Setup: func(env *testscript.Env) error {
			env.Setenv("SECRET_KEY", "") // whatever the developer has set
			env.Setenv("TAKEN", taken.Addr().String())
			env.Setenv("GORACE", "atexit_sleep_ms=0") // or each call takes a second longer
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits is a script command, "exits N program arguments…": the program must
// exit with that very code, which "! exec" does not say.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [argument...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// A result is what a call of the program left.
type result struct {
	code           int
	stdout, stderr string
}

// call runs the program within the test.
func call(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), args, strings.NewReader(stdin), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// writeFile writes a file of the test's own and returns its path.
func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := t.TempDir() + "/" + name
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestArgumentsThatLookLikeFlags: a cookie or JSON may begin with a dash. It
// must get a verdict, and a flag that is misspelt must still be a mistake.
func TestArgumentsThatLookLikeFlags(t *testing.T) {
	key := writeFile(t, "k.key", []byte("k"))
	for _, test := range []struct {
		args []string
		code int
	}{
		{[]string{"-yJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74"}, exitFailed},
		{[]string{"--JhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74"}, exitFailed},
		{[]string{"--", "-yJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74"}, exitFailed},
		{[]string{"-a.b.c", "--max-age", "-1"}, exitFailed},
		{[]string{"--max-age", "-1", "-a.b.c"}, exitFailed},
		{[]string{"--max-age=-1", "-a.b.c"}, exitFailed},
		{[]string{"--lenient", "-a.b.c"}, exitFailed},
		{[]string{"-a.b.c", "--", "--json"}, exitUsage}, // two cookies
		{[]string{"-a.b.c", "--lenint"}, exitUsage},
		{[]string{"--salt", "-x", "--max-age", "-1", ".a.b.c"}, exitFailed},
		{[]string{"-h"}, exitOK},
		{[]string{""}, exitFailed},
	} {
		args := append([]string{"cookie", "verify", "--json", "--secret-file", key}, test.args...)
		got := call(t, "stdin must not be read", args...)
		if got.code != test.code {
			t.Errorf("%q: exit code %d, want %d\n%s%s", test.args, got.code, test.code, got.stdout, got.stderr)
		}
		if test.code == exitFailed && !strings.HasPrefix(got.stdout, `{"valid":false,"reason":"`) {
			t.Errorf("%q: no verdict: %s%s", test.args, got.stdout, got.stderr)
		}
	}
	got := call(t, "", "cookie", "sign", "--secret-file", key, "-1")
	if got.code != exitFailed || !strings.Contains(got.stderr, "JSON refused (payload)") {
		t.Errorf("sign -1: %+v", got)
	}
}

// TestKeysAreNeverPrinted: whatever is mistaken for something else.
func TestKeysAreNeverPrinted(t *testing.T) {
	const secret = "oh-such-a-secret"
	file := writeFile(t, "s.key", []byte(secret))
	t.Setenv("A_KEY", secret)
	for _, args := range [][]string{
		{"key", "check", secret},
		{"key", "check", "-" + secret},
		{"key", secret},
		{"key", "new", secret},
		{"key", "check", "--env", secret},
		{"key", "check", "--env", "A_KEY"},
		{"key", "check", "--file", file},
		{"cookie", "verify", "--secret-file", file, "a.b.c"},
		{"cookie", "sign", "--secret-file", file, "{}"},
		{"demo", "--secret-file", file},
		{"demo", "--keep", "flask", "--secret-file", file},
		{"demo", "--keep", secret},
		{"demo", "--store", secret},
		{"demo", "--store", "redis://:" + secret + "@127.0.0.1:1"},
		{"demo", "--store", "postgres://ada:" + secret + "@127.0.0.1:1"},
		{"demo", "redis://:" + secret + "@127.0.0.1:1"},
	} {
		got := call(t, secret, args...)
		if strings.Contains(got.stdout+got.stderr, secret) {
			t.Errorf("%q prints the key: %+v", args, got)
		}
	}
}

func TestInputIsBounded(t *testing.T) {
	key := writeFile(t, "k.key", []byte("k"))
	for _, what := range []string{"verify", "sign"} {
		got := call(t, strings.Repeat("x", maxInput+1), "cookie", what, "--json", "--secret-file", key)
		if got.code != exitFailed || !strings.Contains(got.stdout, `"reason":"too-large"`) {
			t.Errorf("%s: %+v", what, got)
		}
	}
	got := call(t, strings.Repeat("x", maxInput+1), "cookie", "inspect", "--json")
	if got.code != exitFailed || !strings.Contains(got.stdout, `"reason":"too-large"`) {
		t.Errorf("inspect: %+v", got)
	}
}

// TestMaxAgeBeyondDuration: Flask's lifetime has no end after 292 years.
func TestMaxAgeBeyondDuration(t *testing.T) {
	key := writeFile(t, "k.key", []byte("k"))
	cookie := strings.TrimSpace(call(t, "", "cookie", "sign", "--secret-file", key, "--at", "1", "{}").stdout)
	for _, test := range []struct {
		maxAge, now string
		code        int
	}{
		{"20000000000", "20000000001", exitOK},
		{"20000000000", "20000000002", exitFailed},
		{"9223372036854775807", "9223372036854775807", exitOK},
		{"-9223372036854775808", "1", exitFailed},
	} {
		got := call(t, "", "cookie", "verify", "--secret-file", key, "--max-age", test.maxAge, "--now", test.now, cookie)
		if got.code != test.code {
			t.Errorf("max age %s at %s: %+v", test.maxAge, test.now, got)
		}
	}
}
