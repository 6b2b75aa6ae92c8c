package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// A Verb is a method of store.Store, by its name.
type Verb string

// The verbs of a store.
const (
	Load        Verb = "Load"
	Create      Verb = "Create"
	Apply       Verb = "Apply"
	Touch       Verb = "Touch"
	Delete      Verb = "Delete"
	DeleteOwner Verb = "DeleteOwner"
	List        Verb = "List"
	Scan        Verb = "Scan"
	Changes     Verb = "Changes"
	Sweep       Verb = "Sweep"
	Notify      Verb = "Notify" // of a store.Notifier
)

// Wake is no verb of a store, but planned and counted as if it were: a call of
// wake that Notify makes. With Before or After it is lost.
const Wake Verb = "Wake"

// ErrFault is the error of a call that was made to fail, if a plan has none of
// its own. It is none of the contract's answers.
var ErrFault = errors.New("storetest: the store was made to fail")

// A Call is one call of a verb.
type Call struct {
	Verb   Verb
	N      int    // how many calls of this verb there have been, this one included
	Handle string // of the record, if the verb has one
	Owner  string // DeleteOwner, List: the owner
}

// A Fault is what goes wrong with a call. What is set happens in the order of
// the fields; the zero Fault is a call that goes well.
type Fault struct {
	Do      func()        // runs first: what another process does meanwhile
	Delay   time.Duration // how long the call waits, or until its context is over
	Before  error         // the call is not made, and has this error
	Timeout time.Duration // the call's context ends after so long; below 0, it has ended
	After   error         // the call is made, its reply is lost, and it has this error
}

// A Plan says what goes wrong with each call. It is called by many goroutines at
// once if the store is. A nil Plan is one in which all goes well.
type Plan func(Call) Fault

// Nth is a plan in which the n-th call of verb, counted from 1, has the fault f.
func Nth(verb Verb, n int, f Fault) Plan {
	return func(call Call) Fault {
		if call.Verb == verb && call.N == n {
			return f
		}
		return Fault{}
	}
}

// Every is a plan in which every n-th call of verb has the fault f: with 1, each.
func Every(verb Verb, n int, f Fault) Plan {
	return func(call Call) Fault {
		if call.Verb == verb && call.N%n == 0 {
			return f
		}
		return Fault{}
	}
}

// Faulty returns s with the faults that plan plans. It counts the calls.
func Faulty(s store.Store, plan Plan) *FaultyStore {
	return &FaultyStore{s: s, plan: plan, calls: map[Verb]int{}}
}

// A FaultyStore is a store that fails as planned. It is safe for concurrent use
// if its plan is.
type FaultyStore struct {
	s store.Store

	mu    sync.Mutex
	plan  Plan
	calls map[Verb]int
}

var (
	_ store.Store    = (*FaultyStore)(nil)
	_ store.Notifier = (*FaultyStore)(nil)
)

// Plan replaces the plan from the next call on. The counts go on.
func (f *FaultyStore) Plan(plan Plan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan = plan
}

// Calls returns how many calls of verb there have been, failed ones included.
func (f *FaultyStore) Calls(verb Verb) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[verb]
}

// TotalCalls returns how many calls there have been of all verbs, Wake left out.
func (f *FaultyStore) TotalCalls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	total := 0
	for verb, n := range f.calls {
		if verb != Wake {
			total += n
		}
	}
	return total
}

// call makes one call, and lets go wrong what is planned. When it returns an
// error the reply of made is to be thrown away, unless it is made's own.
func (f *FaultyStore) call(ctx context.Context, call Call, made func(context.Context) error) error {
	f.mu.Lock()
	f.calls[call.Verb]++
	call.N = f.calls[call.Verb]
	plan := f.plan
	f.mu.Unlock()
	var fault Fault
	if plan != nil {
		fault = plan(call)
	}
	if fault.Do != nil {
		fault.Do()
	}
	if err := wait(ctx, fault.Delay); err != nil {
		return err
	}
	if fault.Before != nil {
		return fault.Before
	}
	if fault.Timeout != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, fault.Timeout)
		defer cancel()
	}
	err := made(ctx)
	if fault.After != nil {
		return fault.After
	}
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reply is call for a verb that returns something.
func reply[T any](ctx context.Context, f *FaultyStore, call Call, made func(context.Context) (T, error)) (T, error) {
	var got, none T
	err := f.call(ctx, call, func(ctx context.Context) (err error) {
		got, err = made(ctx)
		return err
	})
	if err != nil {
		return none, err
	}
	return got, nil
}

// Load is store.Store's, as are the verbs below.
func (f *FaultyStore) Load(ctx context.Context, handle string) (*store.Record, error) {
	return reply(ctx, f, Call{Verb: Load, Handle: handle}, func(ctx context.Context) (*store.Record, error) {
		return f.s.Load(ctx, handle)
	})
}

// Create is store.Store's.
func (f *FaultyStore) Create(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
	return reply(ctx, f, Call{Verb: Create, Handle: rec.Handle}, func(ctx context.Context) (store.Created, error) {
		return f.s.Create(ctx, rec, opts)
	})
}

// Apply is store.Store's.
func (f *FaultyStore) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
	return f.call(ctx, Call{Verb: Apply, Handle: rec.Handle}, func(ctx context.Context) error {
		return f.s.Apply(ctx, rec, from, now)
	})
}

// Touch is store.Store's.
func (f *FaultyStore) Touch(ctx context.Context, handle string, seen, idle time.Time) error {
	return f.call(ctx, Call{Verb: Touch, Handle: handle}, func(ctx context.Context) error {
		return f.s.Touch(ctx, handle, seen, idle)
	})
}

// Delete is store.Store's.
func (f *FaultyStore) Delete(ctx context.Context, handle string, end store.Ending) error {
	return f.call(ctx, Call{Verb: Delete, Handle: handle}, func(ctx context.Context) error {
		return f.s.Delete(ctx, handle, end)
	})
}

// DeleteOwner is store.Store's.
func (f *FaultyStore) DeleteOwner(ctx context.Context, owner, except string, end store.Ending) (int, error) {
	return reply(ctx, f, Call{Verb: DeleteOwner, Owner: owner}, func(ctx context.Context) (int, error) {
		return f.s.DeleteOwner(ctx, owner, except, end)
	})
}

// List is store.Store's.
func (f *FaultyStore) List(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
	return reply(ctx, f, Call{Verb: List, Owner: owner}, func(ctx context.Context) (store.Listing, error) {
		return f.s.List(ctx, owner, page)
	})
}

// Scan is store.Store's.
func (f *FaultyStore) Scan(ctx context.Context, page store.Page) (store.Listing, error) {
	return reply(ctx, f, Call{Verb: Scan}, func(ctx context.Context) (store.Listing, error) {
		return f.s.Scan(ctx, page)
	})
}

// Changes is store.Store's.
func (f *FaultyStore) Changes(ctx context.Context, since string) (store.Changes, error) {
	return reply(ctx, f, Call{Verb: Changes}, func(ctx context.Context) (store.Changes, error) {
		return f.s.Changes(ctx, since)
	})
}

// Sweep is store.Store's.
func (f *FaultyStore) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	return reply(ctx, f, Call{Verb: Sweep}, func(ctx context.Context) (int, error) {
		return f.s.Sweep(ctx, now, limit)
	})
}

// Notify is store.Notifier's. If the store is none, it says so.
func (f *FaultyStore) Notify(ctx context.Context, wake func()) error {
	n, ok := f.s.(store.Notifier)
	if !ok {
		return errSilent
	}
	return f.call(ctx, Call{Verb: Notify}, func(ctx context.Context) error {
		return n.Notify(ctx, func() {
			woken := func(context.Context) error { wake(); return nil }
			_ = f.call(ctx, Call{Verb: Wake}, woken) // lost or not, Notify goes on
		})
	})
}

var errSilent = fmt.Errorf("storetest: the store that is made to fail is no store.Notifier: %w", errors.ErrUnsupported)
