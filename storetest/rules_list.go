package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var listRules = []rule{
	{"list-shows-headers-and-facts", "List and Scan show a record's header and facts, of every kind.", listShows},
	{"list-is-current", "List returns the records of owner, as they are now: Apply and Touch show.", listIsCurrent},
	{"list-is-one-owners", "List returns the records of owner.", listIsOneOwners},
	{"list-shows-none-that-ended", "A record that was ended is not there: neither List nor Scan shows it.", listShowsNoneEnded},
	{"list-shows-no-secrets", "Load is the only verb that shows verifiers and state.", listShowsNoSecrets},
	{"list-page-limit", "A page of List has at most page.Limit records.", listPageLimit},
	{"scan-shows-everybodys", "Scan returns the records of everybody, nobody's too.", scanShowsEverybodys},
	{"scan-page-limit", "A page of Scan has about page.Limit records.", scanPageLimit},
}

// scanned pages through everything, and returns those records that are asked
// for, and how often each came.
func (c *check) scanned(limit int, between func(), want ...*store.Record) (map[string]store.Listed, map[string]int) {
	c.t.Helper()
	got, times := map[string]store.Listed{}, map[string]int{}
	for _, rec := range want {
		times[rec.Handle] = 0
	}
	page := store.Page{Limit: limit}
	for range 100000 {
		listing, err := c.s.Scan(c.ctx, page)
		c.ok(err, "Scan")
		for _, l := range listing.Records {
			if _, asked := times[l.Handle]; asked {
				got[l.Handle] = l
				times[l.Handle]++
			}
		}
		if page.Cursor = listing.Next; page.Cursor == "" {
			return got, times
		}
		if between != nil {
			between()
		}
	}
	c.fail("Scan does not come to an end")
	return nil, nil
}

func (c *check) shown(got map[string]store.Listed, want *store.Record, by string) {
	c.t.Helper()
	l, ok := got[want.Handle]
	if !ok {
		c.fail("%s leaves out a record", by)
	}
	if d := headerDifference(&l.Header, &want.Header); len(d) > 0 {
		c.fail("%s shows another header: %s", by, strings.Join(d, "; "))
	}
	if l.Facts != want.Facts {
		c.fail("%s shows Facts %s, want %s", by, brief(l.Facts), brief(want.Facts))
	}
}

// family makes a record of each kind.
func (c *check) family(owner string) []*store.Record {
	var made []*store.Record
	for _, kind := range []store.Kind{store.KindSession, store.KindRemember, store.KindRevocation} {
		rec := c.record(owner)
		rec.Kind, rec.HoldUntil = kind, c.now.Add(13*time.Hour)
		rec.LastSeen = c.now.Add(time.Second)
		rec.Facts = everyByte() + rec.Facts
		c.create(rec, c.options())
		made = append(made, rec)
	}
	return made
}

func listShows(c *check) {
	made := c.family(newOwner())
	got := c.listed(made[0].Owner)
	scanned, _ := c.scanned(100, nil, made...)
	for _, rec := range made {
		c.shown(got, rec, "List")
		c.shown(scanned, rec, "Scan")
	}
}

func listIsCurrent(c *check) {
	rec := c.made(newOwner())
	n := next(rec)
	n.LastSeen, n.IdleDeadline = c.now.Add(time.Second), c.now.Add(2*time.Hour)
	c.ok(c.s.Apply(c.ctx, n, rec.Version, c.now), "Apply")
	c.shown(c.listed(rec.Owner), n, "after Apply: List")
	got, _ := c.scanned(100, nil, n)
	c.shown(got, n, "after Apply: Scan")
	n.LastSeen, n.IdleDeadline = c.now.Add(time.Minute), c.now.Add(3*time.Hour)
	c.ok(c.s.Touch(c.ctx, n.Handle, n.LastSeen, n.IdleDeadline), "Touch")
	c.shown(c.listed(rec.Owner), n, "after Touch: List")
	got, _ = c.scanned(100, nil, n)
	c.shown(got, n, "after Touch: Scan")
}

func listIsOneOwners(c *check) {
	alice, bob := newOwner(), newOwner()
	a, b := c.family(alice), c.family(bob)
	c.made("")
	c.lists(alice, "beside another owner", a...)
	c.lists(bob, "beside another owner", b...)
	c.lists(newOwner(), "without records")
	c.lists("", "nobody has no list")
}

func listShowsNoneEnded(c *check) {
	owner := newOwner()
	deleted, oldest, replaced := c.made(owner), c.made(owner), c.made(owner)
	oldest2 := c.record(owner)
	oldest2.Kind, oldest2.Created = store.KindRemember, c.now.Add(-time.Minute)
	c.create(oldest2, c.options())
	end := c.ending()
	c.ok(c.s.Delete(c.ctx, deleted.Handle, end), "Delete")
	kept := c.record(owner)
	kept.Kind = store.KindRemember
	opts := c.limit(1, true)
	opts.Replaces = replaced.Handle
	c.endedAre(c.create(kept, opts), oldest2)
	c.lists(owner, "after three ends", kept, oldest)
	c.deleteOwner(owner, kept.Handle, c.ending(), 1)
	c.lists(owner, "after four ends", kept)
	anonymous := c.made("")
	c.ok(c.s.Delete(c.ctx, anonymous.Handle, end), "Delete")
	ended := []*store.Record{deleted, oldest, oldest2, replaced, anonymous}
	_, times := c.scanned(100, nil, ended...)
	for _, rec := range ended {
		if times[rec.Handle] > 0 {
			c.fail("Scan shows a record that was ended")
		}
	}
}

func listShowsNoSecrets(c *check) {
	const marker = "e5a81c-no-list-shows-this"
	owner := newOwner()
	rec, nobody := c.record(owner), c.record("")
	for _, r := range []*store.Record{rec, nobody} {
		r.Verifiers, r.State = marker+r.Verifiers, marker+r.State
		c.create(r, c.options())
		n := next(r)
		n.Verifiers, n.State = marker, marker+marker
		c.ok(c.s.Apply(c.ctx, n, r.Version, c.now), "Apply")
	}
	listing, err := c.s.List(c.ctx, owner, store.Page{Limit: 1})
	c.ok(err, "List")
	if strings.Contains(fmt.Sprintf("%+v", listing), marker) {
		c.fail("a page of List holds verifiers or state")
	}
	for _, l := range c.listed(owner) {
		if strings.Contains(fmt.Sprintf("%+v", l), marker) {
			c.fail("List shows verifiers or state")
		}
	}
	got, _ := c.scanned(100, nil, rec, nobody)
	if strings.Contains(fmt.Sprintf("%+v", got), marker) {
		c.fail("Scan shows verifiers or state")
	}
}

func listPageLimit(c *check) {
	owner := newOwner()
	for range 25 {
		c.made(owner)
	}
	for _, limit := range []int{1, 7, 24, 25, 26, 1000} {
		total, page := 0, store.Page{Limit: limit}
		for range 1000 {
			listing, err := c.s.List(c.ctx, owner, page)
			c.ok(err, "List")
			if len(listing.Records) > limit {
				c.fail("a page of List has %d records, limit %d", len(listing.Records), limit)
			}
			total += len(listing.Records)
			if page.Cursor = listing.Next; page.Cursor == "" {
				break
			}
		}
		if page.Cursor != "" || total != 25 {
			c.fail("List in pages of %d shows %d records of 25", limit, total)
		}
	}
}

func scanShowsEverybodys(c *check) {
	made := append(c.family(newOwner()), c.family("")...)
	made = append(made, c.made(newOwner()), c.made(newOwner()))
	for _, limit := range []int{3, 100} {
		got, _ := c.scanned(limit, nil, made...)
		for _, rec := range made {
			c.shown(got, rec, "Scan")
		}
	}
}

// How many "about" is, no test can say; a store that gives everything at once
// does not page.
func scanPageLimit(c *check) {
	owner := newOwner()
	errs := together(8, func(int) error {
		for range 40 {
			if _, err := c.s.Create(c.ctx, c.record(owner), c.options()); err != nil {
				return err
			}
		}
		return nil
	})
	c.count(errs, "Create", nil)
	listing, err := c.s.Scan(c.ctx, store.Page{Limit: 10})
	c.ok(err, "Scan")
	if len(listing.Records) > 200 {
		c.fail("a page of Scan with limit 10 has %d records", len(listing.Records))
	}
}
