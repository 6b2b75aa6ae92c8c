package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestDemoCommand starts the demo as its own process, without any set-up, looks
// at its page and interrupts it.
func TestDemoCommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("processes there cannot be sent an interrupt")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "demo", "--addr", "127.0.0.1:0")
	cmd.Args[0] = "sojourn" // TestMain then runs the command, not the tests
	cmd.Env = []string{}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer stuck.Stop()

	lines := bufio.NewReader(stdout)
	first, err := lines.ReadString('\n')
	url, ok := strings.CutPrefix(first, "the demo is at ")
	if err != nil || !ok {
		t.Fatalf("%q, %v\n%s", first, err, stderr.String())
	}
	response, err := http.Get(strings.TrimSpace(url))
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || !strings.Contains(string(page), "<h1>Welcome</h1>") {
		t.Errorf("%v: %s", err, page)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil || !strings.Contains(string(rest), "it made a key for itself, so its sessions end when it stops\n") {
		t.Errorf("%v: %q", err, rest)
	}
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("%v: %q", err, stderr.String())
	}
}

func TestGreeting(t *testing.T) {
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 80} }
	for _, test := range []struct {
		addr        net.Addr
		ownKey      bool
		key, danger bool
	}{
		{at("127.0.0.1"), true, true, false},
		{at("::1"), false, false, false},
		{at("0.0.0.0"), true, true, true},
		{at("192.0.2.1"), false, false, true},
	} {
		text := greeting(test.addr, test.ownKey)
		if strings.Contains(text, "key for itself") != test.key || strings.Contains(text, "open to the network") != test.danger {
			t.Errorf("%v, %v: %q", test.addr, test.ownKey, text)
		}
	}
}
