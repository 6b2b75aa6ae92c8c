package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

const knowable = "Who writes chooses versions and marks, so that after a lost reply he can recognise his own write: nothing happens twice, and nothing acknowledged is lost, "

var faultRules = []rule{
	{"faults-before", knowable + "when calls fail and nothing was done.", underFaults(func(call Call) Fault {
		if call.N%2 == 1 {
			return Fault{Before: ErrFault}
		}
		return Fault{}
	})},
	{"faults-lost-reply", knowable + "when calls have happened and their reply is lost.", underFaults(func(call Call) Fault {
		if call.N%2 == 1 {
			return Fault{After: ErrFault}
		}
		return Fault{}
	})},
	{"faults-delay", knowable + "when calls come late.", underFaults(func(call Call) Fault {
		return Fault{Delay: time.Duration(call.N%4) * 300 * time.Microsecond}
	})},
	{"faults-cancelled", knowable + "when calls are cancelled before they begin, and while they last.", underFaults(func(call Call) Fault {
		// One in two at most: a slow store may need longer than the others give it.
		timeouts := []time.Duration{-1, 0, 20 * time.Microsecond, 0, 200 * time.Microsecond, 0, time.Millisecond, 0}
		return Fault{Timeout: timeouts[call.N%len(timeouts)]}
	})},
	{"faults-of-every-kind", knowable + "when all of that happens.", underFaults(func(call Call) Fault {
		faults := []Fault{{}, {Before: ErrFault}, {}, {After: ErrFault}, {Delay: time.Millisecond}, {Timeout: -1}, {}, {Timeout: 100 * time.Microsecond, After: ErrFault}}
		return faults[call.N%len(faults)]
	})},
}

// underFaults is a rule that runs a few careful clients on a store with faults,
// and then looks at what is there, without them.
func underFaults(plan Plan) func(*check) {
	return func(c *check) {
		cl := &client{s: Faulty(c.s, plan), ctx: c.ctx, now: c.now}
		c.writesUnderFaults(cl)
		c.creationsUnderFaults(cl)
		c.endsUnderFaults(cl)
	}
}

// writesUnderFaults lets four clients write to one record while two touch it.
func (c *check) writesUnderFaults(cl *client) {
	c.t.Helper()
	const writers, writes, touchers = 4, 8, 2
	rec := begun(c.record(newOwner()))
	c.create(rec, c.options())
	var written [writers][writes]struct {
		version store.Version
		outcome outcome
	}
	errs := together(writers+touchers, func(i int) (err error) {
		for j := range writes {
			if i < writers {
				w := &written[i][j]
				w.version, w.outcome, err = cl.add(rec.Handle)
			} else {
				seen := c.now.Add(time.Duration(j*touchers+i) * time.Second)
				err = cl.touch(rec.Handle, seen, seen.Add(time.Hour))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	c.count(errs, "Apply and Touch under faults", nil)

	got, err := c.s.Load(c.ctx, rec.Handle)
	c.ok(err, "Load")
	h, err := readHistory(got.State)
	c.ok(err, "the state, after Apply under faults")
	times := map[store.Version]int{}
	for _, v := range h {
		times[v]++
	}
	known := 1 // the first
	for _, w := range written {
		for _, one := range w {
			n := times[one.version]
			if n > 1 || n == 0 && one.outcome == done {
				c.fail("a write whose outcome is %q is in the record's history %d times", one.outcome, n)
			}
			known += n
		}
	}
	if known != len(h) || times[rec.Version] != 1 || got.Version != h[len(h)-1] {
		c.fail("the record's history has %d versions, of which %d were written; its version is the last %v", len(h), known, got.Version == h[len(h)-1])
	}
	last := c.now.Add(time.Duration((writes-1)*touchers+writers+touchers-1) * time.Second)
	if !got.LastSeen.Equal(last) || !got.IdleDeadline.Equal(last.Add(time.Hour)) {
		c.fail("after Touch under faults LastSeen is %v and IdleDeadline %v, want %v and an hour later", got.LastSeen, got.IdleDeadline, last)
	}
}

// creationsUnderFaults lets four clients each replace a record of their own
// again and again, as who signs in does.
func (c *check) creationsUnderFaults(cl *client) {
	c.t.Helper()
	const clients, creations = 4, 5
	owner := newOwner()
	var current [clients]*store.Record
	for i := range current {
		current[i] = c.made(owner)
	}
	errs := together(clients, func(i int) error {
		for range creations {
			old, rec := current[i], c.record(owner)
			opts := c.options()
			opts.Replaces, opts.End.Version = old.Handle, old.Version
			if o, err := cl.create(rec, opts); err != nil || o != done {
				return fmt.Errorf("the outcome of Create is %s: %s", o, said(err))
			}
			current[i] = rec
			if _, err := cl.load(old.Handle); !errors.Is(err, store.ErrGone) {
				return fmt.Errorf("the replaced record: Load: %s", said(err))
			}
			if err := cl.end(old.Handle, opts.End); err != nil {
				return fmt.Errorf("the replaced record: Delete with the Mark that ended it: %w", err)
			}
		}
		return nil
	})
	c.count(errs, "Create under faults", nil)
	for _, rec := range current {
		c.holds(rec, "after Create under faults")
	}
	c.lists(owner, "after Create under faults", current[:]...)
}

// endsUnderFaults lets two clients end each record, and two more all that are
// left.
func (c *check) endsUnderFaults(cl *client) {
	c.t.Helper()
	owner := newOwner()
	for range 6 {
		rec := c.made(owner)
		errs := together(2, func(int) error { return cl.end(rec.Handle, c.ending()) })
		if n := c.count(errs, "Delete under faults", nil, store.ErrGone); n[0] != 1 {
			c.fail("of two that ended a record under faults %d have ended it", n[0])
		}
		c.refused(rec, "of one that was ended under faults")
	}
	made := []*store.Record{c.made(owner), c.made(owner), c.made(owner)}
	counts := make([]int, 2)
	errs := together(len(counts), func(i int) (err error) {
		counts[i], err = cl.endOwner(owner, c.ending())
		return err
	})
	c.count(errs, "DeleteOwner under faults", nil)
	if n := counts[0] + counts[1]; n > len(made) {
		c.fail("DeleteOwner under faults says that it ended %d records of %d", n, len(made))
	}
	for _, rec := range made {
		c.refused(rec, "of one that DeleteOwner ended under faults")
	}
}
