package sojourn

import (
	"context"
	"fmt"
	"html"
	"html/template"
	"slices"

	"github.com/sojourn-go/sojourn/internal/tagged"
)

// A FlashMessage is a message that is read once, usually on the page after the
// one that made it. In a template, {{.HTML}} is always right.
type FlashMessage struct {
	Category string // "message" where Flask's flash was given none
	Message  string
	Markup   bool // Message is trusted HTML: template.HTML in Go, Markup in Flask
}

// HTML returns the message for a page: escaped, unless it is trusted HTML.
func (f FlashMessage) HTML() template.HTML {
	if f.Markup {
		return template.HTML(f.Message)
	}
	return template.HTML(html.EscapeString(f.Message))
}

// Flash keeps a message for the next call of [Flashes], in Flask's stored
// form. A template.HTML is trusted HTML; a string is shown as it is. Flask's
// own default for category is "message".
func Flash[M string | template.HTML](ctx context.Context, category string, message M) {
	From(ctx).flash(category, any(message))
}

func (s *Session) flash(category string, message any) {
	raw, err := tagged.Append(nil, Tuple{category, message})
	if err != nil {
		s.fieldError("_flashes", err)
		return
	}
	s.write(op{kind: opFlash, name: "_flashes", raw: string(raw)})
}

// Flash is the function [Flash] for a session at hand. Trusted HTML needs the
// function.
func (s *Session) Flash(category, message string) { s.flash(category, message) }

// Flashes returns the messages that are waiting, oldest first, and removes
// them; with categories, only those of one of them, though all are removed.
// As in Flask, further calls in the same request return the same messages, and
// what is flashed after the first call waits for the next request.
func Flashes(ctx context.Context, categories ...string) []FlashMessage {
	return From(ctx).Flashes(categories...)
}

// Flashes is the function [Flashes] for a session at hand.
func (s *Session) Flashes(categories ...string) []FlashMessage {
	s.use()
	defer s.unlock()
	if !s.flashed {
		s.takeFlashes()
	}
	var messages []FlashMessage
	for _, f := range s.flashes {
		if len(categories) == 0 || slices.Contains(categories, f.Category) {
			messages = append(messages, f)
		}
	}
	return messages
}

// takeFlashes removes the waiting messages from the session for this request
// to show. After the response has begun they are shown and stay.
func (s *Session) takeFlashes() {
	s.settle()
	s.flashed = true
	raw, ok := lookup(s.view, "_flashes")
	if !ok {
		return
	}
	elements, err := tagged.Elements(raw)
	if err != nil {
		s.event(Event{Kind: EventFieldType, Field: "_flashes", Err: err})
	}
	for _, e := range elements {
		if f, ok := decodeFlash(e); ok {
			s.flashes = append(s.flashes, f)
		}
	}
	s.writeLocked(op{kind: opUnflash, name: "_flashes", flashes: elements})
}

// decodeFlash reads a pair of category and message, tuple or list, of any
// types, as Flask stores what it is given.
func decodeFlash(raw string) (FlashMessage, bool) {
	v, err := tagged.Decode(raw, true)
	pair, ok := v.([]any)
	if t, isTuple := v.(Tuple); isTuple {
		pair, ok = t, true
	}
	if err != nil || !ok || len(pair) != 2 {
		return FlashMessage{}, false
	}
	f := FlashMessage{Category: fmt.Sprint(pair[0]), Message: fmt.Sprint(pair[1])}
	_, f.Markup = pair[1].(template.HTML)
	return f, true
}
