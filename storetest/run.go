package storetest

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// A rule is one sentence of the contract, and how to see whether a store keeps
// it. Names do not change: they are what people skip, search and quote.
type rule struct {
	name string
	why  string // the sentence
	run  func(*check)
}

// rules returns all rules, in the order in which one would debug a new store.
func rules() []rule {
	return slices.Concat(recordRules, createRules, limitRules, replaceRules, applyRules, touchRules, endRules,
		tombstoneRules, listRules, sweepRules, changesRules, notifyRules, manyRules, callRules, crowdRules, faultRules)
}

// Run checks every rule on a store of its own: newStore is called once for each,
// and may return the same one each time. Rules run one after the other.
func Run(t *testing.T, newStore func(t *testing.T) store.Store) {
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			runRule(t, r, newStore(t))
		})
	}
}

// A tester is what rules use of a *testing.T. That it is no more lets this
// package's own tests see rules fail.
type tester interface {
	Helper()
	Context() context.Context
	Fatalf(format string, args ...any)
}

// patience is how long one rule may take before its calls are cancelled, so that
// a store that hangs fails by name.
const patience = time.Minute

func runRule(t tester, r rule, s store.Store) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := &check{t: t, rule: r, s: s, ctx: ctx, now: time.Now().UTC().Truncate(time.Millisecond)}
	defer func() {
		if p := recover(); p != nil {
			c.fail("the store panicked: %v\n%s", p, debug.Stack())
		}
	}()
	r.run(c)
}

// A check runs one rule on one store. now is when it began, in whole
// milliseconds.
type check struct {
	t    tester
	rule rule
	s    store.Store
	ctx  context.Context
	now  time.Time
}

// fail ends the rule. It is called by the goroutine of the rule only.
func (c *check) fail(format string, args ...any) {
	c.t.Helper()
	c.t.Fatalf("%s\n\tThe rule %s: %s", fmt.Sprintf(format, args...), c.rule.name, c.rule.why)
}

// together runs f for each i below n, all let go at the same moment, and returns
// their errors in order. A panic is an error.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	begin, done := make(chan struct{}), make(chan struct{})
	for i := range n {
		go func() {
			defer func() { done <- struct{}{} }()
			<-begin
			errs[i] = noPanic(func() error { return f(i) })
		}()
	}
	close(begin)
	for range n {
		<-done
	}
	return errs
}

func noPanic(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// breathe lets others run: the gap in which a race is lost.
func breathe() {
	for range 20 {
		runtime.Gosched()
	}
}
