package storetest

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A broken store is one with one mistake, which rules have to catch.
type broken struct {
	name   string
	caught []string // the rules that say what is wrong: each fails, each time
	others int      // how many more may fail, since they stand on the same ground
	alter  func(*altered)
}

// few is how many rules may fail by the way, of those that race.
const few = 2

// all is others of a mistake in what every rule does first.
const all = 1000

func brokenStores() []broken {
	return slices.Concat(brokenWrites, brokenCreations, brokenLimits, brokenEnds, brokenNotifiers, brokenLists, brokenTexts)
}

// TestRules: each rule has a name and a sentence, and has been seen to fail.
func TestRules(t *testing.T) {
	slug := regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)+$`)
	seen := map[string]bool{}
	for _, r := range rules() {
		if seen[r.name] || !slug.MatchString(r.name) || !strings.HasSuffix(r.why, ".") {
			t.Errorf("the rule %s: it is named as another is, or not as rules are, or its sentence is none: %s", r.name, r.why)
		}
		seen[r.name] = true
		if !slices.ContainsFunc(brokenStores(), func(b broken) bool { return slices.Contains(b.caught, r.name) }) {
			t.Errorf("the rule %s catches no broken store", r.name)
		}
	}
}

func init() { soon = time.Second }

// TestBroken runs every rule on every broken store.
func TestBroken(t *testing.T) {
	for _, b := range brokenStores() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			failed := failures(t, b)
			for _, name := range b.caught {
				if _, ok := failed[name]; !ok {
					t.Errorf("the rule %s does not catch it", name)
				}
				delete(failed, name)
			}
			if len(b.caught) == 0 || len(failed) > b.others+few {
				t.Errorf("%d other rules fail, at most %d should:", len(failed), b.others+few)
				for name, message := range failed {
					t.Errorf("%s: %s", name, message)
				}
			}
		})
	}
}

// slow are the rules that take most of the time.
var slow = []string{"list-misses-none", "scan-misses-none", "faults-delay", "notify-gathers-a-burst", "notify-ends-with-its-context"}

// failures runs the rules on b and returns the messages of those that fail. Slow
// ones run only where they are to fail.
func failures(t *testing.T, b broken) map[string]string {
	failed := map[string]string{}
	for _, r := range rules() {
		if slices.Contains(slow, r.name) && !slices.Contains(b.caught, r.name) {
			continue
		}
		rec := &recorder{ctx: t.Context()}
		a := newAltered()
		b.alter(a)
		var wait sync.WaitGroup
		wait.Go(func() { runRule(rec, r, a) })
		wait.Wait()
		if rec.failed {
			failed[r.name] = rec.message
		}
	}
	return failed
}

// A recorder is a tester that fails in silence.
type recorder struct {
	ctx     context.Context
	failed  bool
	message string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Fatalf(format string, args ...any) {
	r.failed, r.message = true, fmt.Sprintf(format, args...)
	runtime.Goexit()
}
