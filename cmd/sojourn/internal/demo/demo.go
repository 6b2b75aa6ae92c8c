// Package demo is a small web application that keeps everything in its session,
// and shows the session's cookie, taken apart, beside it.
package demo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
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

	maxBody     = 4 << 10 // bytes of a form
	maxName     = 40      // characters of a visitor's name
	maxQuantity = 99      // of one product
)

// Config is what the demo needs to know.
type Config struct {
	Ring       *keys.Ring
	SecretFile string                               // where the key came from, to be shown; "" if it was made for this run
	Events     func(context.Context, sojourn.Event) // as in sojourn.Config
}

type app struct {
	sessions   *sojourn.Manager
	signer     *flask.Signer // to take cookies apart
	secretFile string
	page       *template.Template
}

//go:embed page.html style.css icon.svg
var files embed.FS

// New returns the demo.
func New(config Config) (http.Handler, error) {
	sessions, err := sojourn.New(sojourn.Config{
		Keep:            flask.Signed(config.Ring),
		Cookie:          sojourn.Cookie{Name: CookieName, InsecureHTTP: true}, // plain http on this machine
		IdleTimeout:     idleTimeout,
		AbsoluteTimeout: absoluteTimeout,
		Events:          config.Events,
		Error:           explain,
		Strict:          true,
	})
	if err != nil {
		return nil, err
	}
	signer, err := flask.NewSigner(config.Ring)
	if err != nil {
		return nil, err
	}
	page, err := template.ParseFS(files, "page.html")
	if err != nil {
		return nil, err
	}
	a := &app{sessions, signer, config.SecretFile, page}
	protect := http.NewCrossOriginProtection()
	return secure(protect.Handler(http.MaxBytesHandler(sessions.Middleware(a.routes()), maxBody))), nil
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.show)
	mux.HandleFunc("POST /sign-in", action(signIn))
	mux.HandleFunc("POST /sign-out", action(signOut))
	mux.HandleFunc("POST /language", action(setLanguage))
	mux.HandleFunc("POST /cart/add", action(addToCart))
	mux.HandleFunc("POST /cart/remove", action(removeFromCart))
	mux.HandleFunc("POST /cart/empty", action(emptyCart))
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

// explain answers when the session cannot be saved. A real application would
// not tell the visitor why.
func explain(w http.ResponseWriter, _ *http.Request, err error) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "The session could not be saved, so nothing was done.\n\n"+err.Error(), sojourn.HTTPStatus(err))
}

// action makes a handler of what a form does: check it, do it, and go back to
// the page, so that reloading the page repeats nothing. What do returns is a
// sentence about a mistake in the form, and do has changed nothing then.
func action(do func(*http.Request) (mistake string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
				http.Error(w, fmt.Sprintf("The form is larger than %d bytes.", tooLarge.Limit), http.StatusRequestEntityTooLarge)
				return
			}
			http.Error(w, "The form cannot be read.", http.StatusBadRequest)
			return
		}
		if mistake := do(r); mistake != "" {
			http.Error(w, mistake, http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

func signIn(r *http.Request) (mistake string) {
	name := strings.TrimSpace(r.PostFormValue("name"))
	switch {
	case name == "":
		return "Please give a name."
	case !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Sprintf("A name here is plain text of at most %d characters.", maxName)
	}
	sojourn.SignIn(r.Context(), name) // a real application checks a password first
	sojourn.Flash(r.Context(), "success", fmt.Sprintf(wordsFor(r).SignedIn, name))
	return ""
}

// signOut ends the session. What is written after that begins a new one: the
// message, and the language, which is no secret.
func signOut(r *http.Request) (mistake string) {
	ctx := r.Context()
	code, chosen := language.Get(ctx)
	words := wordsFor(r)
	sojourn.End(ctx)
	if chosen {
		language.Set(ctx, code)
	}
	sojourn.Flash(ctx, "success", words.SignedOut)
	return ""
}

func setLanguage(r *http.Request) (mistake string) {
	code := r.PostFormValue("language")
	words, ok := languages[code]
	if !ok {
		return fmt.Sprintf("There is no language %q here.", code)
	}
	language.Set(r.Context(), code)
	sojourn.Flash(r.Context(), "success", words.LanguageSaved)
	return ""
}

// productIn returns the product that a form names.
func productIn(r *http.Request) (id, mistake string) {
	id = r.PostFormValue("product")
	if _, ok := prices[id]; !ok {
		mistake = fmt.Sprintf("There is no product %q here.", id)
	}
	return id, mistake
}

func addToCart(r *http.Request) (mistake string) {
	id, mistake := productIn(r)
	if mistake != "" {
		return mistake
	}
	ctx, words := r.Context(), wordsFor(r)
	if cart.GetOr(ctx, nil)[id] >= maxQuantity {
		sojourn.Flash(ctx, "notice", words.CartFull)
		return ""
	}
	cart.Update(ctx, func(c map[string]int) map[string]int {
		if c == nil {
			c = make(map[string]int)
		}
		c[id] = min(c[id]+1, maxQuantity)
		return c
	})
	sojourn.Flash(ctx, "success", fmt.Sprintf(words.Added, words.Products[id]))
	return ""
}

func removeFromCart(r *http.Request) (mistake string) {
	id, mistake := productIn(r)
	if mistake != "" {
		return mistake
	}
	ctx, words := r.Context(), wordsFor(r)
	if cart.GetOr(ctx, nil)[id] == 0 {
		sojourn.Flash(ctx, "notice", fmt.Sprintf(words.NotInCart, words.Products[id]))
		return ""
	}
	cart.Update(ctx, func(c map[string]int) map[string]int {
		if c[id]--; c[id] <= 0 {
			delete(c, id)
		}
		return c
	})
	sojourn.Flash(ctx, "success", fmt.Sprintf(words.Removed, words.Products[id]))
	return ""
}

func emptyCart(r *http.Request) (mistake string) {
	cart.Delete(r.Context())
	sojourn.Flash(r.Context(), "success", wordsFor(r).Emptied)
	return ""
}
