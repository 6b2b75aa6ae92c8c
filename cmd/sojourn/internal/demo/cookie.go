package demo

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/anatomy"
	"github.com/sojourn-go/sojourn/flask"
)

// A cookieView is the cookie that came with the request, taken apart.
type cookieView struct {
	Name     string
	Sent     bool // the browser sent one
	Readable bool // it has three parts
	Accepted bool
	Refusal  string // why it was not accepted
	Foreign  bool   // it is not of the form that it should have
	NewKey   bool   // perhaps because the demo has made another key
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
	List                          listView

	Inspect, Verify string // commands to copy
	OwnKey          bool   // the key was made for this run, so nobody can verify
}

// A fieldView is one field of the session, and what it is.
type fieldView struct{ Name, Meaning string }

// bookkeeping is what Sojourn keeps in a session that it shares with Flask;
// the formats page of the documentation describes it.
type bookkeeping struct {
	Text, Version, Millis, Handle, Check string
	Made                                 time.Time
}

// takeApart describes the cookie that came with r.
func (a *App) takeApart(r *http.Request, now time.Time) *cookieView {
	c := &cookieView{
		Name: CookieName, Limit: maxCookie, OwnKey: a.config.SecretFile == "", List: a.list(),
		Idle: "30 minutes", Absolute: "12 hours",
	}
	cookie, err := r.Cookie(CookieName)
	if err != nil || cookie.Value == "" {
		return c
	}
	c.Sent = true
	c.Size = sizeOf(cookie.Value)

	_, refused := a.signer.Verify(cookie.Value, now, absoluteTimeout)
	reason, text := refusal(eventsOf(r.Context()))
	switch {
	case refused != nil:
		c.Refusal = string(sojourn.ReasonOf(refused)) + ": " + anatomy.Detail(refused)
		c.Foreign = sojourn.ReasonOf(refused) == sojourn.ReasonMalformed
		c.NewKey = sojourn.ReasonOf(refused) == sojourn.ReasonSignature && c.OwnKey
	case reason == sojourn.ReasonRevoked:
		c.Refusal = text
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
	c.Verify = "sojourn cookie verify --secret-file " + shellQuote(a.config.SecretFile) + " " + shellQuote(cookie.Value)
	fields, err := flask.Decode(parts.JSON)
	if err != nil {
		return c
	}
	c.Fields = fieldViews(fields)
	c.IdleEnds = c.Issued.Add(idleTimeout)
	if text, ok := fields["_sojourn"].(string); ok {
		if c.Book = parseBookkeeping(text); c.Book != nil {
			c.AbsoluteEnds = c.Book.Made.Add(absoluteTimeout)
		}
	}
	return c
}

// fieldViews says what fields are, in the order of their names.
func fieldViews(fields map[string]any) (list []fieldView) {
	for name := range fields {
		list = append(list, fieldView{name, meaningOf(name)})
	}
	slices.SortFunc(list, func(a, b fieldView) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func meaningOf(field string) string {
	if meaning, ok := meanings[field]; ok {
		return meaning
	}
	return "a field that another program wrote"
}

// meanings says what the fields are.
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
