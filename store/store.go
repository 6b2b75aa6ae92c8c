package store

import (
	"context"
	"errors"
	"time"
)

// What a store answers. Any other error, a context's included, means that the
// store failed: a write may then have happened or not. Errors hold no
// verifier and no state.
var (
	// ErrGone: there is no such record. It was never made, or has been ended,
	// or has expired.
	ErrGone = errors.New("store: no such record")

	// ErrConflict: the record has another version by now. Nothing was done.
	ErrConflict = errors.New("store: the record has changed meanwhile")

	// ErrExists: there is such a record already. Nothing was done.
	ErrExists = errors.New("store: the record exists already")

	// ErrLimit: the owner has as many records as he may have. Nothing was
	// done.
	ErrLimit = errors.New("store: the owner has as many records as allowed")

	// ErrFull: the store is bounded, and full. Nothing was done.
	ErrFull = errors.New("store: full")
)

// MinHold is how long a record that was ended is remembered at least.
const MinHold = 5 * time.Minute

// A Store keeps records under their handles.
//
// It decides nothing about sessions: deadlines, versions and what is in a
// record come from the caller, and so does the time, now, so that all of an
// application's processes can share one idea of it. Expired records are the
// caller's to refuse; a store that is slow to remove them is a leak and no hole.
//
// Implementations are safe for concurrent use, by other processes too where
// the store is shared. They neither change nor keep what they are given, and
// what they return is the caller's. They obey the context's deadline. They do
// not repeat a write whose outcome they do not know: that is an error, and the
// caller, who knows his versions, finds out. Nothing that a verb answers with
// an error of this package has changed anything.
type Store interface {
	// Load returns the record, or ErrGone. An expired record is returned
	// whole or is ErrGone. It is the only verb that shows verifiers and state.
	Load(ctx context.Context, handle string) (*Record, error)

	// Create adds rec, whose Version and times are set, and makes it the
	// owner's if it has one. It is ErrExists if there is such a record,
	// expired or not, and ErrGone if there was one that was ended and is still
	// remembered (see Ending). See CreateOptions for limits.
	Create(ctx context.Context, rec *Record, opts CreateOptions) (Created, error)

	// Apply replaces Version, Verifiers, Facts and State of the record that
	// has rec's handle by rec's, if its version is still from: otherwise it is
	// ErrConflict. It never creates: a record that is not there, or has expired
	// at now, is ErrGone. LastSeen and IdleDeadline move forward to rec's, and
	// never back. Kind, Owner, Created, AbsoluteDeadline and HoldUntil stay as
	// they were made.
	Apply(ctx context.Context, rec *Record, from Version, now time.Time) error

	// Touch moves LastSeen forward to seen and IdleDeadline forward to idle;
	// neither moves back. It leaves all else as it is, the version too. A
	// record that is not there, or has expired at seen, is ErrGone.
	Touch(ctx context.Context, handle string, seen, idle time.Time) error

	// Delete ends the record. If it is not there, it is ErrGone, unless this
	// same end (by its Mark) has ended it before: then all is well. If
	// end.Version is set and the record has another one, it is ErrConflict.
	Delete(ctx context.Context, handle string, end Ending) error

	// DeleteOwner ends all records of owner but the one with the handle except
	// ("" for none) and those of KindRevocation, whatever their versions, and
	// returns how many it ended. An empty owner has no records.
	DeleteOwner(ctx context.Context, owner, except string, end Ending) (int, error)

	// List returns the records of owner, Scan those of everybody; expired ones
	// may be among them. A record that is there from the first page to the
	// last is in exactly one page of List, and at least one of Scan. A page
	// has at most page.Limit records (of Scan, about so many), and may have
	// fewer or none though more are to come.
	List(ctx context.Context, owner string, page Page) (Listing, error)
	Scan(ctx context.Context, page Page) (Listing, error)

	// Changes returns what was ended (not what expired: deadlines are known)
	// and which records of KindRevocation were made since the moment that
	// since stands for, and the next value for since. For "" it returns no
	// changes, and the present moment. It may tell a change again, and in
	// another order, but misses none and is at most one second behind. When
	// since is so old that changes since then may have been forgotten, it is
	// ErrGone: the caller has to begin anew.
	Changes(ctx context.Context, since string) (Changes, error)

	// Sweep removes records that have expired at now, and what is remembered
	// of ended ones for no longer, at most limit of them, and returns how many.
	// It is safe from many processes at once. A store that removes them by
	// itself returns 0.
	Sweep(ctx context.Context, now time.Time, limit int) (int, error)
}

// CreateOptions say under which conditions a record is created. All of it is
// one step with the creation.
type CreateOptions struct {
	Now time.Time

	// Limit is how many records of rec's kind the owner may have, this one
	// included; 0 is no limit. Expired ones do not count, nor does the one
	// that is replaced. At the limit it is ErrLimit; with EndOldest as many as
	// necessary are ended, those with the earliest Created first. Nobody ("")
	// has no limit.
	Limit     int
	EndOldest bool

	// Replaces is the handle of the record that this one takes the place of,
	// "" for none. If it has the same owner, it is ended in the same step:
	// when its version is not End.Version (unless that is 0), the answer is
	// ErrConflict. If it has another owner, or is not there, it is left alone,
	// and Created.Replaced is false.
	Replaces string

	// End says how records are ended here; only for that which is replaced
	// does its Version count.
	End Ending
}

// Created is what else Create did.
type Created struct {
	Replaced bool     // the record to be replaced was ended
	Ended    []string // handles of records that were ended for the limit
}

// Ending says how a record is ended. Its handle is then remembered until
// [MinHold] from Now, or the record's HoldUntil if that is later: in that time
// Create refuses the handle, and Delete with the same mark knows that it has
// succeeded.
type Ending struct {
	Version Version // only if it still has this one; 0 is whatever it has
	Mark    Version // names this end; never 0
	Now     time.Time
}

// HoldUntil is how long the end of a record is remembered.
func (e *Ending) HoldUntil(h *Header) time.Time {
	if hold := e.Now.Add(MinHold); hold.After(h.HoldUntil) {
		return hold
	}
	return h.HoldUntil
}

// A Page asks for a part of a list. Limit is positive. Cursor is "" for the
// first page, and then what the page before gave as Next.
type Page struct {
	Cursor string
	Limit  int
}

// A Listing is a part of a list; Next is "" on the last page.
type Listing struct {
	Records []Listed
	Next    string
}

// Changes is what has happened lately.
type Changes struct {
	List []Change
	Next string
}

// A Change is a record that was ended, or one of KindRevocation that was made.
type Change struct {
	Kind   Kind
	Handle string
	Owner  string
	Ended  bool
}
