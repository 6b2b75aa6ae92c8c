package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// A deedDone is a verb that may have changed something.
type deedDone struct {
	verb    Verb
	rec     *store.Record
	created store.Created
}

// afterDeeds calls f after each.
func (a *altered) afterDeeds(f func(deedDone)) {
	a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
		created, err := a.model.Create(ctx, rec, opts)
		f(deedDone{Create, rec, created})
		return created, err
	}
	a.delete = func(ctx context.Context, handle string, end store.Ending) error {
		err := a.model.Delete(ctx, handle, end)
		f(deedDone{verb: Delete})
		return err
	}
	a.deleteOwner = func(ctx context.Context, owner, except string, end store.Ending) (int, error) {
		n, err := a.model.DeleteOwner(ctx, owner, except, end)
		f(deedDone{verb: DeleteOwner})
		return n, err
	}
}

// deaf has Notify not hear of some.
func (a *altered) deaf(to func(deedDone) bool) {
	var heard atomic.Int64
	a.afterDeeds(func(d deedDone) {
		if !to(d) {
			heard.Add(1)
		}
	})
	a.notify = func(ctx context.Context, wake func()) error {
		for seen := int64(-1); ; {
			if n := heard.Load(); n != seen {
				seen = n
				wake()
			}
			if err := wait(ctx, 10*time.Millisecond); err != nil {
				return err
			}
		}
	}
}

var brokenNotifiers = []broken{
	{name: "notify fails", caught: []string{"notify-begins"}, others: 8, alter: func(a *altered) {
		a.notify = func(context.Context, func()) error { return errors.New("not today") }
	}},
	{name: "notify begins in silence", caught: []string{"notify-begins"}, others: 8, alter: func(a *altered) {
		a.notify = func(ctx context.Context, wake func()) error {
			first := true
			return a.model.Notify(ctx, func() {
				if !first {
					wake()
				}
				first = false
			})
		}
	}},
	{name: "notify gives up", caught: []string{"notify-tells-delete", "notify-ends-with-its-context"}, others: 6, alter: func(a *altered) {
		a.notify = func(_ context.Context, wake func()) error {
			wake()
			return errors.New("enough")
		}
	}},
	{name: "notify is deaf to Delete", caught: []string{"notify-tells-delete"}, others: 3, alter: func(a *altered) {
		a.deaf(func(d deedDone) bool { return d.verb == Delete })
	}},
	{name: "notify is deaf to DeleteOwner", caught: []string{"notify-tells-delete-owner"}, alter: func(a *altered) {
		a.deaf(func(d deedDone) bool { return d.verb == DeleteOwner })
	}},
	{name: "notify is deaf to what is replaced", caught: []string{"notify-tells-the-replaced"}, alter: func(a *altered) {
		a.deaf(func(d deedDone) bool { return d.created.Replaced })
	}},
	{name: "notify is deaf to the end of the oldest", caught: []string{"notify-tells-the-oldest"}, alter: func(a *altered) {
		a.deaf(func(d deedDone) bool { return len(d.created.Ended) > 0 })
	}},
	{name: "notify is deaf to revocations", caught: []string{"notify-tells-revocations"}, alter: func(a *altered) {
		a.deaf(func(d deedDone) bool { return d.verb == Create && d.rec.Kind == store.KindRevocation })
	}},
	{name: "notify comes too early", caught: []string{"notify-tells-delete"}, others: 3, alter: func(a *altered) {
		a.deaf(func(d deedDone) bool { return d.verb == Delete })
		notify := a.notify
		early := make(chan struct{}, 1000)
		a.notify = func(ctx context.Context, wake func()) error {
			ended := make(chan error, 1)
			go func() { ended <- notify(ctx, wake) }()
			for {
				select {
				case <-early:
					wake()
				case err := <-ended:
					return err
				}
			}
		}
		var n atomic.Int64
		a.delete = func(ctx context.Context, handle string, end store.Ending) error {
			if n.Add(1) < 3 { // of a rule; more would only take longer
				early <- struct{}{}
				wait(ctx, 50*time.Millisecond)
			}
			return a.model.Delete(ctx, handle, end)
		}
	}},
	{name: "notify tells the last who came", caught: []string{"notify-tells-all-who-listen"}, others: 1, alter: func(a *altered) {
		var last atomic.Int64
		a.notify = func(ctx context.Context, wake func()) error {
			me := last.Add(1)
			begun := false
			return a.model.Notify(ctx, func() {
				if !begun || last.Load() == me {
					wake()
				}
				begun = true
			})
		}
	}},
	{name: "notify tells each change", caught: []string{"notify-gathers-a-burst"}, alter: func(a *altered) {
		a.notify = func(ctx context.Context, wake func()) error {
			told := 0
			return a.model.Notify(ctx, func() {
				wake()
				a.locked(func() {
					for ; told < len(a.model.changes); told++ {
						wake()
					}
				})
			})
		}
	}},
	{name: "notify is in a hurry", caught: []string{"notify-gathers-a-burst"}, alter: func(a *altered) {
		a.notify = func(ctx context.Context, wake func()) error {
			for ctx.Err() == nil {
				wake()
				wait(ctx, time.Millisecond)
			}
			return ctx.Err()
		}
	}},
	{name: "notify calls wake twice at once", caught: []string{"notify-gathers-a-burst"}, alter: func(a *altered) {
		a.notify = func(ctx context.Context, wake func()) error {
			return a.model.Notify(ctx, func() { together(2, func(int) error { wake(); return nil }) })
		}
	}},
	{name: "notify outlives its context", caught: []string{"notify-ends-with-its-context"}, alter: func(a *altered) {
		a.notify = func(ctx context.Context, wake func()) error {
			forever, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			return a.model.Notify(forever, wake)
		}
	}},
	{name: "notify ends without an error", caught: []string{"notify-ends-with-its-context"}, alter: func(a *altered) {
		a.notify = func(ctx context.Context, wake func()) error {
			_ = a.model.Notify(ctx, wake)
			return nil
		}
	}},
	{name: "notify calls wake when it has returned", caught: []string{"notify-ends-with-its-context"}, others: 1, alter: func(a *altered) {
		var mu sync.Mutex
		var wakes []func()
		a.afterDeeds(func(deedDone) {
			mu.Lock()
			defer mu.Unlock()
			for _, wake := range wakes {
				wake()
			}
		})
		a.notify = func(ctx context.Context, wake func()) error {
			mu.Lock()
			wakes = append(wakes, wake)
			wake()
			mu.Unlock()
			<-ctx.Done()
			return ctx.Err()
		}
	}},
}
