package promises

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

const (
	rounds   = 20
	parallel = 50
)

// TestNoLostUpdate: fifty requests at once on one session, each after 20 ms of
// work: every field, every increment is kept, also while one of them
// regenerates the token; in one process, and spread over two (promise 2).
func TestNoLostUpdate(t *testing.T) {
	for _, processes := range []int{1, 2} {
		t.Run(fmt.Sprint(processes, " processes"), func(t *testing.T) {
			onEach(t, processes > 1, func(t *testing.T, url string) {
				var bases []string
				if processes == 1 {
					site, err := newSite(openFor(t, url), nil)
					if err != nil {
						t.Fatal(err)
					}
					bases = []string{inProcess(t, site)}
				}
				for processes > 1 && len(bases) < processes {
					bases = append(bases, process(t, url))
				}
				for range rounds {
					lostFields(t, bases, false)
					lostFields(t, bases, true)
					lostIncrements(t, bases)
				}
			})
		})
	}
}

// volley sends fifty requests at once with one token, in turn to each base, and
// returns the new token if there is one.
func volley(t *testing.T, bases []string, token string, path func(i int) string) (newToken string) {
	var group sync.WaitGroup
	var mu sync.Mutex
	newToken = token
	for i := range parallel {
		group.Go(func() {
			response, body, err := get(bases[i%len(bases)]+path(i), token)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("request %d: %v %s", i, err, body)
				return
			}
			for _, c := range response.Cookies() {
				newToken = c.Value
			}
		})
	}
	group.Wait()
	return newToken
}

func lostFields(t *testing.T, bases []string, regenerate bool) {
	v := newVisitor(t, bases[0])
	v.must("/field?name=first")
	before := v.token()
	after := volley(t, bases, before, func(i int) string {
		if regenerate && i == parallel/2 {
			return fmt.Sprintf("/regenerate?name=f%d", i)
		}
		return fmt.Sprintf("/field?name=f%d", i)
	})
	if regenerate != (after != before) {
		t.Error("the token changed, or did not")
	}
	for _, base := range bases {
		if got := stateOf(t, base, after); len(got.Fields) != parallel+1 {
			t.Errorf("%d of %d fields were lost", parallel+1-len(got.Fields), parallel+1)
		}
	}
}

func lostIncrements(t *testing.T, bases []string) {
	v := newVisitor(t, bases[0])
	v.must("/count")
	volley(t, bases, v.token(), func(int) string { return "/count" })
	if got := v.state().Counter; got != parallel+1 {
		t.Errorf("%d of %d increments were lost", parallel+1-got, parallel+1)
	}
}

// stateOf asks for the state of a token's session.
func stateOf(t *testing.T, base, token string) state {
	t.Helper()
	v := newVisitor(t, base)
	v.present(token)
	return v.state()
}
