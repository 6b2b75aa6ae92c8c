package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
)

// An app is one of the two applications that share sessions: the Flask one or
// the Go one. They answer the same paths in the same way.
type app struct {
	url     string
	said    *versions // of the Flask one
	happens *log      // of the Go one
}

// flaskConfig is what a Flask application is started with: SECRET_KEY and
// whatever else of its configuration matters.
type flaskConfig map[string]any

// startFlask starts testdata/webapp.py with hand-made sign-in.
func startFlask(t testing.TB, config flaskConfig) *app {
	t.Helper()
	return serveFlask(t, withFlask, config, false)
}

// startFlaskLogin starts testdata/webapp.py with Flask-Login.
func startFlaskLogin(t testing.TB, config flaskConfig) *app {
	t.Helper()
	return serveFlask(t, withFlaskLogin, config, true)
}

func serveFlask(t testing.TB, find func() (string, error), config flaskConfig, login bool) *app {
	t.Helper()
	if config == nil {
		config = flaskConfig{}
	}
	if config["SECRET_KEY"] == nil {
		config["SECRET_KEY"] = keyA
	}
	p := start(t, find, "web")
	var hello struct {
		Port int `json:"port"`
	}
	err := p.send(map[string]any{"config": config, "login": login})
	if err == nil {
		err = p.receive(&hello)
	}
	if err != nil {
		t.Fatal(err)
	}
	a := &app{url: fmt.Sprintf("http://127.0.0.1:%d", hello.Port), said: &p.versions}
	a.await(t)
	return a
}

// await polls the application until it answers.
func (a *app) await(t testing.TB) {
	t.Helper()
	client := http.Client{Timeout: patience}
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		res, err := client.Get(a.url + "/plain")
		if err == nil {
			res.Body.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("Flask does not answer: %v", err)
		}
	}
}

// startGo starts the Go application. change sets Keep and whatever else of the
// configuration matters.
func startGo(t testing.TB, change func(*sojourn.Config)) *app {
	t.Helper()
	happens := new(log)
	config := sojourn.Config{Events: happens.add}
	change(&config)
	m, err := sojourn.New(config)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(m.Middleware(goRoutes()))
	t.Cleanup(server.Close)
	return &app{url: server.URL, happens: happens}
}

const (
	language sojourn.Field[string]   = "language"
	cart     sojourn.Field[[]string] = "cart"
)

var pages = template.Must(template.New("page").Parse(
	`<p>{{or .Name "nobody"}}</p><p>{{.Language}}</p><ul>{{range .Cart}}<li>{{.}}</li>{{end}}</ul>` +
		`{{define "messages"}}<ul>{{range .}}<li class="{{.Category}}">{{.HTML}}</li>{{end}}</ul>{{end}}`))

// goRoutes are the routes of testdata/webapp.py.
func goRoutes() http.Handler {
	mux := http.NewServeMux()
	get := func(pattern string, handler func(w io.Writer, ctx context.Context)) {
		mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			handler(w, r.Context())
		})
	}
	post := func(pattern string, handler func(ctx context.Context, arg, body string)) {
		mux.HandleFunc("POST "+pattern, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body) // a test's own text: there is no more to check
			handler(r.Context(), r.PathValue("arg"), string(body))
			io.WriteString(w, "ok")
		})
	}
	get("/{$}", func(w io.Writer, ctx context.Context) {
		name, _ := sojourn.Owner(ctx)
		pages.Execute(w, map[string]any{"Name": name, "Language": language.GetOr(ctx, "en"), "Cart": cart.GetOr(ctx, nil)})
	})
	get("/plain", func(w io.Writer, _ context.Context) { io.WriteString(w, "does not look at the session") })
	get("/show", func(w io.Writer, ctx context.Context) {
		fields := map[string]any{}
		for name, value := range sojourn.From(ctx).All() {
			fields[name] = value
		}
		json.NewEncoder(w).Encode(describe(fields))
	})
	get("/messages", func(w io.Writer, ctx context.Context) {
		pages.ExecuteTemplate(w, "messages", sojourn.Flashes(ctx))
	})
	mux.HandleFunc("GET /private", func(w http.ResponseWriter, r *http.Request) {
		name, ok := sojourn.Owner(r.Context())
		if !ok {
			http.Error(w, "sign in first", http.StatusUnauthorized)
			return
		}
		io.WriteString(w, "for "+name)
	})
	post("/set/{arg}", func(ctx context.Context, name, body string) { sojourn.From(ctx).Set(name, samples()[body]) })
	post("/delete/{arg}", func(ctx context.Context, name, _ string) { sojourn.From(ctx).Delete(name) })
	post("/clear", func(ctx context.Context, _, _ string) { sojourn.From(ctx).Clear() })
	post("/login/{arg}", func(ctx context.Context, name, _ string) { sojourn.SignIn(ctx, name) })
	post("/logout", func(ctx context.Context, _, _ string) { sojourn.End(ctx) })
	post("/language/{arg}", func(ctx context.Context, name, _ string) { language.Set(ctx, name) })
	post("/permanent/{arg}", func(ctx context.Context, on, _ string) { sojourn.From(ctx).SetPermanent(on == "1") })
	post("/cart/add/{arg}", func(ctx context.Context, item, _ string) {
		cart.Update(ctx, func(items []string) []string { return append(items, item) })
	})
	post("/cart/remove/{arg}", func(ctx context.Context, item, _ string) {
		cart.Update(ctx, func(items []string) []string {
			return slices.DeleteFunc(items, func(i string) bool { return i == item })
		})
	})
	post("/flash/{arg}", func(ctx context.Context, category, body string) { sojourn.Flash(ctx, category, body) })
	post("/flash/{arg}/markup", func(ctx context.Context, category, body string) {
		sojourn.Flash(ctx, category, template.HTML(body))
	})
	return mux
}
