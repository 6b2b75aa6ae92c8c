package promises

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// storeTimeout is the site's, where faults are tried. A request loads once and
// saves once.
const storeTimeout = 2 * time.Second

// limit is the longest that a request may take then: its deadlines, its work,
// and what a busy machine adds.
const limit = 2*storeTimeout + work + time.Second

// A target is a server that faults can be done to, and how its store is opened
// through a proxy.
type target struct {
	server *engines.Server
	url    func(addr string) string
}

var targets = map[string]func(t testing.TB) target{
	"redis": func(t testing.TB) target {
		return target{engines.Redis(t, engines.AppendOnly("always")), func(addr string) string { return "redis://" + addr }}
	},
}

// TestFaults: under load an engine is killed, stopped, unreachable or silent.
// After each: every write that was acknowledged is there, no request took
// longer than its deadlines, the service comes back by itself, and nothing
// leaks (promises 1 and 15).
func TestFaults(t *testing.T) {
	faults := map[string]func(target, *engines.Proxy){
		"kill and restart": func(s target, _ *engines.Proxy) {
			s.server.Kill()
			time.Sleep(500 * time.Millisecond)
			s.server.Restart()
		},
		"stop for 5 s": func(s target, _ *engines.Proxy) {
			s.server.Pause()
			time.Sleep(5 * time.Second)
			s.server.Resume()
		},
		"refused for 3 s": func(_ target, p *engines.Proxy) {
			p.Refuse(true)
			p.Cut()
			time.Sleep(3 * time.Second)
			p.Refuse(false)
		},
		"black hole for 5 s": func(_ target, p *engines.Proxy) {
			p.BlackHole(true)
			time.Sleep(5 * time.Second)
			p.BlackHole(false)
		},
		"replies lost for 3 s": func(_ target, p *engines.Proxy) {
			p.Sometimes(engines.Drop, 0.2, 1)
			time.Sleep(3 * time.Second)
			p.Answers(nil)
		},
	}
	for name, start := range targets {
		t.Run(name, func(t *testing.T) {
			target := start(t)
			for fault, do := range faults {
				t.Run(fault, func(t *testing.T) { underFault(t, target, do) })
			}
		})
	}
}

func underFault(t *testing.T, target target, do func(target, *engines.Proxy)) {
	client.CloseIdleConnections()
	before := runtime.NumGoroutine()
	proxy := engines.NewProxy(t, target.server.Addr())
	s, shut, err := open(target.url(proxy.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	site, err := newSite(s, func(c *sojourn.Config) { c.StoreTimeout = storeTimeout })
	if err != nil {
		t.Fatal(err)
	}
	base, closeSite := listen(t, site.handler())
	l := startLoad(t, base)
	l.works(200)
	do(target, proxy)
	l.works(200)
	l.finish(limit)
	closeSite()
	if err := shut(); err != nil {
		t.Errorf("closing the store: %v", err)
	}
	poll(t, "connections to be closed", func() bool { return proxy.Open() == 0 })
	client.CloseIdleConnections()
	leaked := 0
	poll(t, fmt.Sprintf("goroutines to end (%d too many)", leaked), func() bool {
		leaked = runtime.NumGoroutine() - before - 3 // the proxy's own
		return leaked <= 0
	})
}
