package storetest

import (
	"context"
	"errors"
	"strconv"

	"github.com/sojourn-go/sojourn/store"
)

var brokenLists = []broken{
	{name: "ended ones stay in the list", caught: []string{"list-shows-none-that-ended", "delete-ends"}, others: 23, alter: func(a *altered) {
		left := map[string]store.Listed{} // never cleared
		a.afterEnds(func() {
			for _, rec := range a.records {
				left[rec.Handle] = store.Listed{Header: rec.Header, Facts: rec.Facts}
			}
		})
		a.list = func(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
			listing, err := a.model.List(ctx, owner, page)
			if err == nil && listing.Next == "" {
				a.locked(func() {
					for handle := range a.ended {
						if l, ok := left[handle]; ok && l.Owner == owner && owner != "" && len(listing.Records) < page.Limit {
							listing.Records = append(listing.Records, l)
						}
					}
				})
			}
			return listing, err
		}
	}},
	{name: "list shows another owner's", caught: []string{"owners-are-exact"}, others: 9, alter: func(a *altered) {
		a.list = func(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
			listing, err := a.model.List(ctx, owner, page)
			if err == nil && listing.Next == "" && owner != "" {
				a.locked(func() {
					for _, rec := range a.records {
						if rec.Owner != "" && rec.Owner != owner && store.Bucket(rec.Owner)[:1] == store.Bucket(owner)[:1] && len(listing.Records) < page.Limit {
							listing.Records = append(listing.Records, store.Listed{Header: rec.Header, Facts: rec.Facts})
						}
					}
				})
			}
			return listing, err
		}
	}},
	{name: "list shows nobody's", caught: []string{"list-is-one-owners"}, others: 2, alter: func(a *altered) {
		a.list = func(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
			return a.model.list(ctx, page, func(rec *store.Record) bool { return rec.Owner == owner })
		}
	}},
	{name: "list shows state", caught: []string{"list-shows-no-secrets"}, others: 4, alter: func(a *altered) {
		a.alterListed(func(l *store.Listed) {
			a.locked(func() {
				if rec := a.records[l.Handle]; rec != nil {
					l.Facts += rec.State
				}
			})
		})
	}},
	{name: "list is of yesterday", caught: []string{"list-is-current"}, others: 1, alter: func(a *altered) {
		first := map[string]store.Header{}
		a.afterEnds(func() {
			for _, rec := range a.records {
				if _, ok := first[rec.Handle]; !ok {
					first[rec.Handle] = rec.Header
				}
			}
		})
		a.alterListed(func(l *store.Listed) { a.locked(func() { l.Header = first[l.Handle] }) })
	}},
	{name: "pages by position", caught: []string{"list-misses-none"}, alter: func(a *altered) {
		a.list = func(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
			at, err := strconv.Atoi(page.Cursor)
			if page.Cursor != "" && err != nil || page.Limit <= 0 {
				return store.Listing{}, errors.New("no such cursor")
			}
			all, err := a.model.List(ctx, owner, store.Page{Limit: 1 << 30})
			end := at + min(page.Limit, 1<<30)
			if err != nil || at < 0 || at >= len(all.Records) {
				return store.Listing{}, err
			}
			if end >= len(all.Records) {
				return store.Listing{Records: all.Records[at:]}, nil
			}
			return store.Listing{Records: all.Records[at:end], Next: strconv.Itoa(end)}, nil
		}
	}},
	{name: "pages end when one is not full", caught: []string{"scan-misses-none"}, alter: func(a *altered) {
		a.scan = func(ctx context.Context, page store.Page) (store.Listing, error) {
			listing, err := a.model.Scan(ctx, page)
			if len(listing.Records) > 50 {
				listing.Next = ""
			}
			return listing, err
		}
	}},
	{name: "page is one too long", caught: []string{"list-page-limit"}, others: 1, alter: func(a *altered) {
		a.list = func(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
			if page.Limit > 0 && page.Limit < 1<<30 {
				page.Limit++
			}
			return a.model.List(ctx, owner, page)
		}
	}},
	{name: "scan does not page", caught: []string{"scan-page-limit"}, alter: func(a *altered) {
		a.scan = func(ctx context.Context, page store.Page) (store.Listing, error) {
			return a.model.Scan(ctx, store.Page{Limit: 1 << 30})
		}
	}},
	{name: "scan shows those with an owner", caught: []string{"scan-shows-everybodys"}, alter: func(a *altered) {
		a.scan = func(ctx context.Context, page store.Page) (store.Listing, error) {
			return a.model.list(ctx, page, func(rec *store.Record) bool { return rec.Owner != "" })
		}
	}},
	{name: "list leaves out revocations", caught: []string{"list-shows-headers-and-facts"}, others: 2, alter: func(a *altered) {
		a.list = func(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
			return a.model.list(ctx, page, func(rec *store.Record) bool {
				return owner != "" && rec.Owner == owner && rec.Kind != store.KindRevocation
			})
		}
	}},
	{name: "list shows one record", caught: []string{"create-makes-it-the-owners"}, others: all, alter: func(a *altered) {
		a.list = func(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
			listing, err := a.model.List(ctx, owner, page)
			return store.Listing{Records: listing.Records[:min(1, len(listing.Records))]}, err
		}
	}},
	{name: "list panics at a large limit", caught: []string{"odd-numbers-do-no-harm"}, alter: func(a *altered) {
		a.list = func(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
			if page.Limit > 1<<40 {
				panic("makeslice: cap out of range")
			}
			return a.model.List(ctx, owner, page)
		}
	}},
}
