package interop

import (
	"context"
	"strings"
	"sync"

	"github.com/sojourn-go/sojourn"
)

// A log collects the events of a Go application: that is how tests see
// identities and expiry from outside.
type log struct {
	mu     sync.Mutex
	events []sojourn.Event
}

func (l *log) add(_ context.Context, e sojourn.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// take returns the events since the last call.
func (l *log) take() []sojourn.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	events := l.events
	l.events = nil
	return events
}

// kinds lists the kinds of events, for comparison and messages.
func kinds(events []sojourn.Event) string {
	words := make([]string, 0, len(events))
	for _, e := range events {
		words = append(words, string(e.Kind))
	}
	return strings.Join(words, " ")
}
