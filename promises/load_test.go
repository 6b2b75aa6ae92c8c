package promises

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A load is a crowd of visitors, and an oracle that knows what each was told.
type load struct {
	t        testing.TB
	base     string
	visitors []*shopper
	lossy    bool         // acknowledged writes may be lost: count them, and complain of nothing
	crowd    string       // the token of the session that fifty use at once
	counted  atomic.Int64 // increments of the crowd's counter that were acknowledged
	failed   atomic.Int64 // and that were not
	slowest  atomic.Int64 // request, in nanoseconds
	good     atomic.Int64 // answers with 200, of everybody
	bad      atomic.Int64 // and without

	mu    sync.Mutex
	fresh map[string]string // item by the token of a session that was begun

	stop  chan struct{}
	end   func() // once: also when the test fails
	group sync.WaitGroup
}

// A shopper fills the cart of one session, an item a request.
type shopper struct {
	token       string
	told, asked []string // items that were acknowledged, and that were sent
}

const (
	shoppers = 8
	crowd    = 50
)

// startLoad begins a load on the site at base. It is bounded: each visitor has
// one request under way.
func startLoad(t testing.TB, base string, lossy bool) *load {
	l := &load{t: t, base: base, lossy: lossy, fresh: map[string]string{}, stop: make(chan struct{})}
	l.end = sync.OnceFunc(func() {
		close(l.stop)
		l.group.Wait()
	})
	t.Cleanup(l.end)
	for i := range shoppers {
		v := newVisitor(t, base)
		item := fmt.Sprintf("s%d-first", i)
		v.must("/add?item=" + item)
		l.visitors = append(l.visitors, &shopper{token: v.token(), told: []string{item}, asked: []string{item}})
	}
	v := newVisitor(t, base)
	v.must("/count")
	l.crowd = v.token()
	l.counted.Add(1)
	for i, s := range l.visitors {
		l.repeat(func(n int) {
			item := fmt.Sprintf("s%d-%d", i, n)
			s.asked = append(s.asked, item)
			if ok, _ := l.ask("/add?item="+item, s.token); ok {
				s.told = append(s.told, item)
			}
		})
	}
	for range crowd {
		l.repeat(func(int) {
			if ok, _ := l.ask("/count", l.crowd); ok {
				l.counted.Add(1)
			} else {
				l.failed.Add(1)
			}
		})
	}
	l.repeat(func(n int) {
		item := fmt.Sprint("fresh-", n)
		if ok, token := l.ask("/add?item="+item, ""); ok {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.fresh[token] = item
		}
	})
	return l
}

func (l *load) repeat(f func(n int)) {
	l.group.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-l.stop:
				return
			default:
				f(n)
			}
		}
	})
}

// ask sends one request and reports whether it was answered with 200, and with
// which token.
func (l *load) ask(path, token string) (ok bool, newToken string) {
	begun := time.Now()
	response, body, err := get(l.base+path, token)
	took := int64(time.Since(begun))
	for {
		slowest := l.slowest.Load()
		if took <= slowest || l.slowest.CompareAndSwap(slowest, took) {
			break
		}
	}
	if err != nil { // the site itself died, where it is a process
		l.bad.Add(1)
		time.Sleep(10 * time.Millisecond)
		return false, ""
	}
	for _, c := range response.Cookies() {
		newToken = c.Value
	}
	switch response.StatusCode {
	case http.StatusOK:
		if token != "" && newToken != "" && !l.lossy {
			l.t.Errorf("%s: a session that was alive got another token", path)
		}
		l.good.Add(1)
		return true, newToken
	case http.StatusServiceUnavailable:
	default:
		l.t.Errorf("%s: answered %d: %s", path, response.StatusCode, body)
	}
	l.bad.Add(1)
	time.Sleep(10 * time.Millisecond) // as somebody who tries again
	return false, ""
}

// works waits until so many more requests have succeeded.
func (l *load) works(more int64) {
	l.t.Helper()
	from := l.good.Load()
	poll(l.t, "the service", func() bool { return l.good.Load() >= from+more })
}

// finish ends the load and checks what was told against what is there: what
// was acknowledged, once; what was not, once or not at all.
func (l *load) finish(limit time.Duration) {
	l.t.Helper()
	l.end()
	l.t.Logf("%d requests succeeded, %d failed, the slowest took %v", l.good.Load(), l.bad.Load(), time.Duration(l.slowest.Load()).Round(time.Millisecond))
	if lost := l.lost(); l.lossy {
		l.t.Logf("%d acknowledged writes are lost", lost)
	} else if lost > 0 {
		l.t.Errorf("%d acknowledged writes are lost", lost)
	}
	if slowest := time.Duration(l.slowest.Load()); slowest > limit {
		l.t.Errorf("a request took %v, the limit is %v", slowest, limit)
	}
}

// lost counts acknowledged writes that are not there, and complains about what
// is there twice, or was never sent.
func (l *load) lost() (lost int) {
	l.t.Helper()
	for i, s := range l.visitors {
		got := l.state(s.token).Cart
		for _, item := range s.told {
			if !slices.Contains(got, item) {
				lost++
			}
		}
		sorted := slices.Sorted(slices.Values(got))
		if len(slices.Compact(sorted)) != len(got) {
			l.t.Errorf("visitor %d has an item twice: %v", i, got)
		}
		for _, item := range got {
			if !slices.Contains(s.asked, item) && !l.lossy {
				l.t.Errorf("visitor %d never asked for %s", i, item)
			}
		}
	}
	for token, item := range l.fresh {
		if !slices.Contains(l.state(token).Cart, item) {
			lost++
		}
	}
	n := int64(l.state(l.crowd).Counter)
	if n > l.counted.Load()+l.failed.Load() {
		l.t.Errorf("%d increments were sent, and %d counted", l.counted.Load()+l.failed.Load(), n)
	}
	return lost + int(max(l.counted.Load()-n, 0))
}

func (l *load) state(token string) state {
	l.t.Helper()
	v := newVisitor(l.t, l.base)
	v.present(token)
	return v.state()
}
