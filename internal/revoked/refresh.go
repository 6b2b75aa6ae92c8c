package revoked

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// A flight is one refresh, for all who wait for it.
type flight struct {
	done chan struct{}
	err  error // once done
}

// Refresh brings what this process knows up to date, for whoever calls it
// regularly: then nobody else has to wait for it.
func (l *List) Refresh(ctx context.Context) error {
	if l.delay == 0 {
		return nil // nothing is known beforehand
	}
	return l.wait(ctx, l.refresh(ctx))
}

// refresh returns the refresh that is under way, or begins one. It goes on when
// the visitor who began it has gone.
func (l *List) refresh(ctx context.Context) *flight {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flight != nil {
		return l.flight
	}
	f := &flight{done: make(chan struct{})}
	l.flight = f
	go func() {
		f.err = l.update(context.WithoutCancel(ctx))
		l.mu.Lock()
		l.flight = nil
		l.mu.Unlock()
		close(f.done)
	}()
	return f
}

func (l *List) wait(ctx context.Context, f *flight) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pruneInterval is how often the table is pruned.
const pruneInterval = time.Minute

// update is one refresh.
func (l *List) update(ctx context.Context) error {
	began := time.Since(l.base)
	err := l.follow(ctx)
	if errors.Is(err, store.ErrGone) {
		err = l.begin(ctx)
	}
	if err != nil {
		return err
	}
	l.readAt.Store(int64(began))
	if time.Since(l.pruned) > pruneInterval {
		l.table.prune(time.Now(), l.needless())
		l.pruned = time.Now()
	}
	return nil
}

// pageSize is how many records are read at once.
const pageSize = 1000

// begin reads the whole list. What is known already stays: it has not become
// wrong.
func (l *List) begin(ctx context.Context) error {
	var changes store.Changes
	err := l.ask(ctx, func(ctx context.Context) (err error) {
		changes, err = l.store.Changes(ctx, "") // before the list: what comes to it meanwhile is told
		return err
	})
	if err != nil {
		return err
	}
	for page := (store.Page{Limit: pageSize}); ; {
		var listing store.Listing
		err := l.ask(ctx, func(ctx context.Context) (err error) {
			listing, err = l.store.Scan(ctx, page)
			return err
		})
		if err != nil {
			return err
		}
		now := time.Now()
		for i := range listing.Records {
			r := &listing.Records[i]
			if r.Kind != store.KindRevocation || r.Expired(now) {
				continue
			}
			if err := l.note(&r.Header, r.Facts); err != nil {
				return err
			}
		}
		if page.Cursor = listing.Next; page.Cursor == "" {
			break
		}
	}
	l.since, l.told = changes.Next, nil
	return nil
}

// follow reads what has come to the list since the last time.
func (l *List) follow(ctx context.Context) error {
	if l.since == "" {
		return store.ErrGone
	}
	var changes store.Changes
	err := l.ask(ctx, func(ctx context.Context) (err error) {
		changes, err = l.store.Changes(ctx, l.since)
		return err
	})
	if err != nil {
		return err
	}
	told := map[string]bool{}
	for _, c := range changes.List {
		switch {
		case c.Kind != store.KindRevocation || c.Ended:
		case c.Owner == "": // its handle says all but the deadline, which is not later than this, as a rule
			h := store.Header{Handle: c.Handle, IdleDeadline: time.Now().Add(l.keep)}
			h.AbsoluteDeadline = h.IdleDeadline
			err = l.note(&h, "")
		default:
			told[c.Handle] = true
			if !l.told[c.Handle] { // else a store tells it again; each end has a record of its own
				err = l.read(ctx, c.Handle)
			}
		}
		if err != nil {
			return err
		}
	}
	l.since, l.told = changes.Next, told
	return nil
}

// read reads one record.
func (l *List) read(ctx context.Context, name string) error {
	rec, err := l.load(ctx, name)
	if err != nil || rec == nil {
		return err
	}
	return l.note(&rec.Header, rec.Facts)
}

// note takes a record into the table.
func (l *List) note(h *store.Header, facts string) error {
	if h.Owner == "" {
		session, ok := flip(h.Handle)
		if !ok || facts != "" {
			return fmt.Errorf("record %s is %w", h.Handle, errForm)
		}
		l.table.add(session, h.Deadline())
		return nil
	}
	e, err := parseEntry(facts)
	if err != nil {
		return fmt.Errorf("record %s is %w", h.Handle, err)
	}
	l.table.addEnds(string(e.Owner), e.Ends, l.needless())
	return nil
}
