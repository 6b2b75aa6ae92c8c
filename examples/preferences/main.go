// Preferences is the classic tutorial's second program: one page that
// remembers a language.
//
//	go run ./examples/preferences
//
// A production program does three things that the tutorial's does not, and all
// are here: it takes only values that the form offers, it redirects after the
// POST so that a reload does not send the form again, and it lets
// http.CrossOriginProtection refuse forms of other sites. It would also read
// its key from the environment (keys.FromEnv), and leave out InsecureHTTP.
package main

import (
	"html/template"
	"log"
	"net/http"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

const language sojourn.Field[string] = "language"

// languages is what the form offers.
var languages = []struct{ Code, Name string }{{"en", "English"}, {"fr", "French"}}

func main() {
	handler, err := app([]byte(keys.Generate()))
	if err != nil {
		log.Fatal(err)
	}
	log.Print("http://127.0.0.1:8080/")
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", handler))
}

func app(key []byte) (http.Handler, error) {
	ring, err := keys.New([][]byte{key})
	if err != nil {
		return nil, err
	}
	sessions, err := sojourn.New(sojourn.Config{
		Keep:   flask.Signed(ring),
		Cookie: sojourn.Cookie{InsecureHTTP: true}, // plain http on this machine
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		current := language.GetOr(r.Context(), "en")
		name := current
		for _, l := range languages {
			if l.Code == current {
				name = l.Name
			}
		}
		page.Execute(w, map[string]any{"Current": current, "Name": name, "Languages": languages})
	})
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		chosen := r.FormValue("language")
		for _, l := range languages {
			if l.Code == chosen {
				language.Set(r.Context(), chosen)
				http.Redirect(w, r, "/", http.StatusSeeOther)
				return
			}
		}
		http.Error(w, "There is no such language.", http.StatusBadRequest)
	})
	return http.NewCrossOriginProtection().Handler(sessions.Middleware(mux)), nil
}

var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="{{.Current}}"><title>Preferences</title>
<form method="post">
<label>Language <select name="language">
{{range .Languages}}<option value="{{.Code}}"{{if eq .Code $.Current}} selected{{end}}>{{.Name}}</option>
{{end}}</select></label>
<button>Save</button></form>
<p>Your preferred language is {{.Name}}</p>
`))
