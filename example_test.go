package sojourn_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
	"github.com/sojourn-go/sojourn/memstore"
)

// visit serves handler with a session, asks for each path with one browser,
// and prints the answers.
func visit(config sojourn.Config, handler http.HandlerFunc, paths ...string) {
	sessions, err := sojourn.New(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewTLSServer(sessions.Middleware(handler))
	defer server.Close()
	client := server.Client()
	client.Jar, _ = cookiejar.New(nil)
	for _, path := range paths {
		res, err := client.Get(server.URL + path)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(path, res.StatusCode, string(body))
	}
}

func exampleConfig() sojourn.Config {
	ring, err := keys.Parse([]byte(keys.Generate())) // a program uses keys.FromEnv
	if err != nil {
		fmt.Println(err)
	}
	return sojourn.Config{Keep: flask.Signed(ring), Events: func(context.Context, sojourn.Event) {}}
}

func ExampleField() {
	const visits sojourn.Field[int] = "visits"
	visit(exampleConfig(), func(w http.ResponseWriter, r *http.Request) {
		visits.Update(r.Context(), func(n int) int { return n + 1 })
		fmt.Fprintf(w, "visit %d", visits.GetOr(r.Context(), 0))
	}, "/", "/", "/")
	// Output:
	// / 200 visit 1
	// / 200 visit 2
	// / 200 visit 3
}

func ExampleInStore() {
	memory, err := memstore.New(memstore.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	config := sojourn.Config{Keep: sojourn.InStore(memory), Events: func(context.Context, sojourn.Event) {}}
	visit(config, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			sojourn.SignIn(r.Context(), "alice")
		}
		name, _ := sojourn.Owner(r.Context())
		fmt.Fprintf(w, "%q", name)
	}, "/", "/login", "/")
	// Output:
	// / 200 ""
	// /login 200 "alice"
	// / 200 "alice"
}

func ExampleManager_RevokeOwner() {
	memory, err := memstore.New(memstore.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var sessions *sojourn.Manager
	config := sojourn.Config{Keep: sojourn.InStore(memory), Events: func(context.Context, sojourn.Event) {}}
	if sessions, err = sojourn.New(config); err != nil {
		fmt.Println(err)
		return
	}
	visit(config, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/login":
			sojourn.SignIn(r.Context(), "alice")
		case "/everywhere": // from another process, or an administrator's page
			n, err := sessions.RevokeOwner(r.Context(), "alice", "")
			fmt.Fprint(w, n, " ended, ", err, " ")
		}
		name, _ := sojourn.Owner(r.Context())
		fmt.Fprintf(w, "%q", name)
	}, "/login", "/", "/everywhere", "/")
	// Output:
	// /login 200 "alice"
	// / 200 "alice"
	// /everywhere 200 1 ended, <nil> ""
	// / 200 ""
}

func ExampleSignIn() {
	visit(exampleConfig(), func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/login":
			sojourn.SignIn(r.Context(), "alice") // after checking a password
		case "/logout":
			sojourn.End(r.Context())
		}
		name, ok := sojourn.Owner(r.Context())
		fmt.Fprintf(w, "%q %v", name, ok)
	}, "/", "/login", "/", "/logout", "/")
	// Output:
	// / 200 "" false
	// /login 200 "alice" true
	// / 200 "alice" true
	// /logout 200 "" false
	// / 200 "" false
}

func ExampleFlash() {
	visit(exampleConfig(), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/save" {
			sojourn.Flash(r.Context(), "success", "Saved.")
			fmt.Fprint(w, "(redirects)")
			return
		}
		for _, f := range sojourn.Flashes(r.Context()) {
			fmt.Fprintf(w, "%s: %s", f.Category, f.HTML())
			return
		}
		fmt.Fprint(w, "-")
	}, "/save", "/", "/")
	// Output:
	// /save 200 (redirects)
	// / 200 success: Saved.
	// / 200 -
}

// A session that cannot be saved is never answered by the handler's page.
func ExampleConfig_error() {
	config := exampleConfig()
	config.Error = func(w http.ResponseWriter, r *http.Request, err error) {
		http.Error(w, err.Error(), sojourn.HTTPStatus(err))
	}
	visit(config, func(w http.ResponseWriter, r *http.Request) {
		sojourn.SignIn(r.Context(), r.FormValue("username"))
		fmt.Fprint(w, "Welcome!")
	}, "/?username=alice", "/")
	// Output:
	// /?username=alice 200 Welcome!
	// / 400 sojourn: sign-in with an empty owner
}

// New says everything that is wrong with a configuration at once.
func ExampleNew() {
	_, err := sojourn.New(sojourn.Config{
		Keep:   flask.Signed(nil),
		Cookie: sojourn.Cookie{Name: "__Host-id", Domain: "example.com"},
	})
	fmt.Println(err != nil)
	// Output: true
}
