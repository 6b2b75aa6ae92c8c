package storetest

import (
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var createRules = []rule{
	{"create-makes-it-the-owners", "Create adds rec and makes it the owner's if it has one.", createMakesItTheOwners},
	{"create-of-one-that-exists", "It is ErrExists if there is such a record, and nothing is done.", createExists},
	{"create-of-one-that-expired", "It is ErrExists if there is such a record, expired or not.", createExistsExpired},
}

func createMakesItTheOwners(c *check) {
	alice, bob := newOwner(), newOwner()
	a, b := c.made(alice), c.made(bob)
	a2, nobody := c.made(alice), c.made("")
	c.lists(alice, "with two records", a, a2)
	c.lists(bob, "with one record", b)
	c.holds(nobody, "of nobody")
	c.lists("", "nobody has no list")
}

func createExists(c *check) {
	rec := c.made(newOwner())
	again := next(rec)
	_, err := c.s.Create(c.ctx, again, c.options())
	c.answers(err, store.ErrExists, "Create of a handle that exists")
	_, err = c.s.Create(c.ctx, rec, c.options())
	c.answers(err, store.ErrExists, "the same Create again")
	other := next(rec)
	other.Owner = ""
	_, err = c.s.Create(c.ctx, other, c.options())
	c.answers(err, store.ErrExists, "Create of a handle that exists, for nobody")
	c.holds(rec, "after refused creations")
	c.lists(rec.Owner, "after refused creations", rec)
}

// The time is given by the caller, so one that is far ahead makes the record
// expired without waiting.
func createExistsExpired(c *check) {
	rec := c.made(newOwner())
	again := c.recordAt(rec.Owner, rec.IdleDeadline)
	again.Handle = rec.Handle
	for _, now := range []time.Time{rec.IdleDeadline, rec.AbsoluteDeadline.Add(time.Hour)} {
		_, err := c.s.Create(c.ctx, again, store.CreateOptions{Now: now, End: c.ending()})
		c.answers(err, store.ErrExists, "Create of a handle whose record has expired")
	}
	c.holds(rec, "after refused creations")
}

var replaceRules = []rule{
	{"replaces-ends-in-the-same-step", "If the replaced record has the same owner, it is ended in the same step.", replacesEnds},
	{"replaces-at-another-version", "When the version of the replaced one is not End.Version (unless that is 0), the answer is ErrConflict, and nothing was done.", replacesConflict},
	{"replaces-not-another-owners", "If the one to be replaced has another owner, it is left alone, and Created.Replaced is false.", replacesAnother},
	{"replaces-none", "If the one to be replaced is not there, Created.Replaced is false.", replacesNone},
	{"replaces-nothing-when-refused", "Nothing that a verb answers with an error of this package has changed anything: a refused creation ends nothing.", replacesRefused},
	{"replaces-says-what-it-did", "Created.Replaced: the record to be replaced was ended.", replacesSays},
}

func replacesEnds(c *check) {
	for _, at := range []bool{true, false} {
		owner := newOwner()
		old, other := c.record(owner), c.made(owner)
		old.Kind = store.KindRemember // another kind may be replaced as well
		c.create(old, c.options())
		rec, opts := c.record(owner), c.options()
		if opts.Replaces = old.Handle; at {
			opts.End.Version = old.Version
		}
		created := c.create(rec, opts)
		if !created.Replaced || len(created.Ended) > 0 {
			c.fail("Create that replaces a record says Replaced %v, Ended %d", created.Replaced, len(created.Ended))
		}
		c.gone(old.Handle, "replaced")
		c.holds(rec, "in place of another")
		c.lists(owner, "after a replacement", rec, other)
		c.ok(c.s.Delete(c.ctx, old.Handle, opts.End), "Delete with the Mark that ended it")
		c.answers(c.s.Delete(c.ctx, old.Handle, c.ending()), store.ErrGone, "Delete with another Mark")
		_, err := c.s.Create(c.ctx, next(old), c.options())
		c.answers(err, store.ErrGone, "Create of the one that was replaced")
	}
}

func replacesConflict(c *check) {
	owner := newOwner()
	old := c.made(owner)
	rec, opts := c.record(owner), c.options()
	opts.Replaces, opts.End.Version = old.Handle, store.NewVersion()
	created, err := c.s.Create(c.ctx, rec, opts)
	c.answers(err, store.ErrConflict, "Create that replaces another version")
	if created.Replaced || len(created.Ended) > 0 {
		c.fail("a refused Create says that it ended something")
	}
	c.gone(rec.Handle, "not created")
	c.holds(old, "not replaced")
	c.lists(owner, "after a refused replacement", old)
	opts.End.Version = old.Version
	if !c.create(rec, opts).Replaced {
		c.fail("Create at the right version did not replace")
	}
}

func replacesAnother(c *check) {
	for _, pair := range [][2]string{{newOwner(), newOwner()}, {"", newOwner()}, {newOwner(), ""}} {
		old := c.made(pair[0])
		for _, version := range []store.Version{0, old.Version, store.NewVersion()} {
			rec, opts := c.record(pair[1]), c.options()
			opts.Replaces, opts.End.Version = old.Handle, version
			if created := c.create(rec, opts); created.Replaced || len(created.Ended) > 0 {
				c.fail("Create says that it ended a record of another owner")
			}
			c.holds(rec, "made beside one of another owner")
			c.holds(old, "another owner's")
		}
	}
}

func replacesNone(c *check) {
	owner := newOwner()
	ended := c.made(owner)
	c.ok(c.s.Delete(c.ctx, ended.Handle, c.ending()), "Delete")
	for _, handle := range []string{store.NewHandle(owner), store.NewHandle(""), ended.Handle, "no handle at all"} {
		for _, version := range []store.Version{0, store.NewVersion()} {
			rec, opts := c.record(owner), c.options()
			opts.Replaces, opts.End.Version = handle, version
			if created := c.create(rec, opts); created.Replaced || len(created.Ended) > 0 {
				c.fail("Create says that it replaced a record that is not there")
			}
			c.holds(rec, "in place of none")
		}
	}
}

func replacesRefused(c *check) {
	owner := newOwner()
	old, there := c.made(owner), c.made(owner)
	ended := c.made(owner)
	c.ok(c.s.Delete(c.ctx, ended.Handle, c.ending()), "Delete")
	opts := c.options()
	opts.Replaces = old.Handle
	_, err := c.s.Create(c.ctx, next(there), opts)
	c.answers(err, store.ErrExists, "Create of one that exists, in place of another")
	c.holds(old, "not replaced")
	_, err = c.s.Create(c.ctx, next(ended), opts)
	c.answers(err, store.ErrGone, "Create of one that was ended, in place of another")
	c.holds(old, "not replaced")
	_, err = c.s.Create(c.ctx, next(old), opts)
	c.answers(err, store.ErrExists, "Create of one in place of itself")
	c.holds(old, "not replaced")
	c.made(owner)
	opts.Limit = 2 // old, there and one more: two without old
	_, err = c.s.Create(c.ctx, c.record(owner), opts)
	c.answers(err, store.ErrLimit, "Create at the limit, in place of another")
	c.holds(old, "not replaced")
	c.holds(there, "beside refused creations")
}

// Whether nobody's record may take the place of another of nobody's is left to
// the store, since one that is spread over machines cannot: but it says so.
func replacesSays(c *check) {
	old := c.made("")
	rec, opts := c.record(""), c.options()
	opts.Replaces, opts.End.Version = old.Handle, old.Version
	created := c.create(rec, opts)
	c.holds(rec, "of nobody")
	if created.Replaced {
		c.gone(old.Handle, "replaced, says Create")
	} else {
		c.holds(old, "not replaced, says Create")
	}
}
