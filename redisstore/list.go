package redisstore

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/sojourn-go/sojourn/store"
)

// maxPage is how many records a page has at most, so that a page does not hold
// up the server for long.
const maxPage = 1000

var errCursor = errors.New("the cursor is not one that a page before gave as Next")

func pageLimit(page store.Page) string { return strconv.Itoa(min(max(page.Limit, 1), maxPage)) }

// List is described by store.Store. It goes by handle, which never changes; a
// page has at most 1000 records. Expired records that it meets in the index it
// removes from there.
func (s *Store) List(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
	if owner == "" || len(owner) > store.MaxOwner {
		return store.Listing{}, nil
	}
	if page.Cursor != "" && !validHandle(page.Cursor) {
		return store.Listing{}, failed("list", errCursor)
	}
	a, err := s.run(ctx, listScript, s.indexKey(owner), owner, page.Cursor, pageLimit(page))
	if err != nil {
		return store.Listing{}, failed("list", err)
	}
	if len(a.list)%2 == 0 {
		return store.Listing{}, failed("list", errForm)
	}
	listing := store.Listing{Next: a.list[0].text, Records: make([]store.Listed, len(a.list)/2)}
	for i := range listing.Records {
		handle, text := a.list[1+2*i].text, a.list[2+2*i].text
		if listing.Records[i], _, _, err = decodeListed(handle, text); err != nil {
			return store.Listing{}, failed("list", err)
		}
	}
	return listing, nil
}

// Scan is described by store.Store. Its cost is that of all keys of the server,
// page by page: two round trips each. On a cluster it fails when a slot moves or
// a master is replaced meanwhile, and has to begin again: records may have gone
// from a server that was not asked yet to one that was.
func (s *Store) Scan(ctx context.Context, page store.Page) (store.Listing, error) {
	keys, next, err := s.scan(ctx, page)
	if err != nil {
		return store.Listing{}, failed("scan", err)
	}
	listing := store.Listing{Next: next}
	handles := make([]string, 0, len(keys))
	for _, k := range keys {
		if handle := k.text[max(0, len(k.text)-handleSize):]; validHandle(handle) && k.text == s.recordKey(handle) {
			handles = append(handles, handle)
		}
	}
	answers, err := s.show(ctx, handles)
	if err != nil {
		return store.Listing{}, failed("scan", err)
	}
	for i, a := range answers {
		if a.null {
			continue // it has ended, or did so meanwhile
		}
		l, _, _, err := decodeListed(handles[i], a.text)
		if err != nil {
			return store.Listing{}, failed("scan", err)
		}
		listing.Records = append(listing.Records, l)
	}
	return listing, nil
}

// scan asks a server for some of its keys. The cursor is the server's own.
func (s *Store) scan(ctx context.Context, page store.Page) (keys []answer, next string, err error) {
	if s.client.cluster {
		return s.scanCluster(ctx, page)
	}
	cursor := cmp.Or(page.Cursor, "0")
	if _, err := strconv.ParseUint(cursor, 10, 64); err != nil {
		return nil, "", errCursor
	}
	a, err := s.client.do(ctx, s.scanCommand(cursor, page))
	if err != nil {
		return nil, "", err
	}
	return readScan(a)
}

func (s *Store) scanCommand(cursor string, page store.Page) command {
	return command{name: "SCAN", pre: []string{cursor, "MATCH", pattern(s.prefix) + "{??}r:*", "COUNT", pageLimit(page)}}
}

// readScan returns keys, and the next cursor or "".
func readScan(a answer) (keys []answer, next string, err error) {
	if len(a.list) != 2 {
		return nil, "", errForm
	}
	if next = a.list[0].text; next == "0" {
		next = ""
	}
	return a.list[1].list, next, nil
}

// show returns what lists show of the records, in one round trip.
func (s *Store) show(ctx context.Context, handles []string) ([]answer, error) {
	if len(handles) == 0 {
		return nil, nil
	}
	keys := make([]string, len(handles))
	for i, handle := range handles {
		keys[i] = s.recordKey(handle)
	}
	return s.runAll(ctx, showScript, keys)
}

// pattern quotes what SCAN would take for a pattern.
func pattern(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}
