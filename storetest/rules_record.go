package storetest

import (
	"errors"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/sojourn-go/sojourn/store"
)

var recordRules = []rule{
	{"load-returns-the-record", "Load returns the record, of whatever kind.", loadReturnsTheRecord},
	{"load-of-none-is-gone", "Load returns the record, or ErrGone.", loadOfNoneIsGone},
	{"load-expired-is-whole-or-gone", "An expired record is returned whole or is ErrGone.", loadExpired},
	{"times-are-exact", "Times are whole milliseconds, in UTC; the zero time is none.", timesAreExact},
	{"texts-are-exact", "The three texts are opaque to a store, and may hold any bytes.", textsAreExact},
	{"state-of-a-megabyte", "The three texts may hold any bytes: a state of 1 MiB comes back whole.", stateOfAMegabyte},
	{"versions-are-64-bits", "A Version is any 64 bits but 0; writers choose it at random.", versionsAre64Bits},
	{"owners-are-exact", "An owner is text of at most MaxOwner bytes, any bytes; two that differ are two.", ownersAreExact},
	{"handles-are-exact", "A handle is a record's key; two that differ are two.", handlesAreExact},
}

func loadReturnsTheRecord(c *check) {
	for _, kind := range []store.Kind{store.KindSession, store.KindRemember, store.KindRevocation} {
		for _, owner := range []string{newOwner(), ""} {
			rec := c.record(owner)
			rec.Kind = kind
			created := c.create(rec, c.options())
			if created.Replaced || len(created.Ended) > 0 {
				c.fail("a plain Create says that it ended something")
			}
			c.holds(rec, "after Create")
		}
	}
}

func loadOfNoneIsGone(c *check) {
	c.gone(store.NewHandle(""), "nothing was made")
	owner := newOwner()
	c.gone(store.NewHandle(owner), "nothing was made")
	c.made(owner)
	c.gone(store.NewHandle(owner), "another record was made")
}

func loadExpired(c *check) {
	rec := c.recordAt(newOwner(), c.now.Add(-2*time.Hour))
	c.create(rec, store.CreateOptions{Now: rec.Created, End: c.ending()})
	got, err := c.s.Load(c.ctx, rec.Handle)
	if errors.Is(err, store.ErrGone) {
		return
	}
	c.ok(err, "Load of an expired record")
	if d := difference(got, rec); d != "" {
		c.fail("Load of an expired record returns it changed: %s", d)
	}
}

func timesAreExact(c *check) {
	second := c.now.Truncate(time.Second)
	for _, ms := range []time.Duration{0, 1, 9, 10, 499, 500, 999} {
		at := second.Add(ms * time.Millisecond)
		rec := c.recordAt(newOwner(), at)
		rec.LastSeen = at.Add(time.Millisecond)
		rec.HoldUntil = at.Add(2*time.Hour + time.Millisecond)
		c.create(rec, c.options())
		c.holds(rec, "after Create")
		changed := next(rec)
		changed.LastSeen, changed.IdleDeadline = at.Add(2*time.Millisecond), rec.IdleDeadline.Add(time.Millisecond)
		c.ok(c.s.Apply(c.ctx, changed, rec.Version, c.now), "Apply")
		c.holds(changed, "after Apply")
		seen, idle := at.Add(3*time.Millisecond), changed.IdleDeadline.Add(time.Millisecond)
		c.ok(c.s.Touch(c.ctx, rec.Handle, seen, idle), "Touch")
		changed.LastSeen, changed.IdleDeadline = seen, idle
		c.holds(changed, "after Touch")
		c.inUTC(rec)
	}
	far := c.record(newOwner())
	far.Created = time.UnixMilli(1).UTC()
	far.AbsoluteDeadline = c.now.AddDate(200, 0, 0)
	far.IdleDeadline = far.AbsoluteDeadline
	c.create(far, c.options())
	c.holds(far, "made long ago, with deadlines 200 years away, and no HoldUntil")
}

func (c *check) inUTC(rec *store.Record) {
	got, err := c.s.Load(c.ctx, rec.Handle)
	c.ok(err, "Load")
	shown := c.listed(rec.Owner)[rec.Handle]
	for _, h := range []*store.Header{&got.Header, &shown.Header} {
		for i, t := range times(h) {
			if t.Location() != time.UTC {
				c.fail("%s comes back in the time zone %s", timeNames[i], t.Location())
			}
		}
	}
}

// everyByte is all 256 of them, from high to low so that NUL is not first.
func everyByte() string {
	var b strings.Builder
	for i := 255; i >= 0; i-- {
		b.WriteByte(byte(i))
	}
	return b.String()
}

func textsAreExact(c *check) {
	all := everyByte()
	rec := c.record(newOwner())
	for _, text := range []string{
		"", "\x00", "\x00\x00a", "a\x00b", "a\x00", " a ", "\n", all, all + all, "\xff\xfe", "\xed\xa0\x80", "é", "e\u0301",
		`\`, `\x00`, "'", `"`, "%s", "null", "{}", "0", "1e3", strings.Repeat(all, 64),
	} {
		for i, r := range []*store.Record{c.record(rec.Owner), c.record(rec.Owner), c.record(rec.Owner), c.record(rec.Owner)} {
			texts := []*string{&r.Facts, &r.Verifiers, &r.State}
			for j := range texts {
				if i == j || i == len(texts) {
					*texts[j] = text
				}
			}
			if i < len(texts) && len(text) > 8 {
				continue // long ones only all three at once
			}
			c.create(r, c.options())
			c.holds(r, "after Create")
			n := *r
			n.Version = store.NewVersion()
			n.Facts, n.Verifiers, n.State = r.State, r.Facts, r.Verifiers
			c.ok(c.s.Apply(c.ctx, &n, r.Version, c.now), "Apply")
			c.holds(&n, "after Apply")
			if got := c.listed(rec.Owner)[r.Handle].Facts; got != n.Facts {
				c.fail("List shows Facts %s, want %s", brief(got), brief(n.Facts))
			}
			c.ok(c.s.Delete(c.ctx, r.Handle, c.ending()), "Delete")
		}
	}
}

func stateOfAMegabyte(c *check) {
	rec := c.record(newOwner())
	rec.State = strings.Repeat(everyByte(), 1<<20/256)
	c.create(rec, c.options())
	c.holds(rec, "after Create")
	bigger := next(rec)
	bigger.State = "x" + rec.State[1:]
	c.ok(c.s.Apply(c.ctx, bigger, rec.Version, c.now), "Apply")
	c.holds(bigger, "after Apply")
}

func versionsAre64Bits(c *check) {
	for _, v := range []store.Version{1, 1<<53 + 1, 1<<63 - 1, 1 << 63, 1<<63 + 1, math.MaxUint64} {
		rec := c.record(newOwner())
		rec.Version = v
		c.create(rec, c.options())
		c.holds(rec, "after Create")
		c.answers(c.s.Apply(c.ctx, next(rec), v^1, c.now), store.ErrConflict, "Apply from a version that differs in the last bit")
		c.answers(c.s.Apply(c.ctx, next(rec), v^1<<63, c.now), store.ErrConflict, "Apply from a version that differs in the first bit")
		n := next(rec)
		c.ok(c.s.Apply(c.ctx, n, v, c.now), "Apply")
		back := next(n)
		back.Version = v
		c.ok(c.s.Apply(c.ctx, back, n.Version, c.now), "Apply")
		c.holds(back, "after Apply")
		end := store.Ending{Version: v, Mark: v, Now: c.now}
		c.ok(c.s.Delete(c.ctx, rec.Handle, end), "Delete")
		c.ok(c.s.Delete(c.ctx, rec.Handle, end), "Delete again with the same Mark")
		end.Mark = v ^ 1
		c.answers(c.s.Delete(c.ctx, rec.Handle, end), store.ErrGone, "Delete with a Mark that differs in the last bit")
	}
}

func ownersAreExact(c *check) {
	base := newOwner()
	long := (base + strings.Repeat(everyByte(), 1))[:store.MaxOwner-1]
	owners := []string{
		base, base + " ", base + "\x00", base + "\t", " " + base, base + "\xff", base + "\xfe", base + "é", base + "e", base + "e\u0301",
		strings.ToUpper(base), strings.ToLower(base), base + "%", base + "_", base + "*", base + "?", base + "{}", base + "'", base + `"`, base + `\`,
		base + ":", base + "/../", long + "a", long + "b", long + "\x00",
	}
	made := map[string]*store.Record{}
	for _, owner := range owners {
		made[owner] = c.made(owner)
	}
	for _, owner := range owners {
		c.holds(made[owner], "owner "+brief(owner))
		c.lists(owner, "owner "+brief(owner), made[owner])
	}
	for i, owner := range owners {
		n, err := c.s.DeleteOwner(c.ctx, owner, "", c.ending())
		c.ok(err, "DeleteOwner")
		if n != 1 {
			c.fail("DeleteOwner of %s ended %d records of 1", brief(owner), n)
		}
		for _, other := range owners[i+1:] {
			c.holds(made[other], "DeleteOwner of "+brief(owner)+" leaves "+brief(other))
		}
	}
}

func handlesAreExact(c *check) {
	owner := newOwner()
	rec := c.record(owner)
	swapped := func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}
	rec.Handle = rec.Handle[:2] + "aB" + rec.Handle[4:]
	other := c.record(owner)
	other.Handle = rec.Handle[:2] + strings.Map(swapped, rec.Handle[2:])
	c.create(rec, c.options())
	for _, h := range []string{other.Handle, rec.Handle + " ", rec.Handle + "\x00", rec.Handle[:23], rec.Handle + "A"} {
		c.gone(h, "a handle much like one that exists")
		c.answers(c.s.Delete(c.ctx, h, c.ending()), store.ErrGone, "Delete of a handle much like one that exists")
	}
	c.create(other, c.options())
	c.holds(rec, "with another whose handle differs in upper and lower case")
	c.holds(other, "with another whose handle differs in upper and lower case")
	c.ok(c.s.Delete(c.ctx, other.Handle, c.ending()), "Delete")
	c.holds(rec, "with another ended whose handle differs in upper and lower case")
}
