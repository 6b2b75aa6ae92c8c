package promises

import (
	"context"
	"crypto"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

const (
	rotationClients = 1000
	rotationAtOnce  = 16 // of their requests
	rotationVisits  = 3  // of each client between two changes
)

// TestRotation: a thousand clients visit two processes, in a loop, while the keys
// are rotated three times and the sessions move from Flask's form with SHA-1 to
// SHA-256, to encrypted cookies, and to a store, each in the two steps of a
// roll-out, one process after the other. Nobody is signed out and nothing is lost;
// after a key was retired, what it wrote is refused with the reason "key".
func TestRotation(t *testing.T) {
	s := openFor(t, "redis://"+engines.Redis(t).Addr())
	sha1 := func(r *keys.Ring) sojourn.Keeper { return flask.Signed(r) }
	sha256 := func(r *keys.Ring) sojourn.Keeper { return flask.Signed(r, flask.Digest(crypto.SHA256)) }
	encrypted := func(r *keys.Ring) sojourn.Keeper { return sojourn.Encrypted(r) }
	stored := func(*keys.Ring) sojourn.Keeper { return sojourn.InStore(s) }

	f := newFleet(t, place{keep: sha1})
	clients := f.startClients()
	signedCopy := clients.cookies(0)
	former := f.rotate()
	f.deploy(place{keep: sha1, stay: sha256})
	f.deploy(place{keep: sha256, former: sha1})
	f.retire(former)
	f.refused(t, place{keep: sha1}, signedCopy)

	f.deploy(place{keep: sha256, stay: encrypted})
	f.deploy(place{keep: encrypted, former: sha256})
	clients.visit()
	sealedCopy := clients.cookies(0)
	former = f.rotate()
	f.retire(former)
	f.refused(t, place{keep: encrypted}, sealedCopy)

	former = f.rotate()
	f.deploy(place{keep: encrypted, stay: stored})
	f.deploy(place{keep: stored, former: encrypted})
	f.retire(former)
	f.deploy(place{keep: stored})
	clients.stop()
	if n := clients.visits.Load(); n < rotationClients*rotationVisits*10 || f.changes < 20 {
		t.Errorf("only %d visits and %d changes", n, f.changes)
	}
	t.Logf("%d visits of %d clients, %d changes: %d signed out, %d fields lost", clients.visits.Load(), rotationClients, f.changes, clients.out.Load(), clients.lost.Load())
}

// A form is the keeper for a process with this ring.
type form func(*keys.Ring) sojourn.Keeper

// A place is where sessions are kept in a version of the site.
type place struct{ keep, stay, former form }

// A fleet is two processes with one key file.
type fleet struct {
	t       *testing.T
	file    keys.File
	nodes   [2]*node
	clients *clients
	changes int
}

// A node is a process: its own ring, and the version that runs.
type node struct {
	ring    *keys.Ring
	handler atomic.Pointer[http.Handler]
	base    string
}

func newFleet(t *testing.T, p place) *fleet {
	f := &fleet{t: t, file: keys.File(filepath.Join(t.TempDir(), "session.keys"))}
	if _, err := f.file.Add(time.Now()); err != nil {
		t.Fatal(err)
	}
	for i := range f.nodes {
		ring, err := keys.FromFile(string(f.file))
		if err != nil {
			t.Fatal(err)
		}
		n := &node{ring: ring}
		n.base = serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*n.handler.Load()).ServeHTTP(w, r) }))
		f.put(n, p)
		f.nodes[i] = n
	}
	return f
}

func (f *fleet) put(n *node, p place) {
	h := f.version(n, p, func(context.Context, sojourn.Event) {})
	n.handler.Store(&h)
}

// each does something to one process after the other, while clients go on.
func (f *fleet) each(do func(n *node)) {
	for _, n := range f.nodes {
		do(n)
		f.changes++
		f.clients.visit()
	}
}

// deploy puts a version into the place of the one that runs.
func (f *fleet) deploy(p place) {
	f.t.Helper()
	f.each(func(n *node) { f.put(n, p) })
}

func (f *fleet) version(n *node, p place, events func(context.Context, sojourn.Event)) http.Handler {
	config := sojourn.Config{Keep: p.keep(n.ring), Cookie: sojourn.Cookie{InsecureHTTP: true}, Events: events}
	for _, other := range []struct {
		form form
		stay bool
	}{{p.stay, true}, {p.former, false}} {
		if other.form != nil {
			config.AlsoRead = append(config.AlsoRead, sojourn.Former{Keep: other.form(n.ring), Cookie: config.Cookie, Stay: other.stay})
		}
	}
	m, err := sojourn.New(config)
	if err != nil {
		f.t.Fatal(err)
	}
	return m.Middleware(http.HandlerFunc(step))
}

// step is a visit: it tells what there was, and adds to it.
func step(w http.ResponseWriter, r *http.Request) {
	s := sojourn.From(r.Context())
	if name := r.FormValue("sign-in"); name != "" {
		s.SignIn(name)
	}
	owner, _ := s.Owner()
	n := counter.GetOr(r.Context(), 0)
	counter.Set(r.Context(), n+1)
	s.Set(fmt.Sprint("f", n%8), n)
	fields := 0
	for name := range s.All() {
		if strings.HasPrefix(name, "f") {
			fields++
		}
	}
	fmt.Fprintf(w, "%s %d %d", owner, n, fields)
}

// reload has one process after the other read the key file again.
func (f *fleet) reload() {
	f.each(func(n *node) {
		if err := n.ring.Reload(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
	})
}

// rotate makes another key the active one, and returns the former one.
func (f *fleet) rotate() (former string) {
	next, err := f.file.Add(time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	f.reload()
	was, err := f.file.Activate(next.ID, time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	f.reload()
	return was.ID
}

// retire retires a key, once nobody reads with it any more.
func (f *fleet) retire(id string) {
	f.clients.visit()
	before := f.reads(id)
	f.clients.visit()
	if after := f.reads(id); after != before {
		f.t.Errorf("key %s: %d reads, and then %d, though every cookie was written anew", id, before, after)
	}
	if before == 0 {
		f.t.Errorf("no reads of key %s were counted", id)
	}
	if _, err := f.file.Retire(id, time.Now()); err != nil {
		f.t.Fatal(err)
	}
	f.reload()
}

// reads is how often a key was read with in all processes.
func (f *fleet) reads(id string) (reads uint64) {
	for _, n := range f.nodes {
		for _, info := range n.ring.Info() {
			if info.ID == id {
				reads += info.Reads
			}
		}
	}
	return reads
}

// refused looks whether a copy of a cookie is refused for its key.
func (f *fleet) refused(t *testing.T, p place, cookie string) {
	t.Helper()
	var reason atomic.Value
	h := f.version(f.nodes[0], p, func(_ context.Context, e sojourn.Event) {
		if e.Kind == sojourn.EventRefused {
			reason.Store(e.Reason)
		}
	})
	r, _ := http.NewRequest("GET", serveHandler(t, h), nil)
	r.Header.Set("Cookie", cookie)
	_, body := visitWith(t, r)
	if got, _ := reason.Load().(sojourn.Reason); got != sojourn.ReasonKey || !strings.HasPrefix(body, " ") {
		t.Errorf("refused for %q, answer %q", got, body)
	}
}

// clients are a thousand browsers in a loop.
type clients struct {
	fleet             *fleet
	list              []*rotationClient
	visits, out, lost atomic.Int64
	stop              func()
}

// A rotationClient keeps a cookie, and knows what the session has to hold.
type rotationClient struct {
	mu     sync.Mutex
	name   string
	cookie string
	n      int
}

func (f *fleet) startClients() *clients {
	c := &clients{fleet: f}
	for i := range rotationClients {
		c.list = append(c.list, &rotationClient{name: fmt.Sprint("owner", i)})
	}
	stopped, all := make(chan struct{}), sync.WaitGroup{}
	c.stop = sync.OnceFunc(func() { close(stopped); all.Wait() })
	f.t.Cleanup(c.stop)
	f.clients = c
	next := make(chan *rotationClient)
	for range rotationAtOnce {
		all.Go(func() {
			for client := range next {
				c.step(client)
			}
		})
	}
	all.Go(func() {
		defer close(next)
		for i := 0; ; i++ {
			select {
			case next <- c.list[i%len(c.list)]:
			case <-stopped:
				return
			}
		}
	})
	c.visit()
	return c
}

// visit returns when each client has visited a few times more.
func (c *clients) visit() {
	c.fleet.t.Helper()
	goal := c.visits.Load() + rotationClients*rotationVisits + rotationAtOnce
	poll(c.fleet.t, "visits", func() bool { return c.fleet.t.Failed() || c.visits.Load() >= goal })
	if c.fleet.t.Failed() {
		c.fleet.t.FailNow()
	}
}

// step is one visit of one client, to either process.
func (c *clients) step(client *rotationClient) {
	client.mu.Lock()
	defer client.mu.Unlock()
	t := c.fleet.t
	url := c.fleet.nodes[rand.N(2)].base + "/"
	if client.n == 0 {
		url += "?sign-in=" + client.name
	}
	r, _ := http.NewRequest("GET", url, nil)
	r.Header.Set("Cookie", client.cookie)
	res, body := visitWith(t, r)
	want := fmt.Sprintf("%s %d %d", client.name, client.n, min(client.n+1, 8))
	if res.StatusCode != 200 || body != want {
		if !strings.HasPrefix(body, client.name+" ") {
			c.out.Add(1)
		} else {
			c.lost.Add(1)
		}
		t.Errorf("%s: %d %q, want %q", client.name, res.StatusCode, body, want)
	}
	for _, set := range res.Cookies() {
		if set.MaxAge >= 0 {
			client.cookie = set.Name + "=" + set.Value
		} else if strings.HasPrefix(client.cookie, set.Name+"=") {
			client.cookie = ""
		}
	}
	client.n++
	c.visits.Add(1)
}

func (c *clients) cookies(i int) string {
	c.list[i].mu.Lock()
	defer c.list[i].mu.Unlock()
	return c.list[i].cookie
}

func visitWith(t *testing.T, r *http.Request) (*http.Response, string) {
	res, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return &http.Response{}, ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return res, string(body)
}
