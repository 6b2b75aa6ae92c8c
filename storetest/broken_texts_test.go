package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var brokenTexts = []broken{
	{name: "times are local", caught: []string{"times-are-exact"}, alter: func(a *altered) {
		a.load = func(ctx context.Context, handle string) (*store.Record, error) {
			rec, err := a.model.Load(ctx, handle)
			if err == nil {
				rec.Created = rec.Created.In(time.FixedZone("elsewhere", 3600))
			}
			return rec, err
		}
	}},
	{name: "times are seconds", caught: []string{"times-are-exact"}, others: all, alter: func(a *altered) {
		a.alterStored(func(rec *store.Record) { rec.LastSeen = rec.LastSeen.Truncate(time.Second) })
	}},
	{name: "zero time is 1970", caught: []string{"times-are-exact"}, others: all, alter: func(a *altered) {
		a.alterStored(func(rec *store.Record) {
			if rec.HoldUntil.IsZero() {
				rec.HoldUntil = time.UnixMilli(0).UTC()
			}
		})
	}},
	{name: "times end in 2106", caught: []string{"times-are-exact"}, alter: func(a *altered) {
		a.alterStored(func(rec *store.Record) {
			if last := time.Unix(1<<32-1, 0).UTC(); rec.AbsoluteDeadline.After(last) {
				rec.AbsoluteDeadline = last
			}
		})
	}},
	{name: "text is UTF-8", caught: []string{"texts-are-exact"}, others: 1, alter: func(a *altered) {
		a.alterStored(func(rec *store.Record) { rec.State = strings.ToValidUTF8(rec.State, "\ufffd") })
	}},
	{name: "text ends at NUL", caught: []string{"texts-are-exact"}, others: 2, alter: func(a *altered) {
		a.alterStored(func(rec *store.Record) { rec.Facts, _, _ = strings.Cut(rec.Facts, "\x00") })
	}},
	{name: "text is trimmed", caught: []string{"texts-are-exact"}, alter: func(a *altered) {
		a.alterStored(func(rec *store.Record) { rec.Verifiers = strings.TrimRight(rec.Verifiers, " ") })
	}},
	{name: "state of 64 KiB", caught: []string{"state-of-a-megabyte"}, alter: func(a *altered) {
		a.alterStored(func(rec *store.Record) { rec.State = rec.State[:min(len(rec.State), 1<<16-1)] })
	}},
	{name: "versions are signed", caught: []string{"versions-are-64-bits"}, others: all, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			if rec.Version >= 1<<63 {
				return store.Created{}, errors.New("sql: uint64 values with high bit set are not supported")
			}
			return a.model.Create(ctx, rec, opts)
		}
	}},
	{name: "versions are floats", caught: []string{"versions-are-64-bits"}, others: all, alter: func(a *altered) {
		a.alterStored(func(rec *store.Record) { rec.Version = store.Version(float64(rec.Version)) })
	}},
	{name: "owners in lower case", caught: []string{"owners-are-exact"}, alter: func(a *altered) {
		a.list = func(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
			return a.model.list(ctx, page, func(rec *store.Record) bool { return owner != "" && strings.EqualFold(rec.Owner, owner) })
		}
	}},
	{name: "owners of 64 bytes", caught: []string{"owners-are-exact"}, alter: func(a *altered) {
		a.list = func(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
			return a.model.list(ctx, page, func(rec *store.Record) bool {
				return owner != "" && rec.Owner[:min(64, len(rec.Owner))] == owner[:min(64, len(owner))]
			})
		}
	}},
	{name: "handles in any case", caught: []string{"handles-are-exact"}, alter: func(a *altered) {
		a.load = func(ctx context.Context, handle string) (found *store.Record, err error) {
			if found, err = a.model.Load(ctx, handle); errors.Is(err, store.ErrGone) {
				a.locked(func() {
					for h, rec := range a.records {
						if strings.EqualFold(h, handle) {
							n := *rec
							found, err = &n, nil
						}
					}
				})
			}
			return found, err
		}
	}},
	{name: "load forgets verifiers", caught: []string{"load-returns-the-record"}, others: 1, alter: func(a *altered) {
		a.load = func(ctx context.Context, handle string) (*store.Record, error) {
			rec, err := a.model.Load(ctx, handle)
			if err == nil && rec.Kind == store.KindRevocation {
				rec.Verifiers = ""
			}
			return rec, err
		}
	}},
	{name: "load of none is another error", caught: []string{"odd-handles-do-no-harm"}, others: 1, alter: func(a *altered) {
		a.load = func(ctx context.Context, handle string) (*store.Record, error) {
			rec, err := a.model.Load(ctx, handle)
			if errors.Is(err, store.ErrGone) && len(handle) != 24 {
				err = fmt.Errorf("no record %q", handle)
			}
			return rec, err
		}
	}},
	{name: "load of none is an empty record", caught: []string{"load-of-none-is-gone"}, others: all, alter: func(a *altered) {
		a.load = func(ctx context.Context, handle string) (*store.Record, error) {
			rec, err := a.model.Load(ctx, handle)
			if errors.Is(err, store.ErrGone) {
				return &store.Record{}, nil
			}
			return rec, err
		}
	}},
	{name: "load panics at an odd handle", caught: []string{"odd-handles-do-no-harm"}, alter: func(a *altered) {
		a.load = func(ctx context.Context, handle string) (*store.Record, error) {
			return a.model.Load(ctx, handle[:2]+handle[2:])
		}
	}},
	{name: "load shares its record", caught: []string{"what-it-returns-is-the-callers"}, alter: func(a *altered) {
		type cached struct{ was, shared *store.Record }
		cache := map[string]cached{}
		a.load = func(ctx context.Context, handle string) (*store.Record, error) {
			found, err := a.model.Load(ctx, handle)
			if err == nil {
				a.locked(func() {
					if c, ok := cache[handle]; ok && *c.was == *found {
						found = c.shared
						return
					}
					was := *found
					cache[handle] = cached{&was, found}
				})
			}
			return found, err
		}
	}},
	{name: "load expired changes it", caught: []string{"load-expired-is-whole-or-gone"}, alter: func(a *altered) {
		a.load = func(ctx context.Context, handle string) (*store.Record, error) {
			rec, err := a.model.Load(ctx, handle)
			if err == nil && rec.Expired(time.Now()) {
				rec.State = ""
			}
			return rec, err
		}
	}},
	{name: "context is ignored", caught: []string{"obeys-the-context"}, alter: func(a *altered) {
		a.touch = func(_ context.Context, handle string, seen, idle time.Time) error {
			return a.model.Touch(context.Background(), handle, seen, idle)
		}
	}},
	{name: "cancelled is gone", caught: []string{"obeys-the-context"}, others: 5, alter: func(a *altered) {
		a.load = func(ctx context.Context, handle string) (*store.Record, error) {
			rec, err := a.model.Load(ctx, handle)
			if err != nil {
				err = store.ErrGone
			}
			return rec, err
		}
	}},
	{name: "cancelled in the middle", caught: []string{"obeys-the-context"}, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			if err := ctx.Err(); err != nil && opts.Replaces != "" {
				a.model.Delete(context.Background(), opts.Replaces, opts.End)
				return store.Created{}, err
			}
			return a.model.Create(ctx, rec, opts)
		}
	}},
}
