package demo

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sojourn-go/sojourn"
)

// A mistake is a sentence about a form that this page does not send. Nothing
// has been changed then.
type mistake string

func (m mistake) Error() string { return string(m) }

// action makes a handler of what a form does: check it, do it, and go back to
// the page, so that reloading the page repeats nothing.
func action(do func(*http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
				http.Error(w, fmt.Sprintf("The form is larger than %d bytes.", tooLarge.Limit), http.StatusRequestEntityTooLarge)
				return
			}
			http.Error(w, "The form cannot be read.", http.StatusBadRequest)
			return
		}
		err := do(r)
		if m, ok := errors.AsType[mistake](err); ok {
			http.Error(w, string(m), http.StatusBadRequest)
			return
		}
		if err != nil {
			explain(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

func signIn(r *http.Request) error {
	name := strings.TrimSpace(r.PostFormValue("name"))
	switch {
	case name == "":
		return mistake("Please give a name.")
	case !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, unicode.IsControl):
		return mistake(fmt.Sprintf("A name here is plain text of at most %d characters.", maxName))
	}
	sojourn.SignIn(r.Context(), name) // a real application checks a password first
	sojourn.Flash(r.Context(), "success", fmt.Sprintf(wordsFor(r).SignedIn, name))
	return nil
}

// signOut ends the session. What is written after that begins a new one: the
// message, and the language, which is no secret.
func signOut(r *http.Request) error { return leave(r, wordsFor(r).SignedOut) }

func leave(r *http.Request, message string) error {
	ctx := r.Context()
	code, chosen := language.Get(ctx)
	sojourn.End(ctx)
	if chosen {
		language.Set(ctx, code)
	}
	sojourn.Flash(ctx, "success", message)
	return nil
}

func setLanguage(r *http.Request) error {
	code := r.PostFormValue("language")
	words, ok := languages[code]
	if !ok {
		return mistake(fmt.Sprintf("There is no language %q here.", code))
	}
	language.Set(r.Context(), code)
	sojourn.Flash(r.Context(), "success", words.LanguageSaved)
	return nil
}

// productIn returns the product that a form names.
func productIn(r *http.Request) (id string, err error) {
	id = r.PostFormValue("product")
	if _, ok := prices[id]; !ok {
		err = mistake(fmt.Sprintf("There is no product %q here.", id))
	}
	return id, err
}

// Why the cart stays as it is.
var (
	errCartFull  = errors.New("as many of the product as fit are in the cart")
	errNotInCart = errors.New("the product is not in the cart")
)

// addToCart needs to know whether the product fitted, whatever other clicks do
// at the same moment: so it is UpdateNow, which has saved when it returns. Any
// error but our own is the session's, which then answers the request.
func addToCart(r *http.Request) error {
	id, err := productIn(r)
	if err != nil {
		return err
	}
	ctx, words := r.Context(), wordsFor(r)
	_, err = cart.UpdateNow(ctx, func(c map[string]int, _ bool) (map[string]int, error) {
		if c[id] >= maxQuantity {
			return nil, errCartFull
		}
		c[id]++
		return c, nil
	})
	switch {
	case err == nil:
		sojourn.Flash(ctx, "success", fmt.Sprintf(words.Added, words.Products[id]))
	case errors.Is(err, errCartFull):
		sojourn.Flash(ctx, "notice", words.CartFull)
	}
	return nil
}

func removeFromCart(r *http.Request) error {
	id, err := productIn(r)
	if err != nil {
		return err
	}
	ctx, words := r.Context(), wordsFor(r)
	_, err = cart.UpdateNow(ctx, func(c map[string]int, _ bool) (map[string]int, error) {
		if c[id] <= 0 {
			return nil, errNotInCart
		}
		if c[id]--; c[id] == 0 {
			delete(c, id)
		}
		return c, nil
	})
	switch {
	case err == nil:
		sojourn.Flash(ctx, "success", fmt.Sprintf(words.Removed, words.Products[id]))
	case errors.Is(err, errNotInCart):
		sojourn.Flash(ctx, "notice", fmt.Sprintf(words.NotInCart, words.Products[id]))
	}
	return nil
}

func emptyCart(r *http.Request) error {
	cart.Delete(r.Context())
	sojourn.Flash(r.Context(), "success", wordsFor(r).Emptied)
	return nil
}
