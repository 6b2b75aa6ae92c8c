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

func TestTutorial(t *testing.T) {
	handler, err := app([]byte(keys.Generate()))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	read := func(res *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return string(body)
	}
	get := func(path string) string { t.Helper(); return read(client.Get(server.URL + path)) }
	post := func(path, form string) string {
		t.Helper()
		values, _ := url.ParseQuery(form)
		return read(client.PostForm(server.URL+path, values))
	}
	for _, step := range []struct{ got, want string }{
		{get("/"), "You are not logged in"},
		{get("/logout"), "You are not logged in"}, // no error when absent
		{get("/login/alice"), "Logged in as alice"},
		{get("/"), "Logged in as alice"},
		{get("/login/%3Cb%3E"), "Logged in as &lt;b&gt;"},
		{get("/logout"), "You are not logged in"},
		{get("/safe"), "You are not logged in"},
		{post("/safe/login", "username=alice&password=x"), "Wrong name or password."},
		{post("/safe/login", "username=alice&password=wonderland"), "Logged in as alice"},
		{post("/safe/logout", ""), "Goodbye."},
		{get("/safe"), "You are not logged in"},
	} {
		if !strings.Contains(step.got, step.want) {
			t.Errorf("got %q, want %q", step.got, step.want)
		}
	}
	req, _ := http.NewRequest("POST", server.URL+"/safe/logout", nil)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if res, err := client.Do(req); err != nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("a POST from another site: %v %v", res, err)
	}
}
