package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/storetest/engines"
)

// A demoProcess is the demo as its own process.
type demoProcess struct {
	t        *testing.T
	cmd      *exec.Cmd
	url      string
	greeting string // without its first line
	stderr   bytes.Buffer
	ended    bool
}

// startDemo starts the demo with nothing in its environment but env.
func startDemo(t *testing.T, env []string, args ...string) *demoProcess {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("processes there cannot be sent an interrupt")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d := &demoProcess{t: t, cmd: exec.Command(exe, append([]string{"demo", "--addr", "127.0.0.1:0"}, args...)...)}
	d.cmd.Args[0] = "sojourn" // TestMain then runs the command, not the tests
	d.cmd.Env = append([]string{"GORACE=atexit_sleep_ms=0"}, env...)
	d.cmd.Stderr = &d.stderr
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(time.Minute, func() { d.cmd.Process.Kill() })
	t.Cleanup(func() {
		stuck.Stop()
		d.kill()
	})
	lines := bufio.NewReader(stdout)
	first, err := lines.ReadString('\n')
	address, ok := strings.CutPrefix(first, "the demo is at ")
	if err != nil || !ok {
		d.kill()
		t.Fatalf("%q, %v\n%s", first, err, d.stderr.String())
	}
	d.url = strings.TrimSuffix(strings.TrimSpace(address), "/")
	for line := ""; line != "press Ctrl-C to stop it\n"; {
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		d.greeting += line
	}
	return d
}

// kill ends the process as a crash would.
func (d *demoProcess) kill() {
	if !d.ended {
		d.ended = true
		d.cmd.Process.Kill() // by its id
		d.cmd.Wait()
	}
}

// stop ends the process as Ctrl-C does, and returns what it has logged.
func (d *demoProcess) stop() string {
	d.t.Helper()
	d.ended = true
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("%v: %s", err, d.stderr.String())
	}
	return d.stderr.String()
}

// A visitor is a browser, which holds one cookie for all demos of a machine:
// cookies ignore ports.
type visitor struct {
	t      *testing.T
	client http.Client
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{t: t, client: http.Client{Jar: jar, Transport: transport}}
}

// at returns the page of d, after posting a form if there is a path.
func (v *visitor) at(d *demoProcess, path string, form ...string) string {
	v.t.Helper()
	request, err := http.NewRequest("GET", d.url+"/", nil)
	if path != "" {
		values := url.Values{}
		for i := 0; i < len(form); i += 2 {
			values.Set(form[i], form[i+1])
		}
		request, err = http.NewRequest("POST", d.url+path, strings.NewReader(values.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if err != nil {
		v.t.Fatal(err)
	}
	response, err := v.client.Do(request)
	if err != nil {
		v.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		v.t.Fatalf("%s %s: %s, %v\n%s", request.Method, request.URL, response.Status, err, body)
	}
	return strings.ReplaceAll(string(body), "&#34;", `"`)
}

// secret is what is secret of the browser's cookie: the last part of a token or a
// signed one, all of an encrypted one.
func (v *visitor) secret(d *demoProcess) string {
	v.t.Helper()
	cookie := v.cookie(d)
	if cookie == "" {
		v.t.Fatal("no cookie")
	}
	_, secret, ok := strings.Cut(cookie, ".")
	if !ok {
		return cookie
	}
	return secret
}

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
}

// TestDemoSurvives: without any set-up, whoever is signed in stays so when the
// demo is stopped, or dies, and is started again.
func TestDemoSurvives(t *testing.T) {
	cache := t.TempDir()
	env := []string{"XDG_CACHE_HOME=" + cache}
	file := filepath.Join(cache, "sojourn", "demo.db")
	d, v := startDemo(t, env), newVisitor(t)
	wants(t, d.greeting, "SQLite, in "+file+"; they survive a restart")
	wants(t, v.at(d, ""), "<h1>Welcome</h1>", file)
	v.at(d, "/sign-in", "name", "Ada")
	v.at(d, "/cart/add", "product", "tea")
	log := d.stop()
	wants(t, log, "event.kind=signed-in", "event.owner=Ada")
	if strings.Contains(log, v.secret(d)) {
		t.Errorf("the log holds the secret\n%s", log)
	}
	if _, err := os.Stat(file + "-wal"); err == nil {
		t.Error("the database was not closed")
	}

	d = startDemo(t, env)
	wants(t, v.at(d, ""), "<h1>Welcome, <bdi>Ada</bdi></h1>", `"cart": {"tea": 1}`)
	v.at(d, "/cart/add", "product", "map")
	d.kill()

	d = startDemo(t, env)
	wants(t, v.at(d, ""), "<h1>Welcome, <bdi>Ada</bdi></h1>", `"cart": {"map": 1, "tea": 1}`)
	d.stop()
}

// TestDemoElsewhere: a cookie of a demo that kept its sessions elsewhere is
// refused, the page says so, and goes on.
func TestDemoElsewhere(t *testing.T) {
	v := newVisitor(t)
	key := writeFile(t, "demo.key", []byte("RsCiLUXeDz3pRr4ZtJ0dGAMmkdHQfLCBVLa8rFrJpO4"))
	for _, args := range [][]string{
		{"--keep", "flask", "--secret-file", key},
		{"--store", "sqlite:" + t.TempDir() + "/a.db"},
		{"--keep", "flask"},
		{"--keep", "encrypted"},
		{"--store", "memory:"},
	} {
		d := startDemo(t, nil, args...)
		if page := v.at(d, ""); strings.Contains(page, "Ada") || strings.Contains(page, "<strong>Refused</strong> (malformed") == (args[len(args)-1] == key) {
			t.Errorf("%q:\n%s", args, page)
		}
		wants(t, v.at(d, "/sign-in", "name", "Ada"), "<h1>Welcome, <bdi>Ada</bdi></h1>")
		log := d.stop()
		if strings.Contains(log, v.secret(d)) {
			t.Errorf("%q: the log holds the cookie\n%s", args, log)
		}
	}
}

// TestDemoWithoutPlace: with nowhere to put a file it says so, and what helps.
func TestDemoWithoutPlace(t *testing.T) {
	d, v := startDemo(t, nil), newVisitor(t)
	wants(t, d.greeting, "its sessions are kept in memory and end when it stops: there is no file for them (", "$HOME", "--store sqlite:PATH")
	wants(t, v.at(d, "/sign-in", "name", "Ada"), "Welcome, <bdi>Ada</bdi>", "memory of this process")
	d.stop()
}

// TestDemoStops: also when a browser has connected and asks nothing.
func TestDemoStops(t *testing.T) {
	d := startDemo(t, nil, "--store", "sqlite:"+t.TempDir()+"/a.db")
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	newVisitor(t).at(d, "") // so that the server knows of the connection before
	d.stop()
}

// TestDemoFlask: signed cookies, as an application shares them with Flask.
func TestDemoFlask(t *testing.T) {
	d, v := startDemo(t, nil, "--keep", "flask"), newVisitor(t)
	wants(t, d.greeting, "its sessions are kept in signed cookies; it made a key for itself, so they end when it stops\n")
	wants(t, v.at(d, "/sign-in", "name", "Ada"), "The cookie</h2>", `"_user_id": "Ada"`, "Signature")
	d.stop()
}

// TestDemosShare: two demos on one file, or one Redis, have the same sessions;
// of 50 clicks at once all are kept, and what ends in one has ended in the other.
// Nothing that is printed has the password.
func TestDemosShare(t *testing.T) {
	for name, store := range map[string]func(*testing.T) string{
		"sqlite": func(t *testing.T) string { return "sqlite:" + t.TempDir() + "/shared.db" },
		"redis": func(t *testing.T) string {
			return "redis://default:s3cret@" + engines.Redis(t, engines.Args("--requirepass", "s3cret")).Addr() + "/2"
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := store(t)
			one, two := startDemo(t, nil, "--store", store), startDemo(t, nil, "--store", store)
			v := newVisitor(t)
			v.at(one, "/sign-in", "name", "Ada")
			wants(t, v.at(two, ""), "<h1>Welcome, <bdi>Ada</bdi></h1>")

			var clicks sync.WaitGroup
			start := make(chan struct{})
			failed := make(chan string, 50)
			for i := range 50 {
				d := []*demoProcess{one, two}[i%2]
				request, err := http.NewRequest("POST", d.url+"/cart/add", strings.NewReader("product=tea"))
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				clicks.Go(func() {
					<-start
					client := http.Client{Jar: v.client.Jar, Transport: v.client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
					response, err := client.Do(request)
					if err != nil {
						failed <- err.Error()
						return
					}
					defer response.Body.Close()
					if response.StatusCode != http.StatusSeeOther {
						body, _ := io.ReadAll(response.Body)
						failed <- fmt.Sprint(response.Status, " ", string(body))
					}
				})
			}
			close(start)
			clicks.Wait()
			close(failed)
			for f := range failed {
				t.Error(f)
			}
			pages := v.at(one, "")
			wants(t, pages, `"cart": {"tea": 50}`)
			pages += v.at(two, "")

			other := newVisitor(t)
			wants(t, other.at(two, "/sign-in", "name", "Ada"), "Sign out everywhere else")
			wants(t, other.at(two, "/sessions/end-others"), "Other devices signed out: 1.")
			wants(t, v.at(one, ""), "<h1>Welcome</h1>", "(unknown: ")
			v.client.CloseIdleConnections()
			other.client.CloseIdleConnections()
			printed := pages + one.greeting + two.greeting + one.stop() + two.stop()
			if strings.Contains(printed, "s3cret") || strings.Contains(printed, "default:") {
				t.Errorf("the password is in\n%s", printed)
			}
		})
	}
}

func TestGreeting(t *testing.T) {
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 80} }
	for _, test := range []struct {
		addr   net.Addr
		danger bool
	}{
		{at("127.0.0.1"), false},
		{at("::1"), false},
		{at("0.0.0.0"), true},
		{at("192.0.2.1"), true},
	} {
		text := greeting(test.addr, "its sessions are somewhere")
		if !strings.Contains(text, "/\nits sessions are somewhere\n") || strings.Contains(text, "open to the network") != test.danger {
			t.Errorf("%v: %q", test.addr, text)
		}
	}
}
