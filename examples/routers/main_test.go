package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"testing"
)

func TestRouters(t *testing.T) {
	for name, router := range routers {
		t.Run(name, func(t *testing.T) {
			handler, err := app(router())
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(handler)
			defer server.Close()
			jar, _ := cookiejar.New(nil)
			client := &http.Client{Jar: jar}
			expect := func(res *http.Response, err error, want string) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				if body, _ := io.ReadAll(res.Body); string(body) != want {
					t.Errorf("got %q, want %q", body, want)
				}
			}
			res, err := client.Get(server.URL)
			expect(res, err, "Hello stranger, visit 1")
			res, err = client.PostForm(server.URL+"/login", url.Values{"username": {"alice"}})
			expect(res, err, "Hello alice, visit 2")
			res, err = client.PostForm(server.URL+"/logout", nil)
			expect(res, err, "Hello stranger, visit 1")
		})
	}
}
