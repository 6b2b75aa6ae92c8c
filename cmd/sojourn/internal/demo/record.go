package demo

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/anatomy"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/store"
)

// A recordView is a session in a store: what the browser holds, what the store
// holds, and how it came to that.
type recordView struct {
	CookieName, StoreName string
	Brief                 bool // the store ends with the process
	Spilled               bool // the session has outgrown an encrypted cookie
	Idle, Absolute        string

	Sent           bool   // the browser sent a cookie
	Refusal        string // why it was not accepted
	Reason         sojourn.Reason
	Handle, Secret string // the two parts of the token
	New            bool   // this answer brings it
	Size           int    // of the cookie's value

	Stored  *store.Record // nil if there is none
	Failure string        // why it is not shown
	Created, Seen, Facts,
	Version string
	Hashed bool // the record has a hash of the secret, and not the secret
	JSON   string
	Writes int // how many it remembers
	Fields []fieldView

	Requests []requestView
}

// inspect describes the session of r after h, the header of the answer, has
// been decided.
func (a *App) inspect(r *http.Request, h http.Header) *recordView {
	v := &recordView{
		CookieName: CookieName, StoreName: a.config.StoreName, Brief: a.config.Brief,
		Spilled: a.config.Encrypted, Idle: "30 minutes", Absolute: "12 hours",
	}
	ctx, now := r.Context(), time.Now()
	if c, err := r.Cookie(CookieName); err == nil {
		v.Sent = c.Value != ""
	}
	v.Reason, v.Refusal = refusal(eventsOf(ctx))
	var token string
	token, v.New = cookieAfter(r, h)
	handle := sojourn.From(ctx).Handle()
	if v.Refusal == "" || v.New {
		v.Handle, v.Secret, _ = strings.Cut(token, ".")
		v.Size = len(token)
	}
	if handle == "" {
		return v
	}
	rec, err := a.config.Store.Load(ctx, handle) // not by way of the journal: it is the page that looks
	switch {
	case errors.Is(err, store.ErrGone):
		v.Failure = "The record is not there any more: the session was ended while this page was made."
	case err != nil:
		v.Failure = "The store did not answer, so the record cannot be shown."
	default:
		v.describe(rec, now)
	}
	v.Requests = a.requestsOf(traceOf(ctx), handle)
	return v
}

// refusal finds among the events of a request why its cookie was not accepted.
func refusal(events []sojourn.Event) (reason sojourn.Reason, text string) {
	if reason, text = anatomy.Refusal(events); reason != "" {
		text = string(reason) + ": " + text
	}
	return reason, text
}

// describe puts a record into words.
func (v *recordView) describe(rec *store.Record, now time.Time) {
	v.Stored = rec
	v.Version = fmt.Sprintf("%016x", uint64(rec.Version))
	v.Created, v.Seen = ageText(now.Sub(rec.Created)), ageText(now.Sub(rec.LastSeen))
	if rec.Facts != "" {
		v.Facts = anatomy.Indent(rec.Facts)
	}
	if secret, err := base64.RawURLEncoding.DecodeString(v.Secret); err == nil && len(secret) > 0 {
		sum := sha256.Sum256(secret)
		all := rec.Verifiers + rec.State + rec.Facts
		v.Hashed = strings.Contains(rec.Verifiers, string(sum[:])) && !strings.Contains(all, string(secret)) && !strings.Contains(all, v.Secret)
	}
	writes, text, ok := openState(rec.State)
	if !ok {
		return
	}
	v.Writes, v.JSON = writes, anatomy.Indent(text)
	fields, err := flask.Decode(text)
	if err != nil {
		return
	}
	v.Fields = fieldViews(fields)
}

// openState takes the envelope off a record's state: a "1", an extension with
// its length before it, the number of the writes that it remembers, their
// versions of 8 bytes, and then the fields as tagged JSON. The formats page of
// the documentation has it.
func openState(text string) (writes int, fields string, ok bool) {
	if len(text) < 3 || text[0] != '1' || len(text) < 3+int(text[1]) {
		return 0, "", false
	}
	text = text[2+int(text[1]):]
	writes = int(text[0])
	if text = text[1:]; len(text) < 8*writes {
		return 0, "", false
	}
	return writes, text[8*writes:], true
}

// A requestView is what one request did to the session.
type requestView struct {
	At    time.Time
	What  string
	Calls []callView
	Took  string // for all of them
	Notes []string
	This  bool
}

// A callView is one question to the store.
type callView struct {
	Verb, Answer string
	Other        string // the beginning of the handle, if it was about another record
}

// maxRequests is how many requests the page lists.
const maxRequests = 8

// requestsOf lists the last requests of a session, this one first.
func (a *App) requestsOf(this *trace, handle string) []requestView {
	var list []requestView
	traces := a.journal.last(handle, maxRequests)
	if this != nil && this.of(handle) {
		traces = append([]*trace{this}, traces...)
	}
	for _, t := range traces[:min(len(traces), maxRequests)] {
		q := requestView{At: t.At, What: t.What, This: t == this}
		var took time.Duration
		for _, c := range t.Calls {
			view := callView{Verb: c.Verb, Answer: c.Answer}
			if c.Handle != "" && c.Handle != handle {
				view.Other = c.Handle[:min(len(c.Handle), 6)]
			}
			q.Calls = append(q.Calls, view)
			took += c.Took
		}
		q.Took = fmt.Sprintf("%.2f ms", float64(took.Microseconds())/1000)
		for _, e := range t.Events {
			q.Notes = append(q.Notes, string(e.Kind))
		}
		list = append(list, q)
	}
	return list
}
