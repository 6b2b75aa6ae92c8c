package memstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/sojourn-go/sojourn/store"
)

// What Create and the lists refuse, beside what package store names.
var (
	errRecord = errors.New("memstore: there is no record to write; pass one")
	errHandle = errors.New("memstore: the handle does not begin with its owner's bucket or is not 24 characters; make it with store.NewHandle")
	errOwner  = fmt.Errorf("memstore: the owner is longer than %d bytes; use a shorter identifier", store.MaxOwner)
	errLimit  = errors.New("memstore: the page's limit is not positive; set it")
	errCursor = errors.New("memstore: the page's cursor is not one of this list; begin with an empty one")
)

// failed is how the end of a context looks to the caller.
func failed(err error) error { return fmt.Errorf("memstore: given up: %w", err) }

// check refuses what cannot be created.
func check(rec *store.Record) error {
	if err := checkTexts(rec); err != nil {
		return err
	}
	if len(rec.Owner) > store.MaxOwner {
		return errOwner
	}
	if len(rec.Handle) != handleLen || rec.Owner != "" && rec.Handle[:2] != store.Bucket(rec.Owner) {
		return errHandle
	}
	return nil
}

// maxText is more than any session should hold, and what a slot can count.
const maxText = 1 << 28

func checkTexts(rec *store.Record) error {
	if rec == nil {
		return errRecord
	}
	if len(rec.Facts) > maxText || len(rec.Verifiers) > maxText || len(rec.State) > maxText {
		return store.ErrFull
	}
	return nil
}

// shard returns the part of the store that handle is in, or ErrGone if no
// record can have this handle.
func (s *Store) shard(ctx context.Context, handle string) (*shard, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed(err)
	}
	if len(handle) != handleLen {
		return nil, store.ErrGone
	}
	n, ok := bucket(handle)
	if !ok {
		return nil, store.ErrGone
	}
	return &s.shards[n], nil
}

// shardOf returns the part of the store that owner's records are in, or nil if
// he can have none.
func (s *Store) shardOf(ctx context.Context, owner string) (*shard, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed(err)
	}
	if owner == "" || len(owner) > store.MaxOwner {
		return nil, nil
	}
	n, _ := bucket(store.Bucket(owner))
	return &s.shards[n], nil
}

// bucket is the number that text begins with, in two hexadecimal digits.
func bucket(text string) (n int, ok bool) {
	high, low := hexDigit(text[0]), hexDigit(text[1])
	return high<<4 | low, high >= 0 && low >= 0
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
