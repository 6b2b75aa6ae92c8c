package storetest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// owner returns an owner that nobody else has.
func newOwner() string { return "owner-" + rand.Text() }

// record returns a record of owner that could be created: alive for an hour
// after c.now, and unlike any other.
func (c *check) record(owner string) *store.Record {
	return c.recordAt(owner, c.now)
}

// recordAt is a record that was made at made and lives for an hour from then.
func (c *check) recordAt(owner string, made time.Time) *store.Record {
	return &store.Record{
		Header: store.Header{
			Kind: store.KindSession, Handle: store.NewHandle(owner), Owner: owner, Version: store.NewVersion(),
			Created: made, LastSeen: made, IdleDeadline: made.Add(time.Hour), AbsoluteDeadline: made.Add(12 * time.Hour),
		},
		Facts: "facts " + rand.Text(), Verifiers: "verifiers " + rand.Text(), State: "state " + rand.Text(),
	}
}

// next returns rec as it would be after a change: with another version and
// other texts.
func next(rec *store.Record) *store.Record {
	n := *rec
	n.Version = store.NewVersion()
	n.Facts, n.Verifiers, n.State = "facts "+rand.Text(), "verifiers "+rand.Text(), "state "+rand.Text()
	return &n
}

// ending is a new end, now, of whatever version there is.
func (c *check) ending() store.Ending {
	return store.Ending{Mark: store.NewVersion(), Now: c.now}
}

// options are those of a creation without conditions.
func (c *check) options() store.CreateOptions {
	return store.CreateOptions{Now: c.now, End: c.ending()}
}

// create creates rec, or ends the rule.
func (c *check) create(rec *store.Record, opts store.CreateOptions) store.Created {
	c.t.Helper()
	created, err := c.s.Create(c.ctx, rec, opts)
	c.ok(err, "Create")
	return created
}

// made creates a new record of owner without conditions.
func (c *check) made(owner string) *store.Record {
	c.t.Helper()
	rec := c.record(owner)
	c.create(rec, c.options())
	return rec
}

func (c *check) ok(err error, what string) {
	c.t.Helper()
	if err != nil {
		c.fail("%s: %v", what, err)
	}
}

// answers requires an answer of the contract.
func (c *check) answers(err, want error, what string) {
	c.t.Helper()
	if !errors.Is(err, want) {
		c.fail("%s: the answer is %s, want %q", what, said(err), want)
	}
}

func said(err error) string {
	if err == nil {
		return "no error"
	}
	return fmt.Sprintf("%q", err)
}

// holds requires that the store holds exactly want.
func (c *check) holds(want *store.Record, when string) {
	c.t.Helper()
	got, err := c.s.Load(c.ctx, want.Handle)
	if err != nil {
		c.fail("%s: Load: %v", when, err)
	}
	if d := difference(got, want); d != "" {
		c.fail("%s: Load returns another record: %s", when, d)
	}
}

// gone requires that there is no record under handle.
func (c *check) gone(handle, when string) {
	c.t.Helper()
	_, err := c.s.Load(c.ctx, handle)
	c.answers(err, store.ErrGone, when+": Load")
}

// listed returns all of owner's records by handle, and requires each but once.
func (c *check) listed(owner string) map[string]store.Listed {
	c.t.Helper()
	all := map[string]store.Listed{}
	page := store.Page{Limit: 100}
	for range 10000 {
		listing, err := c.s.List(c.ctx, owner, page)
		c.ok(err, "List")
		for _, l := range listing.Records {
			if _, twice := all[l.Handle]; twice {
				c.fail("List shows a record twice")
			}
			all[l.Handle] = l
		}
		if page.Cursor = listing.Next; page.Cursor == "" {
			return all
		}
	}
	c.fail("List does not come to an end")
	return nil
}

// lists requires that List shows these records of owner and no others.
func (c *check) lists(owner, when string, want ...*store.Record) {
	c.t.Helper()
	got := c.listed(owner)
	for _, rec := range want {
		if _, ok := got[rec.Handle]; !ok {
			c.fail("%s: List leaves out a record of the owner", when)
		}
		delete(got, rec.Handle)
	}
	for _, l := range got {
		c.fail("%s: List shows a record that it should not: of owner %s, made %s", when, brief(l.Owner), l.Created)
	}
}

// sweep sweeps until nothing is left, and returns how much there was.
func (c *check) sweep(now time.Time) int {
	c.t.Helper()
	total := 0
	for range 10000 {
		n, err := c.s.Sweep(c.ctx, now, 1000)
		c.ok(err, "Sweep")
		if n < 0 || n > 1000 {
			c.fail("Sweep with limit 1000 returns %d", n)
		}
		if n == 0 {
			return total
		}
		total += n
	}
	c.fail("Sweep does not come to an end")
	return 0
}

// difference says in what got is not want, or "".
func difference(got, want *store.Record) string {
	if got == nil {
		return "it is nil"
	}
	d := headerDifference(&got.Header, &want.Header)
	texts := []struct{ name, got, want string }{
		{"Facts", got.Facts, want.Facts}, {"Verifiers", got.Verifiers, want.Verifiers}, {"State", got.State, want.State},
	}
	for _, t := range texts {
		if t.got != t.want {
			d = append(d, fmt.Sprintf("%s is %s, want %s", t.name, brief(t.got), brief(t.want)))
		}
	}
	return strings.Join(d, "; ")
}

func headerDifference(got, want *store.Header) (d []string) {
	say := func(name string, got, want any) { d = append(d, fmt.Sprintf("%s is %v, want %v", name, got, want)) }
	if got.Kind != want.Kind {
		say("Kind", got.Kind, want.Kind)
	}
	if got.Handle != want.Handle {
		say("Handle", brief(got.Handle), brief(want.Handle))
	}
	if got.Owner != want.Owner {
		say("Owner", brief(got.Owner), brief(want.Owner))
	}
	if got.Version != want.Version {
		say("Version", got.Version, want.Version)
	}
	g, w := times(got), times(want)
	for i, name := range timeNames {
		if !g[i].Equal(w[i]) || g[i].IsZero() != w[i].IsZero() {
			say(name, g[i], w[i])
		}
	}
	return d
}

var timeNames = [...]string{"Created", "LastSeen", "IdleDeadline", "AbsoluteDeadline", "HoldUntil"}

func times(h *store.Header) [5]time.Time {
	return [...]time.Time{h.Created, h.LastSeen, h.IdleDeadline, h.AbsoluteDeadline, h.HoldUntil}
}

// brief quotes the beginning of a text.
func brief(text string) string {
	const enough = 60
	if len(text) <= enough {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("%q and so on, %d bytes", text[:enough], len(text))
}

// count says how many of errs are each of wanted; any other error ends the rule.
func (c *check) count(errs []error, what string, wanted ...error) []int {
	c.t.Helper()
	n := make([]int, len(wanted))
	for _, err := range errs {
		i := slices.IndexFunc(wanted, func(w error) bool { return errors.Is(err, w) })
		if i < 0 {
			c.fail("%s: %s", what, said(err))
		}
		n[i]++
	}
	return n
}
