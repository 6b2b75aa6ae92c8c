package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sojourn-go/sojourn/store"
)

// maxPage is how many records a page holds at most, whatever was asked for.
const maxPage = 1000

// List goes by handle: a cursor is the last one seen.
func (s *Store) List(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
	if owner == "" {
		return store.Listing{}, nil
	}
	listing, err := s.page(ctx, s.do.list, page, []byte(owner))
	return listing, failed(ctx, "list", err)
}

// Scan goes by handle: a cursor is the last one seen.
func (s *Store) Scan(ctx context.Context, page store.Page) (store.Listing, error) {
	listing, err := s.page(ctx, s.do.scan, page)
	return listing, failed(ctx, "scan", err)
}

// page reads one page by a statement whose last parameters are the cursor and
// the limit.
func (s *Store) page(ctx context.Context, t statement, page store.Page, args ...any) (store.Listing, error) {
	if page.Limit <= 0 {
		return store.Listing{}, fmt.Errorf("a page of %d records; the limit is positive", page.Limit)
	}
	limit := min(page.Limit, maxPage)
	var listing store.Listing
	err := s.rows(ctx, t, func() { listing = store.Listing{} }, func(rows *sql.Rows) error {
		var l store.Listed
		err := rows.Scan(into([]any{(*text)(&l.Handle)}, &l.Header, &l.Facts)...)
		listing.Records = append(listing.Records, l)
		return err
	}, append(args, s.key(page.Cursor), limit)...)
	if err != nil {
		return store.Listing{}, err
	}
	if n := len(listing.Records); n == limit {
		listing.Next = listing.Records[n-1].Handle
	}
	return listing, nil
}

// rows runs one statement that reads many rows, and calls each for every one. It
// calls begin before the first, which may come again.
func (s *Store) rows(ctx context.Context, t statement, begin func(), each func(*sql.Rows) error, args ...any) error {
	return s.again(func() error {
		begin()
		stmt, err := t.prepare(ctx, s.db)
		if err != nil {
			return err
		}
		rows, err := stmt.QueryContext(ctx, args...)
		if err != nil {
			return err
		}
		return readAll(rows, each)
	})
}
