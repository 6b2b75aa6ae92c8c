// Routers is one small application on three routers. None needs an adapter:
// each is an http.Handler, so the session middleware goes around it, and
// handlers take the session from the request's context.
//
//	go run ./examples/routers gin    (or echo, or chi)
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

const visits sojourn.Field[int] = "visits"

// greet is the application: it knows the session and nothing of routers.
func greet(ctx context.Context) string {
	visits.Update(ctx, func(n int) int { return n + 1 })
	name, ok := sojourn.Owner(ctx)
	if !ok {
		name = "stranger"
	}
	return fmt.Sprintf("Hello %s, visit %d", name, visits.GetOr(ctx, 0))
}

func onGin() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.GET("/", func(c *gin.Context) { c.String(http.StatusOK, greet(c.Request.Context())) })
	router.POST("/login", func(c *gin.Context) {
		sojourn.SignIn(c.Request.Context(), c.PostForm("username"))
		c.Redirect(http.StatusSeeOther, "/")
	})
	router.POST("/logout", func(c *gin.Context) {
		sojourn.End(c.Request.Context())
		c.Redirect(http.StatusSeeOther, "/")
	})
	return router
}

func onEcho() http.Handler {
	router := echo.New()
	router.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, greet(c.Request().Context())) })
	router.POST("/login", func(c echo.Context) error {
		sojourn.SignIn(c.Request().Context(), c.FormValue("username"))
		return c.Redirect(http.StatusSeeOther, "/")
	})
	router.POST("/logout", func(c echo.Context) error {
		sojourn.End(c.Request().Context())
		return c.Redirect(http.StatusSeeOther, "/")
	})
	return router
}

func onChi() http.Handler {
	router := chi.NewRouter()
	router.Get("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, greet(r.Context())) })
	router.Post("/login", func(w http.ResponseWriter, r *http.Request) {
		sojourn.SignIn(r.Context(), r.FormValue("username"))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	router.Post("/logout", func(w http.ResponseWriter, r *http.Request) {
		sojourn.End(r.Context())
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return router
}

var routers = map[string]func() http.Handler{"gin": onGin, "echo": onEcho, "chi": onChi}

// app puts the session around a router, and protection from other sites'
// forms around both.
func app(router http.Handler) (http.Handler, error) {
	ring, err := keys.New([][]byte{[]byte(keys.Generate())}) // production: keys.FromEnv
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
	return http.NewCrossOriginProtection().Handler(sessions.Middleware(router)), nil
}

func main() {
	if len(os.Args) != 2 || routers[os.Args[1]] == nil {
		log.Fatal("usage: routers gin|echo|chi")
	}
	handler, err := app(routers[os.Args[1]]())
	if err != nil {
		log.Fatal(err)
	}
	log.Print("http://127.0.0.1:8080/")
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", handler))
}
