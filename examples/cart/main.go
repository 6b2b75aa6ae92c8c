// Cart is the classic tutorial's third scenario: items are added to and removed
// from a cart in the session, and read at checkout. Sessions are kept in a
// store, so that clicks in two windows at once are all kept, and a cart that
// was filled before the sign-in is there after it.
//
//	go run ./examples/cart
//
// A memory store is enough for one process. In production it would be sqlstore
// or redisstore, behind TLS and without InsecureHTTP.
package main

import (
	"context"
	"errors"
	"html/template"
	"log"
	"net/http"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/memstore"
	"github.com/sojourn-go/sojourn/store"
)

// cart is how many of each product the visitor wants.
const cart sojourn.Field[map[string]int] = "cart"

var products = []string{"compass", "lantern", "tea"}

const most = 9 // of one product

func main() {
	memory, err := memstore.New(memstore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	handler, sessions, err := app(memory)
	if err != nil {
		log.Fatal(err)
	}
	go sessions.Run(context.Background()) // sweeps away what has expired
	log.Print("http://127.0.0.1:8080/")
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", handler))
}

var errEnough = errors.New("that is enough of it")

func app(s store.Store) (http.Handler, *sojourn.Manager, error) {
	sessions, err := sojourn.New(sojourn.Config{
		Keep:   sojourn.InStore(s),
		Cookie: sojourn.Cookie{InsecureHTTP: true}, // plain http on this machine
	})
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		page.Execute(w, map[string]any{"Products": products, "Cart": cart.GetOr(r.Context(), nil), "Flashes": sojourn.Flashes(r.Context())})
	})
	mux.HandleFunc("POST /add", func(w http.ResponseWriter, r *http.Request) {
		product, ok := known(w, r)
		if !ok {
			return
		}
		// UpdateNow, since what is answered depends on the result.
		_, err := cart.UpdateNow(r.Context(), func(c map[string]int, _ bool) (map[string]int, error) {
			if c[product] >= most {
				return nil, errEnough
			}
			c[product]++
			return c, nil
		})
		if errors.Is(err, errEnough) {
			sojourn.Flash(r.Context(), "notice", "Nine of one thing are enough.")
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /remove", func(w http.ResponseWriter, r *http.Request) {
		product, ok := known(w, r)
		if !ok {
			return
		}
		cart.Update(r.Context(), func(c map[string]int) map[string]int {
			if c[product]--; c[product] <= 0 {
				delete(c, product)
			}
			return c
		})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /checkout", func(w http.ResponseWriter, r *http.Request) {
		ordered, err := order(r.Context())
		if err != nil {
			http.Error(w, "The order was not placed.", sojourn.HTTPStatus(err))
			return
		}
		done.Execute(w, ordered)
	})
	protect := http.NewCrossOriginProtection()
	return protect.Handler(sessions.Middleware(mux)), sessions, nil
}

// known returns the product that a form names, or answers itself.
func known(w http.ResponseWriter, r *http.Request) (string, bool) {
	for _, p := range products {
		if p == r.FormValue("product") {
			return p, true
		}
	}
	http.Error(w, "There is no such product.", http.StatusBadRequest)
	return "", false
}

// order empties the cart and returns what was in it. Of two requests at once,
// one gets it.
func order(ctx context.Context) (ordered map[string]int, err error) {
	_, err = cart.UpdateNow(ctx, func(c map[string]int, _ bool) (map[string]int, error) {
		ordered = c
		return map[string]int{}, nil
	})
	return ordered, err
}

var page = template.Must(template.New("page").Parse(`<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Cart</title>
{{range .Flashes}}<p>{{.HTML}}</p>{{end}}
{{range $p := .Products}}<form method="post" action="/add"><button name="product" value="{{$p}}">add {{$p}}</button></form>{{end}}
<h1>Your cart</h1>
{{range $p, $n := .Cart}}<form method="post" action="/remove">{{$n}} × {{$p}} <button name="product" value="{{$p}}">remove one</button></form>
{{else}}<p>It is empty.</p>{{end}}
<form method="post" action="/checkout"><button>check out</button></form></html>
`))

var done = template.Must(template.New("done").Parse(`<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Ordered</title>
<h1>Thank you</h1>{{range $p, $n := .}}<p>{{$n}} × {{$p}}</p>{{else}}<p>There was nothing in your cart.</p>{{end}}<p><a href="/">back</a></p></html>
`))
