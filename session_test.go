package sojourn_test

import (
	"context"
	"errors"
	"html/template"
	"math/big"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
)

// TestUntouched: a handler that does not use the session pays nothing and
// sends nothing (promise 10); one that reads it varies by cookie.
func TestUntouched(t *testing.T) {
	m, events := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	b.cookies["session"] += "x" // would be an event if it were read
	events.reset()
	if res := b.do(func(ctx context.Context) { sojourn.From(ctx) }); len(res.Header) != 0 || events.kinds() != "" {
		t.Errorf("untouched: %v, events %q", res.Header, events.kinds())
	}
	for name, read := range map[string]func(s *sojourn.Session){
		"Get":       func(s *sojourn.Session) { s.Get("a") },
		"Has":       func(s *sojourn.Session) { s.Has("a") },
		"Len":       func(s *sojourn.Session) { s.Len() },
		"All":       func(s *sojourn.Session) { s.All() },
		"IsNew":     func(s *sojourn.Session) { s.IsNew() },
		"Modified":  func(s *sojourn.Session) { s.Modified() },
		"Permanent": func(s *sojourn.Session) { s.Permanent() },
		"Owner":     func(s *sojourn.Session) { s.Owner() },
		"Flashes":   func(s *sojourn.Session) { s.Flashes() },
		"Delete":    func(s *sojourn.Session) { s.Delete("a") },
	} {
		res := newBrowser(t, m).do(func(ctx context.Context) { read(sojourn.From(ctx)) })
		if res.Header.Get("Vary") != "Cookie" || setCookie(res) != "" || len(res.Header) != 1 {
			t.Errorf("%s: %v", name, res.Header)
		}
	}
}

// TestValues: what is set comes back as it was, in the same request and the
// next.
func TestValues(t *testing.T) {
	m, _ := newManager(t, nil)
	large, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	when := time.Date(2026, 11, 23, 12, 30, 15, 0, time.UTC)
	values := map[string]any{
		"nil": nil, "bool": true, "int": int64(-5), "big": large, "float": 1.5, "text": "é\U0001F600\x00",
		"list": []any{int64(1), "two"}, "tuple": sojourn.Tuple{int64(1), "two"}, "map": map[string]any{"a": int64(1)},
		"bytes": []byte{0, 255}, "html": template.HTML("<b>"), "uuid": sojourn.UUID{1, 2, 3}, "time": when,
	}
	check := func(ctx context.Context) {
		s := sojourn.From(ctx)
		for name, want := range values {
			if got, ok := s.Get(name); !ok || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %#v, want %#v", name, got, want)
			}
		}
		if s.Len() != len(values) {
			t.Errorf("%d fields", s.Len())
		}
	}
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) {
		for name, v := range values {
			sojourn.From(ctx).Set(name, v)
		}
		check(ctx)
	})
	b.do(check)
}

// TestDictionary walks through the methods that take names.
func TestDictionary(t *testing.T) {
	m, _ := newManager(t, nil)
	newBrowser(t, m).do(func(ctx context.Context) {
		s := sojourn.From(ctx)
		if v, ok := s.Pop("none"); v != nil || ok || s.Modified() {
			t.Error("popping nothing modified")
		}
		if v := s.SetDefault("n", 5); v != int64(5) || !s.Modified() {
			t.Errorf("SetDefault: %v", v)
		}
		if v := s.SetDefault("n", 6); v != int64(5) {
			t.Errorf("SetDefault again: %v", v)
		}
		s.Set("a", "b")
		var names []string
		for name := range s.All() {
			names = append(names, name)
		}
		if strings.Join(names, " ") != "a n" || !s.Has("a") || s.Has("b") {
			t.Errorf("fields %q", names)
		}
		if v, ok := s.Pop("a"); v != "b" || !ok || s.Has("a") {
			t.Errorf("Pop: %v %v", v, ok)
		}
		s.Clear()
		if s.Len() != 0 || s.Err() != nil {
			t.Errorf("after Clear: %d, %v", s.Len(), s.Err())
		}
	})
}

// TestClearKeepsOwner: clearing the fields is not signing out.
func TestClearKeepsOwner(t *testing.T) {
	m, _ := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue") })
	b.do(func(ctx context.Context) { sojourn.From(ctx).Clear() })
	b.do(func(ctx context.Context) {
		if name, _ := sojourn.Owner(ctx); name != "alice" {
			t.Error("Clear signed alice out")
		}
		if _, ok := color.Get(ctx); ok {
			t.Error("Clear left a field")
		}
	})
}

// TestPrivateCopies: changing what was read changes nothing, until it is set.
func TestPrivateCopies(t *testing.T) {
	m, _ := newManager(t, nil)
	const cart = sojourn.Field[map[string]int]("cart")
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { cart.Set(ctx, map[string]int{"tea": 1}) })
	res := b.do(func(ctx context.Context) {
		got, _ := cart.Get(ctx)
		got["tea"] = 99
		again, _ := cart.Get(ctx)
		if again["tea"] != 1 {
			t.Error("two reads share one map")
		}
	})
	if setCookie(res) != "" {
		t.Error("a changed copy was saved")
	}
	set := map[string]int{"tea": 2}
	b.do(func(ctx context.Context) { cart.Set(ctx, set); set["tea"] = 99 })
	b.do(func(ctx context.Context) {
		if got, _ := cart.Get(ctx); got["tea"] != 2 {
			t.Errorf("a map changed after Set was saved: %v", got)
		}
	})
}

// TestStrict: with Config.Strict, a changed copy that was never set is an
// error that names the field.
func TestStrict(t *testing.T) {
	var failure error
	m, _ := newManager(t, func(c *sojourn.Config) {
		c.Strict = true
		c.Error = func(w http.ResponseWriter, _ *http.Request, err error) { failure = err; w.WriteHeader(500) }
	})
	const cart = sojourn.Field[map[string]int]("cart")
	const list = sojourn.Field[[]string]("list")
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) {
		cart.Set(ctx, map[string]int{"tea": 1})
		list.Set(ctx, []string{"a"})
		sojourn.From(ctx).Set("any", []any{1})
	})
	tests := []struct {
		name string
		f    func(ctx context.Context)
		want string
	}{
		{"read only", func(ctx context.Context) { cart.Get(ctx); list.Get(ctx) }, ""},
		{"changed", func(ctx context.Context) { v, _ := cart.Get(ctx); v["tea"]++ }, `"cart"`},
		{"changed and set", func(ctx context.Context) { v, _ := cart.Get(ctx); v["tea"]++; cart.Set(ctx, v) }, ""},
		{"changed in place", func(ctx context.Context) { v, _ := list.Get(ctx); v[0] = "b" }, `"list"`},
		{"of any type", func(ctx context.Context) { v, _ := sojourn.From(ctx).Get("any"); v.([]any)[0] = 2 }, `"any"`},
		{"Update", func(ctx context.Context) {
			cart.Update(ctx, func(v map[string]int) map[string]int { v["x"] = 1; return v })
		}, ""},
	}
	for _, test := range tests {
		failure = nil
		b.clone().do(test.f)
		if got := failure != nil; got != (test.want != "") || got && (!errors.Is(failure, sojourn.ErrUnsaved) || !strings.Contains(failure.Error(), test.want)) {
			t.Errorf("%s: %v", test.name, failure)
		}
	}
}

// TestOtherType: a stored value of another type reads as absent, is an event,
// and stays where it is.
func TestOtherType(t *testing.T) {
	m, events := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.From(ctx).Set("color", []int{1}) })
	b.do(func(ctx context.Context) {
		if v, ok := color.Get(ctx); ok || color.GetOr(ctx, "red") != "red" {
			t.Errorf("read %q", v)
		}
		sojourn.Field[int]("other").Set(ctx, 1)
	})
	if e, ok := events.find(sojourn.EventFieldType); !ok || e.Field != "color" || e.Err == nil {
		t.Errorf("events %q", events.kinds())
	}
	b.do(func(ctx context.Context) {
		if v, _ := sojourn.From(ctx).Get("color"); !reflect.DeepEqual(v, []any{int64(1)}) {
			t.Errorf("the value has become %v", v)
		}
	})
}

// TestUpdate: updates see each other, and reads see them.
func TestUpdate(t *testing.T) {
	m, _ := newManager(t, nil)
	const n = sojourn.Field[int]("n")
	double := func(n int) int { return n * 2 }
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) {
		n.Update(ctx, func(n int) int { return n + 3 })
		n.Update(ctx, double)
		if v, _ := n.Get(ctx); v != 6 {
			t.Errorf("read %d", v)
		}
		n.Set(ctx, 10)
		n.Update(ctx, double)
	})
	b.do(func(ctx context.Context) {
		if v, _ := n.Get(ctx); v != 20 {
			t.Errorf("saved %d", v)
		}
		if v, ok := n.Pop(ctx); v != 20 || !ok {
			t.Errorf("popped %d", v)
		}
		n.Update(ctx, func(v int) int { return v + 1 })
	})
	b.do(func(ctx context.Context) {
		if v, _ := n.Get(ctx); v != 1 {
			t.Errorf("after Pop and Update: %d", v)
		}
		cart := sojourn.Field[map[string]int]("cart")
		cart.Update(ctx, func(c map[string]int) map[string]int { c["tea"]++; return c })
		if v, _ := cart.Get(ctx); v["tea"] != 1 {
			t.Errorf("an Update of no map: %v", v)
		}
	})
}

// TestFlashes is Flask's flash, call by call.
func TestFlashes(t *testing.T) {
	m, _ := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) {
		sojourn.Flash(ctx, "message", "<saved>")
		sojourn.Flash(ctx, "error", template.HTML("<b>bold</b>"))
	})
	res := b.do(func(ctx context.Context) {
		errors := sojourn.Flashes(ctx, "error")
		if len(errors) != 1 || !errors[0].Markup || errors[0].HTML() != "<b>bold</b>" {
			t.Errorf("errors %v", errors)
		}
		sojourn.Flash(ctx, "message", "next time")
		all := sojourn.Flashes(ctx)
		if len(all) != 2 || all[0].Message != "<saved>" || all[0].HTML() != "&lt;saved&gt;" {
			t.Errorf("all %v", all)
		}
	})
	if setCookie(res) == "" {
		t.Error("the messages were not removed")
	}
	res = b.do(func(ctx context.Context) {
		if f := sojourn.Flashes(ctx); len(f) != 1 || f[0].Message != "next time" {
			t.Errorf("then %v", f)
		}
	})
	if len(b.cookies) != 0 {
		t.Errorf("nothing left, but the cookie stays: %q", setCookie(res))
	}
}

// TestContext: the session is found through derived contexts, and the
// request's own values stay.
func TestContext(t *testing.T) {
	m, _ := newManager(t, nil)
	type key struct{}
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(context.WithValue(r.Context(), key{}, "outer"))
	newBrowser(t, m).send(r, func(_ http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(context.WithValue(r.Context(), new(int), "v"))
		cancel()
		color.Set(ctx, "blue")
		if ctx.Value(key{}) != "outer" || color.GetOr(r.Context(), "") != "blue" {
			t.Error("a value is missing in the context")
		}
	})
}

// TestUpdateNow: for decisions that depend on the result.
func TestUpdateNow(t *testing.T) {
	m, _ := newManager(t, nil)
	const tries = sojourn.Field[int]("tries")
	tooMany := errors.New("too many")
	limited := func(n int, present bool) (int, error) {
		if n >= 2 || present != (n > 0) {
			return 0, tooMany
		}
		return n + 1, nil
	}
	b := newBrowser(t, m)
	for i, want := range []struct {
		n   int
		err error
	}{{1, nil}, {2, nil}, {2, tooMany}} {
		b.get(func(w http.ResponseWriter, r *http.Request) {
			if n, err := tries.UpdateNow(r.Context(), limited); n != want.n || !errors.Is(err, want.err) {
				t.Errorf("try %d: %d, %v", i, n, err)
			}
			if n, _ := tries.Get(r.Context()); n != want.n {
				t.Errorf("try %d: reads %d", i, n)
			}
			w.WriteHeader(200)
			if _, err := tries.UpdateNow(r.Context(), func(int, bool) (int, error) { return 0, nil }); !errors.Is(err, sojourn.ErrLate) {
				t.Errorf("late: %v", err)
			}
		})
	}
	b.do(func(ctx context.Context) {
		if _, err := sojourn.SecretField[int]("pin").UpdateNow(ctx, limited); !errors.Is(err, sojourn.ErrSecretReadable) {
			t.Errorf("secret: %v", err)
		}
	})
}
