package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/keys"
	"github.com/sojourn-go/sojourn/memstore"
)

// TestCopies: a copy of the cookie is worth nothing after the sign-out.
func TestCopies(t *testing.T) {
	ring, err := keys.Parse([]byte(keys.Generate()))
	if err != nil {
		t.Fatal(err)
	}
	list, err := memstore.New(memstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	handler, _, err := app(ring, list)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	base, _ := url.Parse(server.URL)
	for _, path := range []string{"/logout", "/everywhere"} {
		jar, _ := cookiejar.New(nil)
		visitor := &http.Client{Jar: jar}
		post := func(path string) string {
			res, err := visitor.PostForm(server.URL+path, url.Values{"username": {"alice"}})
			if err != nil {
				t.Fatal(err)
			}
			return text(t, res)
		}
		if page := post("/login"); !strings.Contains(page, "Logged in as alice") {
			t.Fatal(page)
		}
		copied, _ := cookiejar.New(nil)
		copied.SetCookies(base, jar.Cookies(base))
		thief := &http.Client{Jar: copied}
		look := func() string {
			res, err := thief.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			return text(t, res)
		}
		if page := look(); !strings.Contains(page, "Logged in as alice") {
			t.Error("the copy is no copy")
		}
		if page := post(path); !strings.Contains(page, "You are not logged in") {
			t.Errorf("%s: %s", path, page)
		}
		if page := look(); !strings.Contains(page, "You are not logged in") {
			t.Errorf("%s: the copy is alive: %s", path, page)
		}
	}
}

func text(t *testing.T, res *http.Response) string {
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
