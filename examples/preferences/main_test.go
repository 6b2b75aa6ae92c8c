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
)

func TestPreferences(t *testing.T) {
	handler, err := app([]byte(keys.Generate()))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	expect := func(res *http.Response, err error, status int, want string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != status || !strings.Contains(string(body), want) {
			t.Errorf("got %d %s, want %q", res.StatusCode, body, want)
		}
	}
	res, err := client.Get(server.URL)
	expect(res, err, 200, `value="en" selected`)
	res, err = client.PostForm(server.URL, url.Values{"language": {"fr"}})
	expect(res, err, 200, "Your preferred language is French")
	res, err = client.Get(server.URL)
	expect(res, err, 200, `value="fr" selected`)
	res, err = client.PostForm(server.URL, url.Values{"language": {"xx"}})
	expect(res, err, 400, "no such language")
}
