package promises

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestContention: fifty parallel writers of one session finish at least five
// times sooner than with a lock that is held through their handlers, measured
// in the same run: the lock is real, and so is the work.
func TestContention(t *testing.T) {
	onEach(t, false, func(t *testing.T, url string) {
		site, err := newSite(openFor(t, url), nil)
		if err != nil {
			t.Fatal(err)
		}
		open := site.handler()
		var lock sync.Mutex
		locked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			lock.Lock()
			defer lock.Unlock()
			open.ServeHTTP(w, r)
		})
		took := func(h http.Handler) time.Duration {
			base := serveHandler(t, h)
			v := newVisitor(t, base)
			v.must("/count")
			begun := time.Now()
			volley(t, []string{base}, v.token(), func(int) string { return "/count" })
			d := time.Since(begun)
			if got := v.state().Counter; got != parallel+1 {
				t.Errorf("counted %d", got)
			}
			return d
		}
		took(open)                                                             // connections are made
		with, without := took(locked), min(took(open), took(open), took(open)) // others use this machine too
		t.Logf("with a lock %v, without %v: %.1f times", with, without, float64(with)/float64(without))
		if with < 5*without {
			t.Errorf("with a lock %v, without %v: not 5 times", with, without)
		}
	})
}
