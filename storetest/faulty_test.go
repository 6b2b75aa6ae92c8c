package storetest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func made(t *testing.T, s store.Store) *store.Record {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	c := &check{t: t, s: s, ctx: t.Context(), now: now}
	return c.made(newOwner())
}

func TestFaultyBefore(t *testing.T) {
	m := newModel()
	rec := made(t, m)
	f := Faulty(m, Nth(Apply, 2, Fault{Before: ErrFault}))
	n := next(rec)
	if err := f.Apply(t.Context(), n, rec.Version, rec.Created); err != nil {
		t.Fatal(err)
	}
	if err := f.Apply(t.Context(), next(n), n.Version, rec.Created); err != ErrFault {
		t.Fatalf("the second Apply: %v", err)
	}
	got, err := f.Load(t.Context(), rec.Handle)
	if err != nil || difference(got, n) != "" {
		t.Errorf("a call that was to fail before has happened: %v, %v", got, err)
	}
	if f.Calls(Apply) != 2 || f.Calls(Load) != 1 || f.Calls(Touch) != 0 || f.TotalCalls() != 3 {
		t.Errorf("counted %d, %d and %d calls, %d in all", f.Calls(Apply), f.Calls(Load), f.Calls(Touch), f.TotalCalls())
	}
}

func TestFaultyAfter(t *testing.T) {
	m := newModel()
	rec := made(t, m)
	mine := errors.New("the line is dead")
	f := Faulty(m, Every(Delete, 1, Fault{After: mine}))
	end := store.Ending{Mark: 1, Now: rec.Created}
	if err := f.Delete(t.Context(), rec.Handle, end); err != mine {
		t.Fatal(err)
	}
	if _, err := f.Load(t.Context(), rec.Handle); err != store.ErrGone {
		t.Errorf("a call that was to fail after has not happened: %v", err)
	}
	f.Plan(Every(Load, 1, Fault{After: mine}))
	if err := f.Delete(t.Context(), rec.Handle, end); err != nil {
		t.Errorf("after the plan was replaced: %v", err)
	}
	if got, err := f.Load(t.Context(), rec.Handle); got != nil || err != mine {
		t.Errorf("a lost reply of Load: %v, %v", got, err)
	}
	f.Plan(nil)
	if _, err := f.Load(t.Context(), rec.Handle); err != store.ErrGone {
		t.Errorf("without a plan: %v", err)
	}
}

func TestFaultyDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		rec := made(t, m)
		f := Faulty(m, Every(Load, 1, Fault{Delay: time.Second}))
		began := time.Now()
		if _, err := f.Load(t.Context(), rec.Handle); err != nil || time.Since(began) != time.Second {
			t.Errorf("a second late: %v, after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began = time.Now()
		if _, err := f.Load(ctx, rec.Handle); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 100*time.Millisecond {
			t.Errorf("a second late, with less time: %v, after %v", err, time.Since(began))
		}
	})
}

func TestFaultyTimeoutAndDo(t *testing.T) {
	m := newModel()
	rec := made(t, m)
	var seen Call
	f := Faulty(m, func(call Call) Fault {
		seen = call
		if call.Verb == Apply && call.N == 1 {
			return Fault{Timeout: -1}
		}
		if call.Verb == Apply {
			return Fault{Do: func() { m.Delete(t.Context(), call.Handle, store.Ending{Mark: 1, Now: rec.Created}) }}
		}
		return Fault{}
	})
	if err := f.Apply(t.Context(), next(rec), rec.Version, rec.Created); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a context that is over: %v", err)
	}
	if err := f.Apply(t.Context(), next(rec), rec.Version, rec.Created); err != store.ErrGone {
		t.Errorf("with an end from beside: %v", err)
	}
	if seen != (Call{Verb: Apply, N: 2, Handle: rec.Handle}) {
		t.Errorf("the plan saw %+v", seen)
	}
	f.DeleteOwner(t.Context(), rec.Owner, "", store.Ending{Mark: 2, Now: rec.Created})
	if seen != (Call{Verb: DeleteOwner, N: 1, Owner: rec.Owner}) {
		t.Errorf("the plan saw %+v", seen)
	}
}

// TestFaultyNotify: notifications are lost as planned, and a store that has none
// gets none.
func TestFaultyNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		rec := made(t, m)
		f := Faulty(m, Nth(Wake, 2, Fault{Before: ErrFault}))
		ctx, cancel := context.WithCancel(t.Context())
		woken := 0
		ended := make(chan error)
		go func() { ended <- f.Notify(ctx, func() { woken++ }) }()
		settle := func() {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		settle()
		for i, want := range []int{1, 2} { // the first is lost
			if err := m.Delete(t.Context(), made(t, m).Handle, store.Ending{Mark: 1, Now: rec.Created}); err != nil {
				t.Fatal(err)
			}
			if settle(); woken != want {
				t.Errorf("after change %d wake was called %d times, want %d", i+1, woken, want)
			}
		}
		if f.Calls(Wake) != 3 || f.Calls(Notify) != 1 || f.TotalCalls() != 1 {
			t.Errorf("counted %d calls of wake and %d of Notify, %d in all", f.Calls(Wake), f.Calls(Notify), f.TotalCalls())
		}
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("Notify: %v", err)
		}
		f.Plan(Every(Notify, 1, Fault{Before: ErrFault}))
		if err := f.Notify(t.Context(), func() {}); err != ErrFault {
			t.Errorf("Notify that is to fail: %v", err)
		}
		f = Faulty(struct{ store.Store }{m}, nil)
		if err := f.Notify(t.Context(), func() { t.Error("it notifies") }); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Notify of a store that is no Notifier: %v", err)
		}
	})
}

// TestSilent: a store that cannot notify passes all rules, in a wrapper too.
func TestSilent(t *testing.T) {
	silent := struct{ store.Store }{newModel()}
	Run(t, func(*testing.T) store.Store { return silent })
	Run(t, func(*testing.T) store.Store { return Faulty(silent, nil) })
}

// TestFaultyModel: a plan in which all goes well changes nothing.
func TestFaultyModel(t *testing.T) {
	Run(t, func(*testing.T) store.Store { return Faulty(newModel(), nil) })
}

// TestClientIsCareful: the client of the rules for faults repeats no write that
// has happened, and does not guess.
func TestClientIsCareful(t *testing.T) {
	m := newModel()
	c := &check{t: t, s: m, ctx: t.Context(), now: time.Now().UTC().Truncate(time.Millisecond)}
	rec := begun(c.record(newOwner()))
	c.create(rec, c.options())
	lose := Faulty(m, Nth(Apply, 1, Fault{After: ErrFault}))
	cl := &client{s: lose, ctx: c.ctx, now: c.now}
	v, o, err := cl.add(rec.Handle)
	if err != nil || o != done || lose.Calls(Apply) != 1 {
		t.Errorf("after a lost reply: %s, %v, %d calls of Apply; want one, recognised by its version", o, err, lose.Calls(Apply))
	}
	got, err := m.Load(c.ctx, rec.Handle)
	if err != nil || got.State != (history{rec.Version, v}).String() {
		t.Errorf("the history is %v, %v", got, err)
	}
	// A reply that is lost, and then another's write of more than he can see.
	other := &client{s: m, ctx: c.ctx, now: c.now}
	lose.Plan(func(call Call) Fault {
		if call.Verb == Apply && call.N == 2 {
			return Fault{After: ErrFault}
		}
		if call.Verb == Load && call.N == 4 {
			return Fault{Do: func() {
				for range 16 {
					other.add(rec.Handle)
				}
			}}
		}
		return Fault{}
	})
	if _, o, err := cl.add(rec.Handle); err != nil || o != unknown {
		t.Errorf("after a lost reply and 16 other writes: %s, %v; want unknown", o, err)
	}
}
