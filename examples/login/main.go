// Login is the classic tutorial's first program, route for route: log in by
// visiting /login/NAME, see who you are at /, log out at /logout.
//
//	go run ./examples/login
//
// The tutorial's way is kept under / for comparison. What a production program
// does differently stands beside it under /safe:
//
//   - it changes the session in POST requests only, so that a link or an image
//     on another site can neither sign anybody in nor out, and
//     http.CrossOriginProtection guards them;
//   - it checks a password before it signs in;
//   - it calls SignIn and End instead of setting and deleting a field: the
//     session gets a new identity and an absolute deadline, and signing out
//     takes everything with it;
//   - it reads its key from the environment, and its cookie is Secure.
package main

import (
	"fmt"
	"html"
	"html/template"
	"log"
	"net/http"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

const username sojourn.Field[string] = "username"

func main() {
	handler, err := app([]byte(keys.Generate())) // a new key at every start ends all sessions: production uses keys.FromEnv
	if err != nil {
		log.Fatal(err)
	}
	log.Print("http://127.0.0.1:8080/login/alice, or http://127.0.0.1:8080/safe")
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", handler))
}

func app(key []byte) (http.Handler, error) {
	ring, err := keys.New([][]byte{key})
	if err != nil {
		return nil, err
	}
	sessions, err := sojourn.New(sojourn.Config{
		Keep:   flask.Signed(ring),
		Cookie: sojourn.Cookie{InsecureHTTP: true}, // plain http on this machine; leave it out in production
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()

	// The tutorial's routes.
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if name, ok := username.Get(r.Context()); ok {
			fmt.Fprintf(w, "Logged in as %s", html.EscapeString(name))
			return
		}
		fmt.Fprint(w, "You are not logged in")
	})
	mux.HandleFunc("GET /login/{username}", func(w http.ResponseWriter, r *http.Request) {
		username.Set(r.Context(), r.PathValue("username"))
		http.Redirect(w, r, "/", http.StatusFound)
	})
	mux.HandleFunc("GET /logout", func(w http.ResponseWriter, r *http.Request) {
		username.Delete(r.Context()) // no error when absent
		http.Redirect(w, r, "/", http.StatusFound)
	})

	// The same for production.
	mux.HandleFunc("GET /safe", func(w http.ResponseWriter, r *http.Request) {
		name, ok := sojourn.Owner(r.Context())
		page.Execute(w, map[string]any{"Name": name, "LoggedIn": ok, "Messages": sojourn.Flashes(r.Context())})
	})
	mux.HandleFunc("POST /safe/login", func(w http.ResponseWriter, r *http.Request) {
		name := r.FormValue("username")
		if !passwordOK(name, r.FormValue("password")) {
			sojourn.Flash(r.Context(), "error", "Wrong name or password.")
		} else {
			sojourn.SignIn(r.Context(), name)
		}
		http.Redirect(w, r, "/safe", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /safe/logout", func(w http.ResponseWriter, r *http.Request) {
		sojourn.End(r.Context())
		sojourn.Flash(r.Context(), "info", "Goodbye.")
		http.Redirect(w, r, "/safe", http.StatusSeeOther)
	})
	return http.NewCrossOriginProtection().Handler(sessions.Middleware(mux)), nil
}

// passwordOK stands for a look at stored password hashes (argon2id, bcrypt).
func passwordOK(name, password string) bool { return name == "alice" && password == "wonderland" }

var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en"><title>Login</title>
{{range .Messages}}<p>{{.HTML}}</p>{{end}}
{{if .LoggedIn}}<p>Logged in as {{.Name}}</p>
<form method="post" action="/safe/logout"><button>Log out</button></form>
{{else}}<p>You are not logged in</p>
<form method="post" action="/safe/login">
<label>Name <input name="username" required autocomplete="username"></label>
<label>Password <input name="password" type="password" required autocomplete="current-password"></label>
<button>Log in</button></form>{{end}}
`))
