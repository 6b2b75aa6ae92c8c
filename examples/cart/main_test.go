package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/memstore"
)

func TestCart(t *testing.T) {
	memory, err := memstore.New(memstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	handler, _, err := app(memory)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	post := func(path, product string) string {
		res, err := client.PostForm(server.URL+path, url.Values{"product": {product}})
		if err != nil {
			t.Error(err)
			return ""
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return string(body)
	}
	expect := func(got, want string) {
		t.Helper()
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %q", got, want)
		}
	}
	expect(post("/add", "tea"), "1 × tea")
	expect(post("/add", "nothing"), "no such product")
	var clicks sync.WaitGroup
	for range 7 {
		clicks.Go(func() { post("/add", "tea") })
	}
	clicks.Wait()
	expect(post("/add", "tea"), "9 × tea")
	expect(post("/add", "tea"), "are enough")
	expect(post("/remove", "tea"), "8 × tea")
	expect(post("/add", "compass"), "1 × compass")
	var mu sync.Mutex
	orders := 0
	for range 5 {
		clicks.Go(func() {
			if strings.Contains(post("/checkout", ""), "8 × tea") {
				mu.Lock()
				defer mu.Unlock()
				orders++
			}
		})
	}
	clicks.Wait()
	if orders != 1 {
		t.Errorf("one cart was ordered %d times", orders)
	}
	expect(post("/checkout", ""), "nothing in your cart")
}
