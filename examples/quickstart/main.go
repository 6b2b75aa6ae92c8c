// Quickstart is the first page of the README: a login, a preference, and both
// remembered.
package main

import (
	"html/template"
	"log"
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

const language sojourn.Field[string] = "language" // a typed field is a constant

func main() {
	ring, err := keys.FromEnv("SECRET_KEY") // one key a line, the current one first
	if err != nil {
		log.Fatal(err) // says what is missing and how to make one
	}
	sessions, err := sojourn.New(sojourn.Config{
		Keep:        flask.Signed(ring),
		IdleTimeout: 30 * time.Minute,
		Cookie:      sojourn.Cookie{InsecureHTTP: true}, // for http://127.0.0.1; leave it out in production
	})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		name, ok := sojourn.Owner(r.Context())
		page.Execute(w, map[string]any{"Name": name, "LoggedIn": ok, "Language": language.GetOr(r.Context(), "en")})
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		sojourn.SignIn(r.Context(), r.FormValue("username")) // check a password first
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		sojourn.End(r.Context())
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /language", func(w http.ResponseWriter, r *http.Request) {
		language.Set(r.Context(), r.FormValue("language"))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	protect := http.NewCrossOriginProtection()
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", protect.Handler(sessions.Middleware(mux))))
}

var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="{{.Language}}"><title>Quickstart</title>
<p>{{if .LoggedIn}}Logged in as {{.Name}}{{else}}You are not logged in{{end}}</p>
<form method="post" action="/login"><input name="username" placeholder="Name" required> <button>Log in</button></form>
<form method="post" action="/logout"><button>Log out</button></form>
<form method="post" action="/language">
<select name="language">
<option value="en"{{if eq .Language "en"}} selected{{end}}>English</option>
<option value="fr"{{if eq .Language "fr"}} selected{{end}}>French</option>
</select> <button>Save</button></form>
`))
