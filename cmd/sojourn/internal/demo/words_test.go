package demo

import (
	"reflect"
	"testing"
)

// TestLanguages: every language has every word, and the page is made in it.
func TestLanguages(t *testing.T) {
	if len(languageOrder) != len(languages) || len(products) != len(prices) {
		t.Error("a list and its map differ in length")
	}
	b := newBrowser(t)
	for _, code := range languageOrder {
		words := languages[code]
		v := reflect.ValueOf(*words)
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.String && f.String() == "" {
				t.Errorf("%s: %s is missing", code, v.Type().Field(i).Name)
			}
		}
		for _, id := range products {
			if words.Products[id] == "" || prices[id] == 0 {
				t.Errorf("%s: product %s is missing", code, id)
			}
		}
		b.post("/sign-in", "name", "Ada")
		page := b.post("/language", "language", code)
		b.wants(page, `<html lang="`+code+`">`, words.LanguageSaved, words.WelcomeName+"<bdi>Ada</bdi>")
		b.wants(b.post("/cart/add", "product", "tea"), words.Products["tea"])
		b.lacks(page, "%!")
		b.wants(b.post("/sign-out"), words.SignedOut)
	}
}
