package promises

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	neturl "net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

// TestSignInUnderWrites: a visitor's cart is written to from everywhere while
// he signs in, and something goes wrong at one of the store calls that this
// makes. Whatever was acknowledged is in the signed-in cart, the old token is
// dead, and there is one session (promises 1 to 4).
func TestSignInUnderWrites(t *testing.T) {
	faults := map[string]storetest.Fault{
		"none":    {},
		"refused": {Before: errors.New("refused")},
		"lost":    {After: errors.New("lost")},
		"slow":    {Delay: 50 * time.Millisecond},
	}
	onEach(t, false, func(t *testing.T, url string) {
		real := openFor(t, url)
		for name, fault := range faults {
			for k := 1; k <= 4; k++ {
				t.Run(fmt.Sprint(name, " at call ", k), func(t *testing.T) { signInUnderWrites(t, real, fault, k) })
			}
		}
	})
}

func signInUnderWrites(t *testing.T, real store.Store, fault storetest.Fault, k int) {
	owner := "alice " + t.Name()
	shop, err := newSite(real, nil)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	calls := 0
	faulty := storetest.Faulty(real, func(storetest.Call) storetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls == k {
			return fault
		}
		return storetest.Fault{}
	})
	door, err := newSite(faulty, nil) // where he signs in: another process of the fleet
	if err != nil {
		t.Fatal(err)
	}
	v := newVisitor(t, inProcess(t, shop))
	v.must("/add?item=first")
	before := v.token()
	kept := []string{"first"}
	var shoppers sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		shoppers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				item := fmt.Sprintf("i%d-%d", i, n)
				response, _, err := get(v.base+"/kept?item="+item, before)
				if err != nil {
					t.Error(err)
					return
				}
				if len(response.Cookies()) == 0 && response.StatusCode == http.StatusOK {
					mu.Lock()
					kept = append(kept, item)
					mu.Unlock()
				} else if response.StatusCode == http.StatusOK {
					return // a new session: the old one has ended
				}
			}
		})
	}
	in := &visitor{t, inProcess(t, door), v.jar}
	status, body := 0, ""
	for range 5 { // an error page makes him try again
		if status, body = in.visit("/sign-in?owner=" + neturl.QueryEscape(owner)); status == http.StatusOK {
			break
		}
		if status != http.StatusServiceUnavailable || in.token() != before {
			t.Errorf("answered %d, %s; token kept: %v", status, body, in.token() == before)
		}
	}
	close(stop)
	shoppers.Wait()
	if status != http.StatusOK {
		t.Fatalf("could not sign in: %d", status)
	}
	got := in.state()
	if got.Owner != owner {
		t.Errorf("signed in as %q", got.Owner)
	}
	for _, item := range kept {
		if !slices.Contains(got.Cart, item) {
			t.Errorf("%s was acknowledged and is not in the cart %v", item, got.Cart)
		}
	}
	if old := stateOf(t, v.base, before); !old.New {
		t.Errorf("the old token stands for %+v", old)
	}
	listing, err := door.manager.Sessions(context.Background(), owner, store.Page{Limit: 10})
	if err != nil || len(listing.Records) != 1 {
		t.Errorf("%d sessions, %v", len(listing.Records), err)
	}
}

// TestSlowAnswerAfterSignIn: one browser, whose slow anonymous request is
// answered after the sign-in: it stays signed in.
func TestSlowAnswerAfterSignIn(t *testing.T) {
	onEach(t, false, func(t *testing.T, url string) {
		site, err := newSite(openFor(t, url), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, what := range []string{"/field?name=late&hold=", "/read?hold=", "/regenerate?name=late&hold="} {
			hold := fmt.Sprint("h", i)
			v := newVisitor(t, inProcess(t, site))
			v.must("/add?item=a")
			done := make(chan struct{})
			go func() {
				defer close(done)
				v.must(what + hold)
			}()
			site.wait(hold)
			v.must("/sign-in?owner=alice")
			site.let(hold)
			<-done
			if got := v.state(); got.Owner != "alice" || len(got.Cart) != 1 || len(got.Fields) != 1 {
				t.Errorf("%s: then %+v", what, got)
			}
		}
	})
}

// TestFixation: a token that was planted, invented or used up never becomes
// somebody's session (promise 4).
func TestFixation(t *testing.T) {
	onEach(t, false, func(t *testing.T, url string) {
		site, err := newSite(openFor(t, url), nil)
		if err != nil {
			t.Fatal(err)
		}
		base := inProcess(t, site)
		attacker := newVisitor(t, base)
		attacker.must("/field?name=bait")
		planted := attacker.token()
		victim := newVisitor(t, base)
		victim.present(planted)
		victim.must("/sign-in?owner=victim")
		if victim.token() == planted || attacker.state().Owner != "" {
			t.Errorf("the planted token is %q's", attacker.state().Owner)
		}
		secret := planted[25:]
		for name, invented := range map[string]string{
			"random":            store.NewHandle("") + "." + secret,
			"victim's handle":   victim.token()[:24] + "." + secret,
			"attacker's secret": planted[:24] + victim.token()[24:],
			"garbage":           "x",
		} {
			v := newVisitor(t, base)
			v.present(invented)
			if got := v.state(); !got.New || got.Owner != "" {
				t.Errorf("%s: %+v", name, got)
			}
			v.must("/field?name=x")
			if v.token() == invented {
				t.Errorf("%s: the token was adopted", name)
			}
		}
	})
}
