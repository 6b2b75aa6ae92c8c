package sojourn_test

// What an attacker tried. Each of these failed once.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

func within(t *testing.T, d time.Duration, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(d):
		t.Errorf("still running after %v", d)
	}
}

func TestPrintingShowsNoCookie(t *testing.T) {
	m, _ := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	secret := b.cookies["session"]
	b.do(func(ctx context.Context) {
		s := sojourn.From(ctx)
		s.Get("color")
		var text, js strings.Builder
		slog.New(slog.NewTextHandler(&text, nil)).Info("x", "session", s, "ctx", ctx)
		slog.New(slog.NewJSONHandler(&js, nil)).Info("x", "session", s, "ctx", ctx)
		//lint:ignore SA9005 that nothing is written is the point
		j1, _ := json.Marshal(any(s))
		j2, _ := json.Marshal(ctx)
		child := context.WithValue(ctx, new(int), 2)
		for what, printed := range map[string]string{
			"session %v": fmt.Sprintf("%v", s), "session %+v": fmt.Sprintf("%+v", s), "session %#v": fmt.Sprintf("%#v", s),
			"ctx %v": fmt.Sprintf("%v", ctx), "ctx %+v": fmt.Sprintf("%+v", ctx), "ctx %#v": fmt.Sprintf("%#v", ctx), "child": fmt.Sprint(child),
			"slog text": text.String(), "slog json": js.String(), "json": string(j1) + string(j2),
			"bound": fmt.Sprintf("%+v %#v", color.In(s), color.In(s)), "manager": fmt.Sprintf("%+v %#v", m, m),
		} {
			if strings.Contains(printed, secret) {
				t.Errorf("%s holds the cookie", what)
			}
		}
	})
}

func TestPanickingUpdateUnderAll(t *testing.T) {
	m, _ := newManager(t, nil)
	within(t, 3*time.Second, func() {
		defer func() { recover() }()
		newBrowser(t, m).do(func(ctx context.Context) {
			color.Update(ctx, func(string) string { panic("mistake") })
			sojourn.From(ctx).All()
		})
	})
}

func TestPanicInCommitIsNoSuccess(t *testing.T) {
	recovery := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					http.Error(w, "recovered", 500)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
	for name, change := range map[string]func(*sojourn.Config){
		"update": nil,
		"events": func(c *sojourn.Config) {
			c.Events = func(context.Context, sojourn.Event) { panic("events") }
		},
		"error": func(c *sojourn.Config) {
			c.Error = func(http.ResponseWriter, *http.Request, error) { panic("error") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := newManager(t, change)
			h := m.Middleware(recovery(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch name {
				case "update":
					color.Update(r.Context(), func(string) string { panic("mistake") })
				case "events":
					color.Set(r.Context(), "blue")
				case "error":
					sojourn.SignIn(r.Context(), "")
				}
				io.WriteString(w, "saved")
			})))
			srv := httptest.NewServer(h)
			defer srv.Close()
			res, err := http.Get(srv.URL)
			if err != nil {
				return // connection cut: fine
			}
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode < 500 {
				t.Errorf("%d %q, set-cookie %q", res.StatusCode, body, res.Header["Set-Cookie"])
			}
		})
	}
}

func TestEndSurvivesPanicInCommit(t *testing.T) {
	m, _ := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "session="+b.cookies["session"])
	rec := httptest.NewRecorder()
	func() {
		defer func() { recover() }()
		m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sojourn.End(r.Context())
			color.Update(r.Context(), func(string) string { panic("mistake") })
			w.WriteHeader(204)
		})).ServeHTTP(rec, r)
	}()
	if rec.Header().Get("Set-Cookie") == "" {
		t.Error("the deletion is lost")
	}
}

func TestTooMuchToReadBack(t *testing.T) {
	m, events := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	res := b.do(func(ctx context.Context) { color.Set(ctx, strings.Repeat("a", 1<<20)) })
	if res.StatusCode != 200 {
		return
	}
	b.do(func(ctx context.Context) {
		if v, ok := color.Get(ctx); !ok || len(v) != 1<<20 {
			t.Errorf("acknowledged (%d, line of %d bytes), and lost; events %s", res.StatusCode, len(setCookie(res)), events.kinds())
		}
		if _, ok := sojourn.Owner(ctx); !ok {
			t.Error("signed out by it")
		}
	})
}

func TestErrorPageVaries(t *testing.T) {
	m, _ := newManager(t, func(c *sojourn.Config) {
		c.Error = func(w http.ResponseWriter, r *http.Request, err error) { http.Error(w, "Sorry", 500) }
	})
	b := newBrowser(t, m)
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	outer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			next.ServeHTTP(w, r)
		})
	}
	_ = b
	outer(m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sojourn.From(r.Context()).Set("_user_id", "x")
		sojourn.Owner(r.Context())
		io.WriteString(w, "ok")
	}))).ServeHTTP(rec, r)
	res := rec.Result()
	if res.Header.Get("Vary") != "Cookie" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	// default error answer: vary?
	m2, _ := newManager(t, nil)
	rec = httptest.NewRecorder()
	m2.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sojourn.SignIn(r.Context(), "")
	})).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	t.Log("default", rec.Result().StatusCode, rec.Result().Header)
}

func TestPanicPageVaries(t *testing.T) {
	m, _ := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	recovery := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				w.Header().Set("Cache-Control", "public, max-age=60")
				w.WriteHeader(404)
				fmt.Fprint(w, p)
			}
		}()
		m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			o, _ := sojourn.Owner(r.Context())
			panic("nothing here for " + o)
		})).ServeHTTP(w, r)
	})
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "session="+b.cookies["session"])
	recovery.ServeHTTP(rec, r)
	if rec.Header().Get("Vary") != "Cookie" {
		t.Errorf("%d %q %v", rec.Code, rec.Body, rec.Result().Header)
	}
}

func TestTargetedCacheControl(t *testing.T) {
	for _, name := range []string{"CDN-Cache-Control", "Surrogate-Control", "Cloudflare-CDN-Cache-Control"} {
		m, _ := newManager(t, nil)
		b := newBrowser(t, m)
		res := b.get(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(name, "max-age=600")
			color.Set(r.Context(), "blue")
			io.WriteString(w, "page")
		})
		if setCookie(res) != "" && strings.Contains(res.Header.Get(name), "max-age=600") {
			t.Errorf("%s: %v", name, res.Header)
		}
	}
}

func TestEndDeletesFormerToo(t *testing.T) {
	config := func(c *sojourn.Config) {
		c.Cookie.Name = "new"
		c.AnonymousIdle = time.Minute
		c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t))}}
	}
	m, _ := newManager(t, config)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	signer, _ := flask.NewSigner(ring(t))
	b.cookies["session"], _ = signer.Sign(`{"_user_id":"alice"}`, time.Now()) // Flask still signs in there
	res := b.do(func(ctx context.Context) {
		sojourn.End(ctx)
		sojourn.Flash(ctx, "", "goodbye")
	})
	if b.cookies["session"] != "" {
		t.Errorf("the former cookie stays: %q", setCookie(res))
	}
	delete(b.cookies, "new") // its minute has passed, or it was evicted
	b.do(func(ctx context.Context) {
		if o, ok := sojourn.Owner(ctx); ok {
			t.Errorf("signed out, and back as %q", o)
		}
	})
}

func TestFormerScope(t *testing.T) {
	m, events := newManager(t, func(c *sojourn.Config) {
		c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t)), Cookie: sojourn.Cookie{Domain: "example.test"}}}
	})
	jar, _ := cookiejar.New(nil)
	site, _ := url.Parse("https://www.example.test/")
	signer, _ := flask.NewSigner(ring(t))
	old, _ := signer.Sign(`{"color":"red"}`, time.Now().Add(-time.Minute))
	jar.SetCookies(site, []*http.Cookie{{Name: "session", Value: old, Domain: "example.test", Path: "/", Secure: true}})
	do := func(f func(ctx context.Context)) {
		r := httptest.NewRequest("GET", site.String(), nil)
		for _, c := range jar.Cookies(site) {
			r.AddCookie(c)
		}
		rec := httptest.NewRecorder()
		m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(r.Context()) })).ServeHTTP(rec, r)
		t.Log(rec.Result().Header["Set-Cookie"])
		jar.SetCookies(site, rec.Result().Cookies())
	}
	do(func(ctx context.Context) { color.Set(ctx, "blue") })
	do(func(ctx context.Context) {
		if v, _ := color.Get(ctx); v != "blue" {
			t.Errorf("saved blue, read %q; events %s", v, events.kinds())
		}
	})
}

func TestExactCarriesBookkeeping(t *testing.T) {
	signed, _ := newManager(t, nil)
	exact, _ := newManager(t, func(c *sojourn.Config) { c.Keep = flask.Exact(ring(t), flask.Settings{}) })
	b := newBrowser(t, signed)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	signer, _ := flask.NewSigner(ring(t))
	v, _ := signer.Verify(b.cookies["session"], time.Now(), time.Hour)
	b.m = exact
	b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	w, _ := signer.Verify(b.cookies["session"], time.Now(), time.Hour)
	if !strings.Contains(w.Payload, "_sojourn") {
		t.Errorf("before %s\nafter %s", v.Payload, w.Payload)
	}
}

type onlyUnwrap struct{ w http.ResponseWriter }

func (o onlyUnwrap) Header() http.Header         { return o.w.Header() }
func (o onlyUnwrap) Write(p []byte) (int, error) { return o.w.Write(p) }
func (o onlyUnwrap) WriteHeader(s int)           { o.w.WriteHeader(s) }
func (o onlyUnwrap) Unwrap() http.ResponseWriter { return o.w }

func TestWalkersDoNotGoAround(t *testing.T) {
	for _, what := range []string{"Flusher", "ReaderFrom", "StringWriter"} {
		t.Run(what, func(t *testing.T) {
			m, _ := newManager(t, nil)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					color.Set(r.Context(), "blue")
					for {
						switch what {
						case "Flusher":
							if f, ok := w.(http.Flusher); ok {
								f.Flush()
								return
							}
						case "ReaderFrom":
							if f, ok := w.(io.ReaderFrom); ok {
								f.ReadFrom(strings.NewReader("saved"))
								return
							}
						case "StringWriter":
							if f, ok := w.(io.StringWriter); ok {
								f.WriteString("saved")
								return
							}
						}
						u, ok := w.(interface{ Unwrap() http.ResponseWriter })
						if !ok {
							return
						}
						w = u.Unwrap()
					}
				})).ServeHTTP(onlyUnwrap{w}, r)
			}))
			defer srv.Close()
			res, err := http.Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			if res.Header.Get("Set-Cookie") == "" {
				t.Errorf("%d without the cookie, %v", res.StatusCode, res.Header)
			}
		})
	}
}

func TestSignInBesideTheCommit(t *testing.T) {
	m, events := newManager(t, nil)
	entered, release, done := make(chan bool), make(chan bool), make(chan bool)
	first := true
	b := newBrowser(t, m)
	var owner string
	var sErr error
	res := b.get(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		color.Update(ctx, func(string) string {
			if first {
				first = false
				close(entered)
				<-release
			}
			return "blue"
		})
		go func() { sojourn.SignIn(ctx, "alice"); close(done) }()
		<-entered
		w.WriteHeader(200) // what http.TimeoutHandler does
		close(release)
		<-done
		owner, _ = sojourn.Owner(ctx)
		sErr = sojourn.From(ctx).Err()
	})
	_ = res
	if owner == "alice" && sErr == nil {
		t.Errorf("signed in by the session's own word, never sent; Err %v, events %s", sErr, events.kinds())
	}
}

func TestUpdateNowBeside(t *testing.T) {
	m, _ := newManager(t, nil)
	const n sojourn.Field[int] = "n"
	newBrowser(t, m).do(func(ctx context.Context) {
		done := make(chan error)
		for range 2 {
			go func() {
				_, err := n.UpdateNow(ctx, func(v int, _ bool) (int, error) {
					time.Sleep(20 * time.Millisecond)
					if v >= 1 {
						return v, errors.New("limit")
					}
					return v + 1, nil
				})
				done <- err
			}()
		}
		e1, e2 := <-done, <-done
		if e1 == nil && e2 == nil {
			t.Error("both within a limit of one")
		}
	})
}

func TestSilentErrorHandler(t *testing.T) {
	m, _ := newManager(t, func(c *sojourn.Config) { c.Error = func(http.ResponseWriter, *http.Request, error) {} })
	res := newBrowser(t, m).get(func(w http.ResponseWriter, r *http.Request) {
		sojourn.SignIn(r.Context(), "")
		io.WriteString(w, "welcome")
	})
	if res.StatusCode == 200 {
		t.Error("200")
	}
}

func TestExactTwiceWrapped(t *testing.T) {
	m, _ := newManager(t, func(c *sojourn.Config) { c.Keep = flask.Exact(ring(t), flask.Settings{}) })
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.From(ctx).SetPermanent(true); color.Set(ctx, "red") })
	b.get(func(w http.ResponseWriter, r *http.Request) {
		m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { color.Set(r.Context(), "blue"); w.WriteHeader(200) })).ServeHTTP(w, r)
	})
	b.do(func(ctx context.Context) {
		if v, _ := color.Get(ctx); v != "blue" {
			t.Errorf("%q", v)
		}
	})
}

func TestFlaskNearTheLimit(t *testing.T) {
	signer, _ := flask.NewSigner(ring(t))
	var sb strings.Builder
	x := uint32(1)
	for range 2940 {
		x = x*1664525 + 1013904223
		fmt.Fprintf(&sb, "%c", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[x>>26])
	}
	for _, extra := range []int{700, 900, 940} {
		m, events := newManager(t, nil)
		d := sb.String() + sb.String()[:0]
		for i := 0; len(d) < 2940+extra; i++ {
			x = x*1664525 + 1013904223
			d += string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[x>>26])
		}
		cookie, _ := signer.Sign(`{"_user_id":"alice","d":"`+d+`"}`, time.Now().Add(-5*time.Minute))
		line := "session=" + cookie + "; Secure; HttpOnly; Path=/; SameSite=Lax"
		b := newBrowser(t, m)
		b.cookies["session"] = cookie
		res := b.do(func(ctx context.Context) { sojourn.Owner(ctx) })
		if res.StatusCode != 200 {
			t.Errorf("Flask keeps this session in %d bytes, and reading it is answered %d", len(line), res.StatusCode)
		}
		fits := setCookie(res) != ""
		if _, told := events.find(sojourn.EventTooLarge); fits == told {
			t.Errorf("%d bytes: sent %v, events %q", len(line), fits, events.kinds())
		}
		events.reset()
	}
}

func TestSignInInUpdate(t *testing.T) {
	if os.Getenv("CHILD") == "1" {
		m, _ := newManager(t, nil)
		newBrowser(t, m).do(func(ctx context.Context) {
			color.Update(ctx, func(string) string { sojourn.SignIn(ctx, "alice"); return "blue" })
			color.Get(ctx)
		})
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^TestSignInInUpdate$")
	c.Env = append(os.Environ(), "CHILD=1")
	out, err := c.CombinedOutput()
	if err != nil {
		s := string(out)
		t.Errorf("%v: %s", err, s[:min(300, len(s))])
	}
}

func TestGoexitUnderAll(t *testing.T) {
	m, _ := newManager(t, nil)
	within(t, 2*time.Second, func() {
		newBrowser(t, m).do(func(ctx context.Context) {
			color.Update(ctx, func(string) string { runtime.Goexit(); return "" })
			sojourn.From(ctx).All()
		})
	})
}

func TestStrictMarshalCallsBack(t *testing.T) {
	m, _ := newManager(t, func(c *sojourn.Config) { c.Strict = true })
	const f sojourn.Field[*selfish] = "f"
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { f.Set(ctx, &selfish{ctx}) })
	within(t, 2*time.Second, func() {
		b.do(func(ctx context.Context) {
			v, ok := f.Get(ctx)
			_ = ok
			if v != nil {
				v.ctx = ctx
			}
		})
	})
}

func TestFutureBookkeeping(t *testing.T) {
	m, _ := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	signer, _ := flask.NewSigner(ring(t))
	v, _ := signer.Verify(b.cookies["session"], time.Now(), time.Hour)
	i := strings.Index(v.Payload, `"1.`) + 3
	j := i + strings.IndexByte(v.Payload[i:], '.')
	b.cookies["session"], _ = signer.Sign(v.Payload[:i]+"1zzzzzzzzz"+v.Payload[j:], time.Now())
	b.do(func(ctx context.Context) {
		o, ok := sojourn.Owner(ctx)
		t.Log(o, ok, sojourn.From(ctx).IsNew())
	})
	t.Log(v.Payload)
	w, _ := signer.Verify(b.cookies["session"], time.Now(), time.Hour)
	t.Log(w.Payload)
	if strings.Contains(w.Payload, "1zzzzzzzzz") {
		t.Error("made after it was issued, and believed")
	}
}

func TestVerifiedPrinted(t *testing.T) {
	signer, _ := flask.NewSigner(ring(t))
	c, _ := signer.Sign("{}", time.Now())
	v, _ := signer.Verify(c, time.Now(), time.Hour)
	t.Logf("%+v", v)
	t.Logf("%+v", signer)
	t.Logf("%+v %#v", flask.Signed(ring(t)), flask.Signed(ring(t)))
	t.Logf("%+v", sojourn.Config{Keep: flask.Signed(ring(t))})
	t.Logf("%+v %v", *ring(t), struct {
		r *keys.Ring
		k keys.Key
	}{ring(t), ring(t).Active()})
}

type selfish struct{ ctx context.Context }

func (s *selfish) MarshalJSON() ([]byte, error) {
	if s.ctx != nil {
		sojourn.Owner(s.ctx)
	}
	return []byte(`1`), nil
}

func (s *selfish) UnmarshalJSON([]byte) error { return nil }
