// Package demo is a small web application that keeps everything in its session,
// and shows beside it what the browser holds and what is stored.
package demo

import (
	"context"
	"embed"
	"html/template"
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
	"github.com/sojourn-go/sojourn/store"
)

// What the demo remembers of a visitor, beside the owner and the messages, for
// which the library has functions.
const (
	language sojourn.Field[string]         = "language"
	cart     sojourn.Field[map[string]int] = "cart"
)

// CookieName is the demo's own: cookies ignore ports, and "session" would
// overwrite that of a Flask application on the same machine.
const CookieName = "sojourn_demo"

const (
	idleTimeout     = 30 * time.Minute
	absoluteTimeout = 12 * time.Hour

	maxCookie   = 4093    // bytes of a Set-Cookie line
	maxBody     = 4 << 10 // bytes of a form
	maxName     = 40      // characters of a visitor's name
	maxQuantity = 99      // of one product
)

// Config is what the demo needs to know: a store, or a ring for sessions in
// cookies.
type Config struct {
	// Store keeps the sessions. With a Ring it keeps a list of those that have
	// ended, and may be nil if they are signed; and encrypted ones that outgrow
	// their cookie go on there.
	Store     store.Store
	StoreName string // what the store is and where, to be shown
	Brief     bool   // the store ends with the process

	Ring       *keys.Ring
	Encrypted  bool   // cookies are encrypted, not signed
	SecretFile string // where the key came from, to be shown; "" if it was made for this run

	Events func(context.Context, sojourn.Event) // as in sojourn.Config
}

// An App is the demo, for a server.
type App struct {
	config   Config
	sessions *sojourn.Manager
	signer   *flask.Signer // to take cookies apart
	journal  journal
	page     *template.Template
	handler  http.Handler
}

//go:embed page.html cookie.html encrypted.html record.html style.css icon.svg
var files embed.FS

// New returns the demo. The store stays the caller's.
func New(config Config) (*App, error) {
	if config.Events == nil {
		config.Events = func(context.Context, sojourn.Event) {}
	}
	a := &App{config: config}
	keep, list := config.keeper()
	var err error
	a.sessions, err = sojourn.New(sojourn.Config{
		Keep:            keep,
		Revocations:     list,
		Cookie:          sojourn.Cookie{Name: CookieName, InsecureHTTP: true}, // plain http on this machine
		IdleTimeout:     idleTimeout,
		AbsoluteTimeout: absoluteTimeout,
		Events: func(ctx context.Context, e sojourn.Event) {
			noteEvent(ctx, e)
			config.Events(ctx, e)
		},
		Error:  explain,
		Strict: true,
	})
	if err != nil {
		return nil, err
	}
	if config.Ring != nil && !config.Encrypted {
		if a.signer, err = flask.NewSigner(config.Ring); err != nil {
			return nil, err
		}
	}
	a.page, err = template.New("page.html").Funcs(template.FuncMap{"clock": clock, "moment": moment, "stamp": stamp}).ParseFS(files, "*.html")
	if err != nil {
		return nil, err
	}
	protect := http.NewCrossOriginProtection()
	sessions := a.journal.watch(a.sessions.Middleware(a.routes()))
	a.handler = secure(protect.Handler(http.MaxBytesHandler(sessions, maxBody)))
	return a, nil
}

// keeper is where sessions are kept, and the list of those in cookies that have
// ended. The list is not watched: it asks several things at once, and the trace of
// a request is its goroutine's own.
func (c *Config) keeper() (keep sojourn.Keeper, list store.Store) {
	switch {
	case c.Ring == nil:
		return sojourn.InStore(watched{c.Store}), nil
	case c.Encrypted:
		return sojourn.Encrypted(c.Ring).SpillTo(watched{c.Store}), c.Store
	}
	return flask.Signed(c.Ring), c.Store
}

// ServeHTTP serves the demo's pages.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// Run does what is to be done beside the requests, until ctx ends.
func (a *App) Run(ctx context.Context) error { return a.sessions.Run(ctx) }

func (a *App) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.show)
	mux.HandleFunc("POST /sign-in", action(signIn))
	mux.HandleFunc("POST /sign-out", action(signOut))
	mux.HandleFunc("POST /language", action(setLanguage))
	mux.HandleFunc("POST /cart/add", action(addToCart))
	mux.HandleFunc("POST /cart/remove", action(removeFromCart))
	mux.HandleFunc("POST /cart/empty", action(emptyCart))
	switch {
	case a.config.Ring == nil:
		mux.HandleFunc("POST /sessions/end", action(a.endSession))
		mux.HandleFunc("POST /sessions/end-others", action(a.endOthers))
	case a.config.Store != nil:
		mux.HandleFunc("POST /sessions/end-all", action(a.endAll))
	}
	for _, name := range []string{"style.css", "icon.svg"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, files, name)
		})
	}
	return mux
}

// secure sets the headers that every response has. Referrer-Policy is not
// no-referrer, because browsers then send "Origin: null" with our own forms,
// and those without Sec-Fetch-Site would be taken for another site.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// explain answers when the session cannot be loaded or saved. A real
// application would not tell the visitor why.
func explain(w http.ResponseWriter, _ *http.Request, err error) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "The session could not be loaded or saved, so nothing was done.\n\n"+err.Error(), sojourn.HTTPStatus(err))
}
