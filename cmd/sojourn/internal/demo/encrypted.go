package demo

import (
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/anatomy"
	"github.com/sojourn-go/sojourn/keys"
)

// A sealedView is a session in an encrypted cookie: what the browser holds, and
// what the server makes of it.
type sealedView struct {
	Name     string
	Sent     bool // the browser sent a cookie
	New      bool // this answer brings one
	Refusal  string
	Reason   sojourn.Reason
	Value    string // of the cookie, if it has the form
	Seen     anatomy.Sealed
	Size     int // of the Set-Cookie line
	Limit    int
	Key      *keys.Info  // that it was encrypted with; nil if the ring has it not
	Keys     []keys.Info // all of the ring
	Inside   *anatomy.Unsealed
	JSON     string
	Fields   []fieldView
	Ends     endings
	Made     string
	LastUsed string
	List     listView

	Inspect, Verify string // commands to copy
	OwnKey          bool   // the key was made for this run, so nobody can verify
}

// endings are when a session ends.
type endings struct {
	Idle, Absolute         time.Time
	IdleText, AbsoluteText string
}

// A listView is where sessions in cookies that have ended are written down.
type listView struct {
	Name  string // "" if nowhere
	Brief bool   // it ends with the process
}

// list says where the list is, if sessions are kept in cookies.
func (a *App) list() listView { return listView{a.config.StoreName, a.config.Brief} }

// cookieAfter is the value of the cookie that the browser has after the answer
// with the header h, and whether that brings it.
func cookieAfter(r *http.Request, h http.Header) (value string, isNew bool) {
	if c, err := r.Cookie(CookieName); err == nil {
		value = c.Value
	}
	for _, c := range (&http.Response{Header: h}).Cookies() {
		if c.Name == CookieName {
			value, isNew = c.Value, c.Value != ""
		}
	}
	return value, isNew
}

// isToken reports whether a cookie's value is the token of a session in a store.
func isToken(value string) bool {
	_, ok := anatomy.OfToken(value)
	return ok
}

// sizeOf is the size of the Set-Cookie line that brings a value.
func sizeOf(value string) int {
	line := http.Cookie{Name: CookieName, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	return len(line.String())
}

// unseal describes the session of r after h, the header of the answer, has been
// decided.
func (a *App) unseal(r *http.Request, h http.Header, now time.Time) *sealedView {
	v := &sealedView{
		Name: CookieName, Limit: maxCookie, Keys: a.config.Ring.Info(), OwnKey: a.config.SecretFile == "", List: a.list(),
	}
	if c, err := r.Cookie(CookieName); err == nil {
		v.Sent = c.Value != ""
	}
	var value string
	value, v.New = cookieAfter(r, h)
	v.Reason, v.Refusal = refusal(eventsOf(r.Context()))
	seen, ok := anatomy.OfSealed(value)
	if !ok {
		return v
	}
	v.Value, v.Seen, v.Size = value, seen, sizeOf(value)
	for i := range v.Keys {
		if v.Keys[i].ID == seen.KeyID {
			v.Key = &v.Keys[i]
		}
	}
	v.Inspect = "sojourn cookie inspect " + shellQuote(value)
	v.Verify = "sojourn cookie verify --secret-file " + shellQuote(a.config.SecretFile) + " --name " + CookieName + " --show " + shellQuote(value)
	if v.Refusal == "" || v.New {
		v.describe(a.config.Ring, now)
	}
	return v
}

// describe puts into words what is in the cookie.
func (v *sealedView) describe(ring *keys.Ring, now time.Time) {
	inside, err := anatomy.Unseal(ring, v.Name, "", v.Value)
	if err != nil {
		return
	}
	v.Inside, v.JSON = inside, anatomy.Indent(inside.JSON)
	v.Made, v.LastUsed = ageText(now.Sub(inside.Made)), ageText(now.Sub(inside.LastUsed))
	v.Ends = endings{inside.LastUsed.Add(idleTimeout), inside.Made.Add(absoluteTimeout), "30 minutes", "12 hours"}
	v.Fields = fieldViews(inside.Fields)
}
