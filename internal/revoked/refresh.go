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
	l.asOf.Store(int64(max(began-Behind, 1)))
	if time.Since(l.pruned) > time.Minute {
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
		changes, err = l.store.Changes(ctx, "")
		return err
	})
	page := store.Page{Limit: pageSize}
	for err == nil {
		var listing store.Listing
		err = l.ask(ctx, func(ctx context.Context) (err error) {
			listing, err = l.store.Scan(ctx, page)
			return err
		})
		for i := 0; err == nil && i < len(listing.Records); i++ {
			r := &listing.Records[i]
			if r.Kind == store.KindRevocation && !r.Expired(time.Now()) {
				err = l.note(r.Handle, r.Owner, r.Facts, r.Deadline())
			}
		}
		if page.Cursor = listing.Next; page.Cursor == "" {
			break
		}
	}
	if err == nil {
		l.since = changes.Next
	}
	return err
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
	for _, c := range changes.List {
		if c.Kind != store.KindRevocation || c.Ended {
			continue
		}
		if c.Owner == "" { // its handle says all but the deadline, which cannot be later than this
			err = l.note(c.Handle, "", "", time.Now().Add(l.keep))
		} else {
			err = l.read(ctx, c.Handle)
		}
		if err != nil {
			return err
		}
	}
	l.since = changes.Next
	return nil
}

// read reads one record.
func (l *List) read(ctx context.Context, name string) error {
	rec, err := l.load(ctx, name)
	if err != nil || rec == nil {
		return err
	}
	return l.note(rec.Handle, rec.Owner, rec.Facts, rec.Deadline())
}

// note takes a record into the table.
func (l *List) note(name, owner, facts string, until time.Time) error {
	if owner == "" {
		session, ok := flip(name)
		if !ok {
			return fmt.Errorf("record %s is %w", name, errForm)
		}
		l.table.add(session, until)
		return nil
	}
	e, err := parseEntry(facts)
	if err != nil {
		return fmt.Errorf("record %s is %w", name, err)
	}
	l.table.addEnds(e, l.needless())
	return nil
}
