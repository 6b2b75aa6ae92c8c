package redisstore

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// A Store keeps records in Redis or Valkey. It is safe for concurrent use.
// Every call is bounded by its context and by [Timeout]. Make one with [Open].
type Store struct {
	client *client
	prefix string
}

var _ store.Store = (*Store)(nil)

// Open connects to what url names, and returns when it has answered:
//
//	redis://[name:password@]host[:port][/db]                        one server
//	redis+cluster://[name:password@]host[:port][,host[:port]…]      a cluster
//	redis+sentinel://[name:password@]host[:port][,host[:port]…]/master
//
// For TLS they begin with rediss. The port is 6379 and the database 0 if there
// is none. Of a cluster any servers are named: the others are found by them,
// and one that answers is enough. The third form names sentinels, whose port is
// 26379, and the master as they call it; name and password are for the master,
// and sentinels that want one themselves are not supported.
//
// A connection that is lost later is made anew when it is needed. When a master
// fails, calls for what it holds fail until its replica has taken its place,
// and then work again by themselves; a write whose answer was lost is never
// sent again. See [Replicas] for what a failover may lose.
func Open(ctx context.Context, url string, opts ...Option) (*Store, error) {
	s, err := newSettings(url, opts)
	if err != nil {
		return nil, err
	}
	type result struct {
		c   *client
		err error
	}
	done := make(chan result, 1)
	go func() {
		c, err := newClient(s)
		done <- result{c, err}
	}()
	var r result
	select {
	case r = <-done:
	case <-ctx.Done():
		go func() {
			if r := <-done; r.c != nil {
				r.c.close()
			}
		}()
		r.err = ctx.Err()
	}
	if r.err == nil && !s.cluster { // a cluster has answered which servers there are
		if _, r.err = r.c.do(ctx, command{name: "PING"}); r.err != nil {
			r.c.close()
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("redisstore: no connection with %s: %w", strings.Join(s.addrs, ", "), cleaned(r.err))
	}
	return &Store{client: r.c, prefix: s.prefix}, nil
}

// Close ends the connection. Calls that are under way end first, or after a
// second; later ones fail.
func (s *Store) Close() error {
	s.client.close()
	return nil
}

// What scripts return.
const (
	done     = 0
	gone     = 1
	conflict = 2
	exists   = 3
	limited  = 4
)

// outcome turns what a script returned into what the contract says.
func outcome(verb string, a answer, err error) error {
	switch {
	case errors.Is(err, ErrUnconfirmed) && gone <= a.number && a.number <= limited:
		// Nothing was done, so nothing need be confirmed.
	case err != nil:
		return failed(verb, err)
	}
	switch {
	case a.number == done:
		return nil
	case a.number == gone:
		return store.ErrGone
	case a.number == conflict:
		return store.ErrConflict
	case a.number == exists:
		return store.ErrExists
	case a.number == limited:
		return store.ErrLimit
	}
	return failed(verb, errors.New("the server's answer makes no sense"))
}

// failed is a failure of the store.
func failed(verb string, err error) error {
	if text := said(err); strings.HasPrefix(text, "OOM") || strings.Contains(text, "-OOM ") {
		return fmt.Errorf("redisstore: %s: the server has reached its maxmemory: %w", verb, store.ErrFull)
	}
	return fmt.Errorf("redisstore: %s: %w", verb, cleaned(err))
}

// cleaned leaves out of a server's refusal what it may quote of a command.
func cleaned(err error) error {
	if text := said(err); text != "" {
		return errors.New("the server says: " + text)
	}
	return err
}

// tag is where the keys of a handle, or of an owner's bucket, begin.
func (s *Store) tag(bucket string) string { return s.prefix + "{" + bucket + "}" }

func (s *Store) recordKey(handle string) string { return s.prefix + "{" + handle[:2] + "}r:" + handle }

// indexKey is where an owner's records are listed, with others'.
func (s *Store) indexKey(owner string) string {
	sum := sha1.Sum([]byte(owner))
	return s.tag(store.Bucket(owner)) + "o:" + hex.EncodeToString(sum[:1])
}

// Load is described by store.Store.
func (s *Store) Load(ctx context.Context, handle string) (*store.Record, error) {
	if !validHandle(handle) {
		return nil, store.ErrGone
	}
	a, err := s.get(ctx, command{name: "GET", key: s.recordKey(handle)})
	if err != nil {
		return nil, failed("load", err)
	}
	if a.null || strings.HasPrefix(a.text, "x") {
		return nil, store.ErrGone
	}
	rec, err := decode(handle, a.text)
	if err != nil {
		return nil, failed("load", err)
	}
	return rec, nil
}

// get reads a key. What it shows has been confirmed by replicas, if they have to
// and a write of this Store may not have been: else who asks what became of his
// write would take it for safe.
func (s *Store) get(ctx context.Context, cmd command) (answer, error) {
	if s.client.inDoubt(cmd.key) {
		return s.client.confirm(ctx, cmd)
	}
	return s.client.do(ctx, cmd)
}

// Create is described by store.Store. Nobody's record takes the place of none:
// handles of the anonymous are spread over a cluster.
func (s *Store) Create(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
	args, err := s.createArgs(rec, opts)
	if err != nil {
		return store.Created{}, failed("create", err)
	}
	a, err := s.write(ctx, createScript, s.recordKey(rec.Handle), args...)
	if err != nil || a.list == nil {
		return store.Created{}, outcome("create", a, err)
	}
	created := store.Created{Replaced: a.list[0].number == 1}
	for _, e := range a.list[1:] {
		created.Ended = append(created.Ended, e.text)
	}
	return created, nil
}

func (s *Store) createArgs(rec *store.Record, opts store.CreateOptions) ([]string, error) {
	switch {
	case !validHandle(rec.Handle):
		return nil, errors.New("the handle is not one of store.NewHandle")
	case rec.Owner != "" && rec.Handle[:2] != store.Bucket(rec.Owner):
		return nil, errors.New("the handle was not made for its owner; make it with store.NewHandle(owner)")
	case rec.Version == 0:
		return nil, errors.New("the record has no version")
	}
	limit, oldest, replaces := max(opts.Limit, 0), "0", opts.Replaces
	if opts.EndOldest {
		oldest = "1"
	}
	if rec.Owner == "" {
		limit, replaces = 0, ""
	}
	if !validHandle(replaces) || replaces[:2] != rec.Handle[:2] {
		replaces = ""
	}
	value, err := encode(rec)
	if err != nil {
		return nil, err
	}
	now, err := packTime(opts.Now)
	if err != nil {
		return nil, err
	}
	hold, err := packTime(opts.End.Now.Add(store.MinHold))
	if err != nil {
		return nil, err
	}
	return []string{value, now, strconv.Itoa(limit), oldest, replaces, packVersion(opts.End.Version), packMark(opts.End.Mark), hold}, nil
}

// Apply is described by store.Store.
func (s *Store) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
	if !validHandle(rec.Handle) {
		return store.ErrGone
	}
	head, texts, err := encodeChange(rec)
	if err != nil {
		return failed("apply", err)
	}
	at, err := packTime(now)
	if err != nil {
		return failed("apply", err)
	}
	a, err := s.write(ctx, applyScript, s.recordKey(rec.Handle), packVersion(from), at, head, texts)
	return outcome("apply", a, err)
}

// Touch is described by store.Store.
func (s *Store) Touch(ctx context.Context, handle string, seen, idle time.Time) error {
	if !validHandle(handle) {
		return store.ErrGone
	}
	at, err1 := packTime(seen)
	until, err2 := packTime(idle)
	if err := errors.Join(err1, err2); err != nil {
		return failed("touch", err)
	}
	a, err := s.run(ctx, touchScript, s.recordKey(handle), at, until)
	return outcome("touch", a, err)
}

// Delete is described by store.Store.
func (s *Store) Delete(ctx context.Context, handle string, end store.Ending) error {
	if !validHandle(handle) {
		return store.ErrGone
	}
	now, err1 := packTime(end.Now)
	hold, err2 := packTime(end.Now.Add(store.MinHold))
	if err := errors.Join(err1, err2); err != nil {
		return failed("delete", err)
	}
	a, err := s.write(ctx, deleteScript, s.recordKey(handle), packVersion(end.Version), packMark(end.Mark), now, hold)
	if errors.Is(err, ErrUnconfirmed) && a.number == gone {
		return failed("delete", err) // what ended it may be lost with the master
	}
	return outcome("delete", a, err)
}

// DeleteOwner is described by store.Store.
func (s *Store) DeleteOwner(ctx context.Context, owner, except string, end store.Ending) (int, error) {
	if owner == "" || len(owner) > store.MaxOwner {
		return 0, nil
	}
	hold, err := packTime(end.Now.Add(store.MinHold))
	if err != nil {
		return 0, failed("delete owner", err)
	}
	a, err := s.write(ctx, deleteOwnerScript, s.indexKey(owner), owner, except, packMark(end.Mark), hold)
	if err != nil {
		return 0, failed("delete owner", err)
	}
	return int(a.number), nil
}

// Sweep returns 0: Redis removes what has expired by itself.
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	return 0, ctx.Err()
}
