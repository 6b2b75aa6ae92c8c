package promises

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sojourn-go/sojourn/storetest/engines"
)

// TestLostReplies: two processes increment one counter through a proxy that
// drops one reply in five, of reads and writes alike. Of a thousand increments that were
// acknowledged none is lost and none is doubled; the others were answered with
// an error, and are there or not (promise 1).
func TestLostReplies(t *testing.T) {
	server := engines.Redis(t)
	proxy := engines.NewProxy(t, server.Addr())
	url := "redis://" + proxy.Addr()
	bases := []string{process(t, url), process(t, url)}
	v := newVisitor(t, bases[0])
	v.must("/field?name=counted")
	token := v.token()

	proxy.Sometimes(engines.Drop, 0.2, 1)
	const want = 1000
	var acknowledged, failed atomic.Int64
	var group sync.WaitGroup
	for i := range 10 {
		group.Go(func() {
			for n := i; acknowledged.Load() < want; n++ {
				response, body, err := get(bases[n%2]+"/count", token)
				switch {
				case err != nil:
					t.Error(err)
					return
				case response.StatusCode == http.StatusOK:
					acknowledged.Add(1)
				case response.StatusCode == http.StatusServiceUnavailable && strings.Contains(body, "store"):
					failed.Add(1)
				default:
					t.Errorf("answered %d: %s", response.StatusCode, body)
					return
				}
			}
		})
	}
	group.Wait()
	proxy.Answers(nil)
	got, counts := int64(v.state().Counter), proxy.Counts()
	t.Logf("%d acknowledged, %d failed, %d counted; %d of %d answers dropped", acknowledged.Load(), failed.Load(), got, counts.Dropped, counts.Answers)
	if got < acknowledged.Load() || got > acknowledged.Load()+failed.Load() {
		t.Errorf("%d increments were acknowledged and %d failed, but %d were counted", acknowledged.Load(), failed.Load(), got)
	}
	if counts.Dropped < 100 {
		t.Errorf("only %d answers were dropped", counts.Dropped)
	}
}
