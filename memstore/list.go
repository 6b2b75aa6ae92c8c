package memstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/sojourn-go/sojourn/store"
)

// maxPage is the most that a page holds.
const maxPage = 1000

// List implements store.Store. Records are in the order of their handles, and
// a cursor is the handle that the page before ended with.
func (s *Store) List(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
	if page.Limit <= 0 {
		return store.Listing{}, errLimit
	}
	if page.Cursor != "" && len(page.Cursor) != handleLen {
		return store.Listing{}, errCursor
	}
	sh, err := s.shardOf(ctx, owner)
	if sh == nil {
		return store.Listing{}, err
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.list(owner, page.Cursor, min(page.Limit, maxPage)), nil
}

// list returns records of owner whose handles are after the given one.
func (sh *shard) list(owner, after string, limit int) (l store.Listing) {
	span := sh.span(sh.key(owner, ""), after)
	l.Records = make([]store.Listed, 0, min(limit, len(span)))
	for _, o := range span {
		sl := sh.slots.at(o.slot)
		if !sh.ownedBy(sl, owner) {
			continue
		}
		if len(l.Records) == limit {
			l.Next = l.Records[limit-1].Handle
			break
		}
		l.Records = append(l.Records, sh.listed(sl))
	}
	return l
}

// Scan implements store.Store. It goes from shard to shard, and in each by the
// order.
func (s *Store) Scan(ctx context.Context, page store.Page) (l store.Listing, err error) {
	if page.Limit <= 0 {
		return l, errLimit
	}
	from, err := parsePlace(page.Cursor)
	if err != nil {
		return l, err
	}
	limit := min(page.Limit, maxPage)
	for from.shard < shards {
		if err := ctx.Err(); err != nil {
			return store.Listing{}, failed(err)
		}
		if s.shards[from.shard].scan(&l, from, limit) {
			break
		}
		from = place{shard: from.shard + 1}
	}
	return l, nil
}

// scan adds the records behind a place to l. It reports whether l is full and
// there are more.
func (sh *shard) scan(l *store.Listing, from place, limit int) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, o := range sh.order[sh.after(from.key, from.handle):] {
		if len(l.Records) == limit {
			l.Next = from.String()
			return true
		}
		sl := sh.slots.at(o.slot)
		l.Records = append(l.Records, sh.listed(sl))
		from.key, from.handle = o.key, string(sl.handle[:])
	}
	return false
}

// A place is how far a scan has come: everything up to this key and handle of
// this shard has been shown.
type place struct {
	shard  int
	key    uint32
	handle string // "" at the beginning of the shard
}

func (p place) String() string { return fmt.Sprintf("%02x%08x%s", p.shard, p.key, p.handle) }

func parsePlace(cursor string) (p place, err error) {
	if cursor == "" {
		return p, nil
	}
	if len(cursor) != 10 && len(cursor) != 10+handleLen {
		return p, errCursor
	}
	n, err := strconv.ParseUint(cursor[:10], 16, 64)
	if err != nil {
		return p, errCursor
	}
	return place{shard: int(n >> 32), key: uint32(n), handle: cursor[10:]}, nil
}
