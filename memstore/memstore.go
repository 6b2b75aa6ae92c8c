// Package memstore keeps sessions in the memory of one process: for a server
// that is alone, for development, for tests, and as the measure of what other
// stores cost. What it holds is gone when the process ends.
//
// It is bounded, so that no flood of visitors can exhaust the machine, and has
// no pointers in what it keeps, so that a million sessions cost the garbage
// collector nothing to speak of.
package memstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Options bound a store. The zero Options are fine for most.
type Options struct {
	// Records is how many records the store holds at most, those included
	// that were ended and are remembered (store.Ending). Zero is 1,000,000.
	Records int

	// Bytes is how much memory records may take, as Stats counts it: for each
	// its texts in pieces of 60 bytes that take 64, and 140 bytes beside
	// them. Zero is 256 MiB, which is some 600,000 small sessions. The process
	// takes somewhat more: space that was freed waits to be used again.
	Bytes int64

	// Changes is how many changes Changes remembers at least; it may be twice
	// as many, at 32 bytes each and the owner. Zero is 32,768.
	Changes int
}

// What the zero Options stand for.
const (
	defaultRecords = 1_000_000
	defaultBytes   = 256 << 20
	defaultChanges = 1 << 15
)

// Store is a store.Store in memory. Make one with [New]. It is safe for
// concurrent use, starts no goroutine and reads no clock: whoever uses it has
// to call Sweep now and then.
//
// At a bound it makes room for what is new or grows: first it removes records
// that have expired, then it evicts anonymous ones, the least recently made,
// applied or touched first. It never evicts a record that has an owner, one of
// store.KindRevocation, or what it remembers of an ended one. If that does not
// make room, the answer is store.ErrFull and nothing has changed. An evicted
// record was not ended: its handle is not remembered, and Changes does not
// tell of it. Touch and Delete work in a full store too.
//
// Pages hold at most 1,000 records, whatever their Limit, so that no lock is
// held for long. Two things take longer, and other requests for one in 256 of
// the handles wait for them: DeleteOwner, which is one step, takes some
// milliseconds for 10,000 records; and when half of what a part of the store
// held has gone, the rest is moved together, which takes about a millisecond in
// a store of a million.
//
// That nobody's record takes the place of another of nobody's (CreateOptions,
// Replaces) is left to the caller: Created.Replaced is false.
type Store struct {
	shards  [shards]shard
	budget  budget
	log     changes
	crowded sync.Mutex // who holds it may lock a second shard
	take    roomFunc   // budget.take, as one value for all calls
}

// shards is how many parts the store has, each with its own lock. The first two
// digits of a handle say which one it is in, so that all records of an owner
// are under one lock and a step on several of them is one step.
const shards = 256

// New makes an empty store. It refuses negative bounds.
func New(opts Options) (*Store, error) {
	var complaints []error
	for _, o := range []struct {
		name  string
		value int64
	}{{"Records", int64(opts.Records)}, {"Bytes", opts.Bytes}, {"Changes", int64(opts.Changes)}} {
		if o.value < 0 {
			complaints = append(complaints, fmt.Errorf("memstore: Options.%s is %d; leave it 0 for the default, or set a bound", o.name, o.value))
		}
	}
	if err := errors.Join(complaints...); err != nil {
		return nil, err
	}
	s := &Store{}
	s.budget.maxRecords = int64(either(opts.Records, defaultRecords))
	s.budget.maxBytes = either(opts.Bytes, defaultBytes)
	s.log.atLeast = either(opts.Changes, defaultChanges)
	s.log.store = rand.Uint64()
	s.take = func(_ *shard, _ uint32, c cost, _ int64) bool { return s.budget.take(c) }
	seed := maphash.MakeSeed()
	for i := range s.shards {
		sh := &s.shards[i]
		sh.seed, sh.budget, sh.log = seed, &s.budget, &s.log
		sh.soonest.Store(math.MaxInt64)
		sh.oldest.Store(math.MaxInt64)
	}
	return s, nil
}

func either[T int | int64](set, otherwise T) T {
	if set == 0 {
		return otherwise
	}
	return set
}

// Stats is what a store holds at one moment.
type Stats struct {
	Records int64 // records, and ended ones that are remembered
	Bytes   int64 // the memory that they take
	Evicted int64 // how many were evicted since the store was made
}

// Stats returns what the store holds, without waiting for anybody.
func (s *Store) Stats() Stats {
	return Stats{Records: s.budget.records.Load(), Bytes: s.budget.bytes.Load(), Evicted: s.budget.evicted.Load()}
}

// Load implements store.Store. It returns expired records until they are
// swept.
func (s *Store) Load(ctx context.Context, handle string) (*store.Record, error) {
	sh, err := s.shard(ctx, handle)
	if err != nil {
		return nil, err
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sl := sh.live(handle)
	if sl == nil {
		return nil, store.ErrGone
	}
	return sh.record(sl, handle), nil
}

// Create implements store.Store. It refuses handles that store.NewHandle
// would not make for this owner.
func (s *Store) Create(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
	if err := check(rec); err != nil {
		return store.Created{}, err
	}
	sh, err := s.shard(ctx, rec.Handle)
	if errors.Is(err, store.ErrGone) {
		err = errHandle
	}
	if err != nil {
		return store.Created{}, err
	}
	sh.mu.Lock()
	created, err := sh.create(rec, &opts, s.take)
	sh.unlock()
	if errors.Is(err, store.ErrFull) {
		s.crowded.Lock()
		defer s.crowded.Unlock()
		sh.mu.Lock()
		defer sh.unlock()
		created, err = sh.create(rec, &opts, s.makeRoom)
	}
	return created, err
}

// Apply implements store.Store.
func (s *Store) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
	if err := checkTexts(rec); err != nil {
		return err
	}
	sh, err := s.shard(ctx, rec.Handle)
	if err != nil {
		return err
	}
	sh.mu.Lock()
	err = sh.apply(rec, from, now.UnixMilli(), s.take)
	sh.unlock()
	if errors.Is(err, store.ErrFull) {
		s.crowded.Lock()
		defer s.crowded.Unlock()
		sh.mu.Lock()
		defer sh.unlock()
		err = sh.apply(rec, from, now.UnixMilli(), s.makeRoom)
	}
	return err
}

// Touch implements store.Store.
func (s *Store) Touch(ctx context.Context, handle string, seen, idle time.Time) error {
	sh, err := s.shard(ctx, handle)
	if err != nil {
		return err
	}
	sh.mu.Lock()
	defer sh.unlock()
	id := sh.find(handle)
	if id == 0 || !sh.slots.at(id).present(seen.UnixMilli()) {
		return store.ErrGone
	}
	sh.forward(id, seen.UnixMilli(), idle.UnixMilli())
	return nil
}

// Delete implements store.Store. It ends an expired record too, if it was not
// swept.
func (s *Store) Delete(ctx context.Context, handle string, end store.Ending) error {
	sh, err := s.shard(ctx, handle)
	if err != nil {
		return err
	}
	sh.mu.Lock()
	defer sh.unlock()
	id := sh.find(handle)
	if id == 0 {
		return store.ErrGone
	}
	switch sl := sh.slots.at(id); {
	case sl.state == ended && sl.held(end.Now.UnixMilli()) && end.Mark != 0 && sl.version == end.Mark:
		return nil
	case sl.state == ended:
		return store.ErrGone
	case end.Version != 0 && end.Version != sl.version:
		return store.ErrConflict
	}
	sh.end(id, &end)
	return nil
}

// DeleteOwner implements store.Store. It ends and counts expired records too,
// if they were not swept.
func (s *Store) DeleteOwner(ctx context.Context, owner, except string, end store.Ending) (int, error) {
	sh, err := s.shardOf(ctx, owner)
	if sh == nil {
		return 0, err
	}
	sh.mu.Lock()
	defer sh.unlock()
	return sh.endOwner(owner, except, &end), nil
}

// Changes implements store.Store. It tells every change at once. It is
// store.ErrGone for what another store, or another process, gave as Next.
func (s *Store) Changes(ctx context.Context, since string) (store.Changes, error) {
	if err := ctx.Err(); err != nil {
		return store.Changes{}, failed(err)
	}
	return s.log.since(since)
}

// Sweep implements store.Store. It locks a part of the store at a time, for a
// bounded number of records, and looks at no record that has time left, but
// for those touched since they were last due.
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	removed, ms := 0, now.UnixMilli()
	if err := ctx.Err(); err != nil {
		return 0, failed(err)
	}
	for i := range s.shards {
		sh := &s.shards[i]
		for removed < limit && sh.soonest.Load() <= ms {
			if err := ctx.Err(); err != nil {
				return removed, failed(err)
			}
			sh.mu.Lock()
			removed += sh.sweep(ms, min(limit-removed, sweepSteps))
			sh.unlock()
		}
	}
	return removed, nil
}
