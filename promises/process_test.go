package promises

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
)

// serveVariable tells a process of this test program to serve the site instead,
// and addrVariable where.
const (
	serveVariable = "SOJOURN_PROMISES_SERVE"
	addrVariable  = "SOJOURN_PROMISES_ADDR"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(serveVariable); url != "" {
		if err := serve(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve serves the site on the store at url until its standard input ends, as
// it does when the parent is gone.
func serve(url string) error {
	s, shut, err := open(url)
	if err != nil {
		return err
	}
	defer shut()
	site, err := newSite(s, func(c *sojourn.Config) { c.StoreTimeout = storeTimeout })
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", cmp.Or(os.Getenv(addrVariable), "127.0.0.1:0"))
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	go http.Serve(l, site.handler())
	io.Copy(io.Discard, os.Stdin)
	return nil
}

// process starts a process that serves the site, and returns its address.
func process(t testing.TB, url string) string {
	base, _ := processAt(t, url, "")
	return base
}

// processAt is process for those who say where it listens, and kill it.
func processAt(t testing.TB, url, addr string) (base string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveVariable+"="+url, addrVariable+"="+addr)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	stuck := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	stuck.Stop()
	if err != nil {
		t.Fatalf("a process did not begin to serve: %v", err)
	}
	return strings.TrimSpace(line), func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// inProcess serves a site within the test, and returns its address.
func inProcess(t testing.TB, s *site) string { return serveHandler(t, s.handler()) }

func serveHandler(t testing.TB, h http.Handler) string {
	url, _ := listen(t, h)
	return url
}

// listen is serveHandler for those who close it themselves.
func listen(t testing.TB, h http.Handler) (url string, shut func()) {
	server := httptest.NewServer(h)
	shut = sync.OnceFunc(server.Close)
	t.Cleanup(shut)
	return server.URL, shut
}
