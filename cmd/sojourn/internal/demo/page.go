package demo

import (
	"fmt"
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn"
)

// A view is what the page shows.
type view struct {
	Words     *words
	Languages []*words
	Name      string
	SignedIn  bool
	Flashes   []flash
	Shelf     []item
	Cart      []item
	Total     string
	MaxName   int
	Devices   *devices // nil unless sessions are in a store and somebody signed in
	EndAll    bool     // there is a form that ends all his sessions, in cookies

	// What the session looks like where it is kept: one of them.
	Cookie *cookieView
	Sealed *sealedView
	Record *recordView
}

// A flash is a message, and how often it came in a row.
type flash struct {
	sojourn.FlashMessage
	Times int
}

// An item is a product on the shelf or in the cart.
type item struct {
	ID, Name, Price string
	Quantity        int
}

// show shows the page. The session is saved before the page is made, since
// what is stored, and whether the cookie is replaced, stands on it.
func (a *App) show(w http.ResponseWriter, r *http.Request) {
	ctx, now := r.Context(), time.Now()
	v := view{Words: wordsFor(r), Flashes: collect(sojourn.Flashes(ctx)), MaxName: maxName}
	v.Name, v.SignedIn = sojourn.Owner(ctx)
	for _, code := range languageOrder {
		v.Languages = append(v.Languages, languages[code])
	}
	total, inCart := 0, cart.GetOr(ctx, nil)
	for _, id := range products {
		i := item{ID: id, Name: v.Words.Products[id], Price: v.Words.Money(prices[id])}
		v.Shelf = append(v.Shelf, i)
		if i.Quantity = inCart[id]; i.Quantity > 0 {
			i.Price = v.Words.Money(i.Quantity * prices[id])
			v.Cart = append(v.Cart, i)
			total += i.Quantity * prices[id]
		}
	}
	v.Total = v.Words.Money(total)
	v.EndAll = v.SignedIn && a.config.Ring != nil && a.config.Store != nil
	if a.signer != nil {
		v.Cookie = a.takeApart(r, now)
	}

	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	a.addKept(&v, r, h, now)
	_ = a.page.Execute(w, &v) // the browser went away, or Config.Error has answered
}

// addKept adds what the session looks like where it is kept, once h, the header
// of the answer, has been decided.
func (a *App) addKept(v *view, r *http.Request, h http.Header, now time.Time) {
	switch value, _ := cookieAfter(r, h); {
	case a.signer != nil:
		v.Cookie.Replaced = len(h["Set-Cookie"]) > 0
	case a.config.Encrypted && !isToken(value):
		v.Sealed = a.unseal(r, h, now)
	default:
		if v.SignedIn && a.config.Ring == nil {
			v.Devices = a.devicesOf(r.Context(), v.Name, sojourn.From(r.Context()).Handle())
		}
		v.Record = a.inspect(r, h)
	}
}

// collect counts equal messages that follow each other: parallel clicks leave
// one each.
func collect(messages []sojourn.FlashMessage) []flash {
	var list []flash
	for _, m := range messages {
		if n := len(list); n > 0 && list[n-1].FlashMessage == m {
			list[n-1].Times++
			continue
		}
		list = append(list, flash{m, 1})
	}
	return list
}

// ageText says how long ago something was, in the unit that suits it.
func ageText(age time.Duration) string {
	switch seconds := int(age / time.Second); {
	case seconds <= 0:
		return "just now"
	case seconds == 1:
		return "1 second ago"
	case seconds < 120:
		return fmt.Sprintf("%d seconds ago", seconds)
	case seconds < 7200:
		return fmt.Sprintf("%d minutes ago", seconds/60)
	default:
		return fmt.Sprintf("%d hours ago", seconds/3600)
	}
}

// clock is how the page writes times, in UTC.
func clock(t time.Time) string { return t.UTC().Format("2 Jan 15:04:05") }

// moment is the same in any language.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// stamp is the machine-readable form, for the datetime attribute.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
