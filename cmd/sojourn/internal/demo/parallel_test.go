package demo

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/storetest/engines"
)

// clicks adds tea n times at once, a click to each of the servers in turn, all
// in b's session. It returns how many were answered as done.
func (b *browser) clicks(n int, servers ...*httptest.Server) (done int) {
	b.t.Helper()
	client := &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: n},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	answers := make([]string, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		b.server = servers[i%len(servers)]
		request := b.form("/cart/add", "product", "tea")
		request.AddCookie(&http.Cookie{Name: CookieName, Value: b.cookie()})
		all.Go(func() {
			<-start
			response, err := client.Do(request)
			if err != nil {
				answers[i] = err.Error()
				return
			}
			response.Body.Close()
			answers[i] = response.Status
		})
	}
	close(start)
	all.Wait()
	for i, a := range answers {
		if a == "303 See Other" {
			done++
		} else {
			b.t.Errorf("click %d: %s", i, a)
		}
	}
	return done
}

// TestParallelClicks: of 50 clicks at once on one session all are kept, whatever
// the store is, and also when two processes share it.
func TestParallelClicks(t *testing.T) {
	for name, url := range map[string]func(*testing.T) string{
		"memory": func(*testing.T) string { return "memory:" },
		"sqlite": func(t *testing.T) string { return "sqlite:" + t.TempDir() + "/a.db" },
		"redis":  func(t *testing.T) string { return "redis://" + engines.Redis(t).Addr() },
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, url(t))
			server, second := startStored(t, s), startStored(t, s)
			b := visit(t, server)
			b.post("/sign-in", "name", "Ada")
			if n := b.clicks(50, server); n != 50 {
				t.Errorf("%d of 50 clicks were answered", n)
			}
			b.server = server
			b.wants(b.get(), `"cart": {"tea": 50}`, "Added to the cart: Tea. <span class=\"times\">× 50</span>")

			// What does not fit is refused, and exactly that: to whom the page
			// said "added", it was.
			b.clicks(60, server, second)
			b.server = server
			page := b.get()
			b.wants(page, `"cart": {"tea": 99}`)
			if added, full := messages(page, "Added to the cart: Tea."), messages(page, "More than that do not fit into one cart."); added != 49 || full != 11 {
				t.Errorf("added %d and refused %d, want 49 and 11", added, full)
			}
		})
	}
}

// messages counts how often text is among the messages on the page.
func messages(page, text string) (n int) {
	for _, part := range strings.Split(page, text)[1:] {
		times := 1
		fmt.Sscanf(part, ` <span class="times">× %d</span>`, &times)
		n += times
	}
	return n
}
