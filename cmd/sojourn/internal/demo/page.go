package demo

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/anatomy"
	"github.com/sojourn-go/sojourn/flask"
)

// A view is what the page shows.
type view struct {
	Words     *words
	Languages []*words
	Name      string
	SignedIn  bool
	Flashes   []sojourn.FlashMessage
	Shelf     []item
	Cart      []item
	Total     string
	MaxName   int
	Cookie    cookieView
}

// An item is a product on the shelf or in the cart.
type item struct {
	ID, Name, Price string
	Quantity        int
}

// A cookieView is the cookie that came with the request, taken apart.
type cookieView struct {
	Name     string
	Sent     bool // the browser sent one
	Readable bool // it has three parts
	Accepted bool
	Refusal  string // why it was not accepted
	Replaced bool   // this response brings a new one

	Payload, Timestamp, Signature string
	JSON                          string
	Compressed                    bool
	Issued                        time.Time
	Age                           string
	Size, Limit                   int // of the Set-Cookie line
	Fields                        []fieldView
	Book                          *bookkeeping
	IdleEnds, AbsoluteEnds        time.Time
	Idle, Absolute                string

	Inspect, Verify string // commands to copy
	OwnKey          bool   // the key was made for this run, so nobody can verify
}

// A fieldView is one field of the payload, and what it is.
type fieldView struct{ Name, Meaning string }

// bookkeeping is what Sojourn keeps in a session that it shares with Flask;
// the formats page of the documentation describes it.
type bookkeeping struct {
	Text, Version, Millis, Handle, Check string
	Made                                 time.Time
}

// show shows the page. The session is saved before the page is made, since
// whether the cookie is replaced stands on it.
func (a *app) show(w http.ResponseWriter, r *http.Request) {
	ctx, now := r.Context(), time.Now()
	v := view{Words: wordsFor(r), Flashes: sojourn.Flashes(ctx), MaxName: maxName}
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
	v.Cookie = a.takeApart(r, now)

	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	v.Cookie.Replaced = len(h["Set-Cookie"]) > 0
	_ = a.page.Execute(w, &v) // the browser went away, or Config.Error has answered
}

// takeApart describes the cookie that came with r.
func (a *app) takeApart(r *http.Request, now time.Time) cookieView {
	c := cookieView{
		Name: CookieName, Limit: 4093, OwnKey: a.secretFile == "",
		Idle: "30 minutes", Absolute: "12 hours",
	}
	cookie, err := r.Cookie(CookieName)
	if err != nil || cookie.Value == "" {
		return c
	}
	c.Sent = true
	line := http.Cookie{Name: CookieName, Value: cookie.Value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	c.Size = len(line.String())

	_, refusal := a.signer.Verify(cookie.Value, now, absoluteTimeout)
	switch {
	case refusal != nil:
		c.Refusal = string(sojourn.ReasonOf(refusal)) + ": " + anatomy.Detail(refusal)
	case sojourn.From(r.Context()).IsNew():
		c.Refusal = "expired: not used for " + c.Idle + ", or made " + c.Absolute + " ago"
	default:
		c.Accepted = true
	}
	parts, err := anatomy.Of(cookie.Value, false)
	if err != nil || parts.PayloadErr != nil || parts.TimestampErr != nil {
		return c
	}
	c.Readable = true
	c.Payload, c.Timestamp, c.Signature = parts.Payload, parts.Timestamp, parts.Signature
	c.JSON, c.Compressed = anatomy.Indent(parts.JSON), parts.Compressed
	c.Issued = parts.IssuedAt.UTC()
	c.Age = ageText(now.Sub(parts.IssuedAt))
	c.Inspect = "sojourn cookie inspect " + shellQuote(cookie.Value)
	c.Verify = "sojourn cookie verify --secret-file " + shellQuote(a.secretFile) + " " + shellQuote(cookie.Value)
	fields, err := flask.Decode(parts.JSON)
	if err != nil {
		return c
	}
	for name := range fields {
		meaning, ok := meanings[name]
		if !ok {
			meaning = "a field that another program wrote"
		}
		c.Fields = append(c.Fields, fieldView{name, meaning})
	}
	slices.SortFunc(c.Fields, func(a, b fieldView) int { return strings.Compare(a.Name, b.Name) })
	c.IdleEnds = c.Issued.Add(idleTimeout)
	if text, ok := fields["_sojourn"].(string); ok {
		if c.Book = parseBookkeeping(text); c.Book != nil {
			c.AbsoluteEnds = c.Book.Made.Add(absoluteTimeout)
		}
	}
	return c
}

// meanings says what the fields of the payload are.
var meanings = map[string]string{
	"_user_id": "who is signed in, where Flask-Login has it too",
	"_flashes": "messages that wait for the next page, as Flask stores them",
	"_sojourn": "Sojourn’s own bookkeeping, see below",
	"cart":     "the demo’s cart",
	"language": "the demo’s language",
}

// parseBookkeeping takes the field _sojourn apart, or returns nil.
func parseBookkeeping(text string) *bookkeeping {
	parts := strings.Split(text, ".")
	if len(parts) != 4 {
		return nil
	}
	millis, err := strconv.ParseInt(parts[1], 36, 64)
	if err != nil {
		return nil
	}
	return &bookkeeping{
		Text: text, Version: parts[0], Millis: parts[1], Handle: parts[2], Check: parts[3],
		Made: time.UnixMilli(millis).UTC(),
	}
}

// shellQuote returns a path as one word for a POSIX shell.
func shellQuote(path string) string {
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
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

// Clock is how the page writes times, in UTC.
func (cookieView) Clock(t time.Time) string { return t.UTC().Format("2 Jan 15:04:05") }

// Stamp is the machine-readable form, for the datetime attribute.
func (cookieView) Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
