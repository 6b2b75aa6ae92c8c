package promises

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sojourn-go/sojourn/storetest/engines"
)

// TestLostReplies: ten visitors' windows fill one cart in two processes, through
// a proxy that drops one reply in five, of reads and writes alike. Of a thousand
// items whose adding was acknowledged each is there once; of the others, which
// were answered with an error, each is there once or not at all (promise 1).
func TestLostReplies(t *testing.T) {
	server := engines.Redis(t)
	proxy := engines.NewProxy(t, server.Addr())
	url := "redis://" + proxy.Addr()
	bases := []string{process(t, url), process(t, url)}
	v := newVisitor(t, bases[0])
	v.must("/add?item=first")
	token := v.token()

	proxy.Sometimes(engines.Drop, 0.2, 1)
	const windows, want = 10, 1000
	var acknowledged atomic.Int64
	var told, failed [windows][]string // items
	var group sync.WaitGroup
	for i := range windows {
		group.Go(func() {
			for n := 0; acknowledged.Load() < want; n++ {
				item := fmt.Sprintf("w%d-%d", i, n)
				response, body, err := get(bases[(i+n)%2]+"/add?item="+item, token)
				switch {
				case err != nil:
					t.Error(err)
					return
				case response.StatusCode == http.StatusOK:
					told[i] = append(told[i], item)
					acknowledged.Add(1)
				case response.StatusCode == http.StatusServiceUnavailable && strings.Contains(body, "store"):
					failed[i] = append(failed[i], item)
				default:
					t.Errorf("answered %d: %s", response.StatusCode, body)
					return
				}
			}
		})
	}
	group.Wait()
	proxy.Answers(nil)

	times := map[string]int{}
	for _, item := range v.state().Cart {
		times[item]++
	}
	there := 0
	for _, item := range append(slices.Concat(told[:]...), "first") {
		if times[item] != 1 {
			t.Errorf("%s, whose adding was acknowledged, is in the cart %d times", item, times[item])
		}
		delete(times, item)
	}
	lost := slices.Concat(failed[:]...)
	for _, item := range lost {
		if times[item] > 1 {
			t.Errorf("%s, whose adding failed, is in the cart %d times", item, times[item])
		}
		there += times[item]
		delete(times, item)
	}
	if len(times) > 0 {
		t.Errorf("nobody has added %v", times)
	}
	counts := proxy.Counts()
	t.Logf("%d acknowledged, %d failed, of which %d are there; %d of %d answers dropped", acknowledged.Load(), len(lost), there, counts.Dropped, counts.Answers)
	if counts.Dropped < 100 {
		t.Errorf("only %d answers were dropped", counts.Dropped)
	}
}
