package storetest

import (
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var manyRules = []rule{
	{"list-misses-none", "A record that is there from the first page to the last is in exactly one page of List.", listMissesNone},
	{"scan-misses-none", "A record that is there from the first page to the last is in at least one page of Scan.", scanMissesNone},
}

const many = 1000

// A crowd is many records of one owner, most of which last while others come
// and go.
type crowd struct {
	c       *check
	owner   string
	lasting []*store.Record
	passing []*store.Record
	pages   int
}

func (c *check) crowd() *crowd {
	c.t.Helper()
	cr := &crowd{c: c, owner: newOwner()}
	var all []*store.Record
	for i := range many + many/10 {
		rec := c.record(cr.owner)
		rec.Created = c.now.Add(-time.Duration(i%7) * time.Millisecond) // many of one moment
		rec.LastSeen = rec.Created
		if all = append(all, rec); i%11 == 0 {
			cr.passing = append(cr.passing, rec)
		} else {
			cr.lasting = append(cr.lasting, rec)
		}
	}
	const workers = 8
	errs := together(workers, func(w int) error {
		for i := w; i < len(all); i += workers {
			if _, err := c.s.Create(c.ctx, all[i], c.options()); err != nil {
				return err
			}
		}
		return nil
	})
	c.count(errs, "Create", nil)
	return cr
}

// churn is what happens between two pages. It stops after a while, so that even
// a store whose pages are never full comes to an end.
func (cr *crowd) churn() {
	c := cr.c
	c.t.Helper()
	if cr.pages++; cr.pages > 30 {
		return
	}
	for range 5 {
		if len(cr.passing) > 0 {
			c.ok(c.s.Delete(c.ctx, cr.passing[0].Handle, c.ending()), "Delete")
			cr.passing = cr.passing[1:]
		}
	}
	for i := range 2 {
		rec := c.record(cr.owner)
		rec.Created = c.now.Add(time.Duration(i*14-7) * time.Second) // before all and after all
		c.create(rec, c.options())
	}
	for i := range 4 {
		rec := cr.lasting[(cr.pages*197+i*251)%len(cr.lasting)]
		rec.LastSeen = c.now.Add(time.Duration(cr.pages) * time.Second)
		rec.IdleDeadline = rec.LastSeen.Add(time.Hour)
		if i == 0 {
			n := next(rec)
			c.ok(c.s.Apply(c.ctx, n, rec.Version, c.now), "Apply")
			*rec = *n
			continue
		}
		c.ok(c.s.Touch(c.ctx, rec.Handle, rec.LastSeen, rec.IdleDeadline), "Touch")
	}
}

func listMissesNone(c *check) {
	cr := c.crowd()
	seen := map[string]int{}
	page := store.Page{Limit: 50}
	for range 10000 {
		listing, err := c.s.List(c.ctx, cr.owner, page)
		c.ok(err, "List")
		if len(listing.Records) > page.Limit {
			c.fail("a page of List has %d records, limit %d", len(listing.Records), page.Limit)
		}
		for _, l := range listing.Records {
			seen[l.Handle]++
		}
		if page.Cursor = listing.Next; page.Cursor == "" {
			break
		}
		cr.churn()
	}
	missed, twice := 0, 0
	for _, rec := range cr.lasting {
		switch n := seen[rec.Handle]; {
		case n == 0:
			missed++
		case n > 1:
			twice++
		}
	}
	if missed+twice > 0 || page.Cursor != "" {
		c.fail("of %d records that were there all the time, List left out %d and showed %d more than once", len(cr.lasting), missed, twice)
	}
}

func scanMissesNone(c *check) {
	cr := c.crowd()
	_, times := c.scanned(100, cr.churn, cr.lasting...)
	missed := 0
	for _, n := range times {
		if n == 0 {
			missed++
		}
	}
	if missed > 0 {
		c.fail("of %d records that were there all the time, Scan left out %d", len(cr.lasting), missed)
	}
}
