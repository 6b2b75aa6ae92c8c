// Encrypted keeps sessions in encrypted cookies, and shows what the revocation
// list is for: sign in, copy the cookie (or let "copy" do it), sign out, and use
// the copy. Without the list it would sign you in again.
//
//	SECRET_KEY=$(go run ./cmd/sojourn key new) go run ./examples/encrypted
//
// The list is in memory here, so a restart forgets who has signed out. In
// production it would be in sqlstore or redisstore, behind TLS and without
// InsecureHTTP.
package main

import (
	"context"
	"fmt"
	"html/template"
	"log"
	"net/http"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/keys"
	"github.com/sojourn-go/sojourn/memstore"
	"github.com/sojourn-go/sojourn/store"
)

func main() {
	ring, err := keys.FromEnv("SECRET_KEY")
	if err != nil {
		log.Fatal(err)
	}
	list, err := memstore.New(memstore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	handler, sessions, err := app(ring, list)
	if err != nil {
		log.Fatal(err)
	}
	go sessions.Run(context.Background())
	log.Print("http://127.0.0.1:8080/")
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", handler))
}

func app(ring *keys.Ring, list store.Store) (http.Handler, *sojourn.Manager, error) {
	sessions, err := sojourn.New(sojourn.Config{
		Keep:        sojourn.Encrypted(ring),
		Revocations: list,
		Cookie:      sojourn.Cookie{InsecureHTTP: true}, // plain http on this machine
	})
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		name, ok := sojourn.Owner(r.Context())
		page.Execute(w, map[string]any{"Name": name, "LoggedIn": ok})
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		sojourn.SignIn(r.Context(), r.FormValue("username")) // check a password first
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		sojourn.End(r.Context())
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /everywhere", func(w http.ResponseWriter, r *http.Request) {
		if name, ok := sojourn.Owner(r.Context()); ok {
			if _, err := sessions.RevokeOwner(r.Context(), name, ""); err != nil {
				http.Error(w, "Nobody was signed out: try again.", sojourn.HTTPStatus(err))
				return
			}
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /copy", func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("session"); err == nil {
			fmt.Fprintf(w, "Sign out, and then, in a shell:\n\ncurl --cookie 'session=%s' http://%s/\n", c.Value, r.Host)
		}
	})
	protect := http.NewCrossOriginProtection()
	return protect.Handler(sessions.Middleware(mux)), sessions, nil
}

var page = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Encrypted</title>
{{if .LoggedIn}}<p>Logged in as {{.Name}}</p>
<form method="post" action="/logout"><button>Log out</button></form>
<form method="post" action="/everywhere"><button>Log out everywhere</button></form>
<p><a href="/copy">A copy of this cookie</a></p>
{{else}}<p>You are not logged in</p>
<form method="post" action="/login"><input name="username" required> <button>Log in</button></form>{{end}}
</html>
`))
