package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// TestDevices: a visitor sees his sessions, ends one, and ends all but this.
func TestDevices(t *testing.T) {
	server := startStored(t, openStore(t, "sqlite:"+t.TempDir()+"/a.db"))
	b := visit(t, server)
	page := b.post("/sign-in", "name", "Ada")
	this, _ := b.token()
	b.wants(page, "Your devices", `<code class="handle">`+this+`</code> <span class="badge">this one</span>`, "Sign in with the same name in another browser")
	b.lacks(page, "Sign it out", "Sign out everywhere else")

	var others []*browser
	for range 3 {
		other := visit(t, server)
		other.post("/sign-in", "name", "Ada")
		others = append(others, other)
	}
	first, _ := others[0].token()
	page = b.get()
	b.wants(page, `value="`+first+`"`, "Sign out everywhere else")
	list := page[strings.Index(page, `<ul class="devices">`):]
	if strings.Index(list, this) > strings.Index(list, first) {
		t.Error("this device is not the first")
	}
	if n := strings.Count(page, "Sign it out"); n != 3 {
		t.Errorf("%d sessions can be ended, want 3", n)
	}
	_, secret := others[0].token()
	b.lacks(page, secret)

	b.wants(b.post("/sessions/end", "handle", first), "That device is signed out.")
	others[0].wants(others[0].get(), "<h1>Welcome</h1>", "Refused", "unknown")
	b.wants(b.post("/sessions/end", "handle", first), "That session had ended already.")
	others[1].wants(others[1].get(), "<bdi>Ada</bdi>")

	page = b.post("/sessions/end-others")
	b.wants(page, "Other devices signed out: 2.", "<bdi>Ada</bdi>")
	b.lacks(page, "Sign it out")
	others[1].wants(others[1].get(), "<h1>Welcome</h1>")

	// Ending this one is signing out.
	b.wants(b.post("/sessions/end", "handle", this), "You are signed out.", "<h1>Welcome</h1>")
	b.lacks(b.get(), "Your devices")
}

// TestDevicesOfOthers: nobody ends what is not his, or learns that it is there.
func TestDevicesOfOthers(t *testing.T) {
	s := openStore(t, "memory:")
	server := startStored(t, s)
	ada, eve := visit(t, server), visit(t, server)
	ada.post("/sign-in", "name", "Ada")
	eve.post("/sign-in", "name", "Eve")
	handle, _ := ada.token()
	anonymous := visit(t, server)
	anonymous.post("/cart/add", "product", "tea")
	nobodys, _ := anonymous.token()
	for _, h := range []string{handle, nobodys, store.NewHandle("Eve"), "", "nonsense", strings.Repeat("x", 3000)} {
		page := eve.post("/sessions/end", "handle", h)
		eve.wants(page, "That session had ended already.")
	}
	eve.wants(eve.post("/sessions/end-others"), "Other devices signed out: 0.")
	anonymous.wants(anonymous.post("/sessions/end", "handle", handle), "Please sign in first.")
	anonymous.wants(anonymous.post("/sessions/end", "handle", nobodys), "Please sign in first.")
	anonymous.wants(anonymous.post("/sessions/end-others"), "Please sign in first.", `"cart": {"tea": 1}`)
	ada.wants(ada.get(), "<bdi>Ada</bdi>")

	// A record of his that is no session is not the page's to end.
	now := time.Now().UTC().Truncate(time.Millisecond)
	token := &store.Record{Header: store.Header{Kind: store.KindRemember, Handle: store.NewHandle("Eve"), Owner: "Eve", Version: 1,
		Created: now, LastSeen: now, IdleDeadline: now.Add(time.Hour), AbsoluteDeadline: now.Add(time.Hour)}}
	if _, err := s.Create(t.Context(), token, store.CreateOptions{Now: now, End: store.Ending{Mark: 1, Now: now}}); err != nil {
		t.Fatal(err)
	}
	eve.lacks(eve.get(), token.Handle)
	eve.wants(eve.post("/sessions/end", "handle", token.Handle), "That session had ended already.")
	if _, err := s.Load(t.Context(), token.Handle); err != nil {
		t.Error(err)
	}
}

// deaf is a store that fails to load one record.
type deaf struct {
	store.Store
	handle string
}

func (d *deaf) Load(ctx context.Context, handle string) (*store.Record, error) {
	if handle == d.handle {
		return nil, errors.New("no answer")
	}
	return d.Store.Load(ctx, handle)
}

// TestDeviceUnknown: a store that does not answer is not one without a record.
func TestDeviceUnknown(t *testing.T) {
	s := &deaf{Store: openStore(t, "memory:").Store}
	server := startDemo(t, Config{Store: s})
	b, other := visit(t, server), visit(t, server)
	b.post("/sign-in", "name", "Ada")
	other.post("/sign-in", "name", "Ada")
	s.handle, _ = other.token()
	response, body := b.do(b.form("/sessions/end", "handle", s.handle))
	if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "nothing was done") {
		t.Errorf("%s %s", response.Status, body)
	}
}

// TestManyDevices: the list is bounded, and this one is always on it.
func TestManyDevices(t *testing.T) {
	s := openStore(t, "memory:")
	server := startStored(t, s)
	b := visit(t, server)
	b.post("/sign-in", "name", "Ada")
	this, _ := b.token()
	now := time.Now().UTC().Truncate(time.Millisecond)
	for i := range 250 {
		at := now.Add(time.Duration(i) * time.Millisecond)
		rec := &store.Record{Header: store.Header{Kind: store.KindSession, Handle: store.NewHandle("Ada"), Owner: "Ada", Version: 1,
			Created: at, LastSeen: at, IdleDeadline: now.Add(time.Hour), AbsoluteDeadline: now.Add(time.Hour)}}
		if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now, End: store.Ending{Mark: 1, Now: now}}); err != nil {
			t.Fatal(err)
		}
	}
	page := b.get()
	b.wants(page, `<code class="handle">`+this+`</code> <span class="badge">this one</span>`, `<li class="hint">…</li>`)
	if n := strings.Count(page, "Sign it out"); n != maxDevices-1 {
		t.Errorf("%d others are listed, want %d", n, maxDevices-1)
	}
	b.wants(b.post("/sessions/end-others"), fmt.Sprintf("Other devices signed out: %d.", 250))
}

// TestForgedDevices: what another site sends ends no session; and a demo
// without a store has no such forms.
func TestForgedDevices(t *testing.T) {
	server := startStored(t, openStore(t, "memory:"))
	b, other := visit(t, server), visit(t, server)
	b.post("/sign-in", "name", "Ada")
	other.post("/sign-in", "name", "Ada")
	handle, _ := other.token()
	for _, path := range []string{"/sessions/end", "/sessions/end-others"} {
		request := b.form(path, "handle", handle)
		request.Header.Set("Sec-Fetch-Site", "cross-site")
		if response, _ := b.do(request); response.StatusCode != http.StatusForbidden {
			t.Errorf("POST %s: %s", path, response.Status)
		}
		cookies := newBrowser(t)
		if response, _ := cookies.do(cookies.form(path, "handle", handle)); response.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s without a store: %s", path, response.Status)
		}
	}
	other.wants(other.get(), "<bdi>Ada</bdi>")
}
