package memstore

import (
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

const (
	handleLen = 24
	cellText  = 60
	cellSize  = 64 // of a cell
	slotSize  = 112

	// besideText is what a record takes apart from its cells: its slot, its
	// place in the heap (16), in the order (8) and in the index (about 4).
	besideText = slotSize + 28
)

// A slot is all of a record but its texts. Times are milliseconds since 1970;
// Go's zero time is one of them like any other.
type slot struct {
	handle   [handleLen]byte
	version  store.Version // of an ended one: the mark of its end
	created  int64
	seen     int64
	idle     int64
	absolute int64
	hold     int64 // of an ended one: how long it is remembered

	facts, verifiers, fields uint32 // the texts' lengths
	text                     uint32 // the first cell; they hold owner, facts, verifiers and state
	key                      uint32 // see ordered
	chain                    uint32 // the next slot in the index
	due                      uint32 // its place in the heap
	before, after            uint32 // its neighbours in the queue, if it may be evicted

	owner uint8 // length of the owner
	kind  store.Kind
	state state
}

// A state says what a slot is used for.
type state uint8

const (
	unused state = iota
	live         // a record
	ended        // what is remembered of one that was ended
)

// deadline is when there is nothing to keep any more.
func (sl *slot) deadline() int64 {
	if sl.state == ended {
		return sl.hold
	}
	return min(sl.idle, sl.absolute)
}

// present reports whether it is a record that has not expired.
func (sl *slot) present(now int64) bool { return sl.state == live && now < sl.deadline() }

// held reports whether it is a record, expired or not, or the handle of an
// ended one that is still remembered.
func (sl *slot) held(now int64) bool { return sl.state == live || now < sl.hold }

// evictable reports whether a full store may remove it for others: nobody's,
// and no revocation, without which a cookie would be good again.
func (sl *slot) evictable() bool {
	return sl.state == live && sl.owner == 0 && sl.kind != store.KindRevocation
}

func (sl *slot) textLen() int {
	return int(sl.owner) + int(sl.facts) + int(sl.verifiers) + int(sl.fields)
}

func (sl *slot) bytes() int64 { return besideText + textBytes(sl.textLen()) }

// textBytes is what a text takes in cells.
func textBytes(n int) int64 { return int64((n+cellText-1)/cellText) * cellSize }

// A cell is a piece of text. Pieces of one size are what keeps memory from
// becoming fragmented, whatever sizes sessions have and change to.
type cell struct {
	next uint32
	text [cellText]byte
}

// write puts texts, one after the other, into cells, and returns the first.
func (t *table) write(texts ...string) uint32 {
	var first, last uint32
	free := 0
	for _, text := range texts {
		for len(text) > 0 {
			if free == 0 {
				id := t.cells.take()
				if last == 0 {
					first = id
				} else {
					t.cells.at(last).next = id
				}
				last, free = id, cellText
			}
			n := copy(t.cells.at(last).text[cellText-free:], text)
			text, free = text[n:], free-n
		}
	}
	return first
}

// read returns prefix and the first n bytes of what begins with a cell, in one
// piece of memory.
func (t *table) read(prefix []byte, first uint32, n int) string {
	var b strings.Builder
	b.Grow(len(prefix) + n)
	b.Write(prefix)
	for n > 0 {
		c := t.cells.at(first)
		piece := c.text[:min(cellText, n)]
		b.Write(piece)
		first, n = c.next, n-len(piece)
	}
	return b.String()
}

// drop gives back the cells of a text.
func (t *table) drop(first uint32) {
	for first != 0 {
		next := t.cells.at(first).next
		t.cells.give(first)
		first = next
	}
}

// ownedBy reports whether sl is owner's.
func (t *table) ownedBy(sl *slot, owner string) bool {
	if int(sl.owner) != len(owner) {
		return false
	}
	for id := sl.text; owner != ""; {
		c := t.cells.at(id)
		n := min(cellText, len(owner))
		if string(c.text[:n]) != owner[:n] {
			return false
		}
		owner, id = owner[n:], c.next
	}
	return true
}

// header returns the public part of sl.
func (sl *slot) header(handle, owner string) store.Header {
	return store.Header{
		Kind: sl.kind, Handle: handle, Owner: owner, Version: sl.version,
		Created: at(sl.created), LastSeen: at(sl.seen),
		IdleDeadline: at(sl.idle), AbsoluteDeadline: at(sl.absolute), HoldUntil: at(sl.hold),
	}
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// record returns all of sl. Its strings share one piece of memory, which is
// the caller's.
func (t *table) record(sl *slot, handle string) *store.Record {
	text := t.read(nil, sl.text, sl.textLen())
	cut := func(n int) (piece string) {
		piece, text = text[:n], text[n:]
		return piece
	}
	rec := &store.Record{Header: sl.header(handle, cut(int(sl.owner)))}
	rec.Facts, rec.Verifiers, rec.State = cut(int(sl.facts)), cut(int(sl.verifiers)), text
	return rec
}

// listed returns what lists show of sl.
func (t *table) listed(sl *slot) store.Listed {
	text := t.read(sl.handle[:], sl.text, int(sl.owner)+int(sl.facts))
	handle, text := text[:handleLen], text[handleLen:]
	return store.Listed{Header: sl.header(handle, text[:sl.owner]), Facts: text[sl.owner:]}
}
