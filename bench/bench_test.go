package bench

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v3/middleware/encryptcookie"
	"github.com/gorilla/securecookie"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/keys"
)

const (
	cookieName = "__Host-Http-session"
	master     = "4a7933030149743868b478b9d23f956b01be010f257341083c515d19691699c2"
)

// An item is in a cart.
type item struct {
	Name     string `json:"name"`
	Price    int    `json:"price"`
	Quantity int    `json:"quantity"`
	SKU      string `json:"sku"`
}

// A visit is what all sessions hold.
type visit struct {
	Cart []item `json:"cart,omitempty"`
	CSRF string `json:"csrf"`
	Lang string `json:"lang"`
	User string `json:"user_id"`
}

// A language is the part of a visit that is read.
type language struct {
	Lang string `json:"lang"`
}

// visits are one of 113 bytes as JSON, and one of 1,300.
func visits(t testing.TB) map[string]visit {
	small := visit{CSRF: strings.Repeat("c0ffee01", 8), Lang: "fr", User: "user-00001835"}
	large := small
	for i := range 14 {
		large.Cart = append(large.Cart, item{fmt.Sprintf("A tea that is good, no. %02d", i), 1000 + i, 2, fmt.Sprintf("tea-%06d", i)})
	}
	large.Cart[0].Name = strings.Replace(large.Cart[0].Name, "A tea", "A tea"+strings.Repeat("a", 16), 1)
	list := map[string]visit{"113": small, "1300": large}
	for size, v := range list {
		if text, err := json.Marshal(v); err != nil || fmt.Sprint(len(text)) != size {
			t.Fatalf("%d bytes, not %s, %v", len(text), size, err)
		}
	}
	return list
}

// A peer seals a visit, and opens a text to read the language.
type peer struct {
	seal func(visit) (string, error)
	open func(text string) (lang string, err error)
	all  func(text string) (visit, error) // for the test
}

func peers() map[string]peer {
	json32 := securecookie.New(make([]byte, 32), make([]byte, 32)).SetSerializer(securecookie.JSONEncoder{})
	gob32 := securecookie.New(make([]byte, 32), make([]byte, 32))
	return map[string]peer{
		"floor": floor(), "gorilla-json": gorilla(json32), "gorilla-gob": gorilla(gob32), "fiber": fiber(),
	}
}

func gorilla(c *securecookie.SecureCookie) peer {
	return peer{
		seal: func(v visit) (string, error) { return c.Encode(cookieName, v) },
		open: func(text string) (string, error) {
			var part language
			err := c.Decode(cookieName, text, &part)
			return part.Lang, err
		},
		all: func(text string) (v visit, err error) { return v, c.Decode(cookieName, text, &v) },
	}
}

func fiber() peer {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	return peer{
		seal: func(v visit) (string, error) {
			text, err := json.Marshal(v)
			if err != nil {
				return "", err
			}
			return encryptcookie.EncryptCookie(cookieName, string(text), key)
		},
		open: func(text string) (string, error) {
			plain, err := encryptcookie.DecryptCookie(cookieName, text, key)
			if err != nil {
				return "", err
			}
			var part language
			err = json.Unmarshal([]byte(plain), &part)
			return part.Lang, err
		},
		all: func(text string) (v visit, err error) {
			plain, err := encryptcookie.DecryptCookie(cookieName, text, key)
			if err == nil {
				err = json.Unmarshal([]byte(plain), &v)
			}
			return v, err
		},
	}
}

// floor derives a key for each text, and seals it: it reads and writes no JSON but
// what is made before.
func floor() peer {
	const head = 37
	prk := make([]byte, 32)
	base64url := base64.RawURLEncoding.Strict()
	gcm := func(salt []byte) (cipher.AEAD, error) {
		okm, err := hkdf.Expand(sha256.New, prk, string(salt)+cookieName, 48)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(okm[:32])
		if err != nil {
			return nil, err
		}
		return cipher.NewGCMWithRandomNonce(block)
	}
	open := func(text string) ([]byte, error) {
		data, err := base64url.DecodeString(text)
		if err != nil {
			return nil, err
		}
		aead, err := gcm(data[5:21])
		if err != nil {
			return nil, err
		}
		return aead.Open(nil, nil, data[head:], data[:head])
	}
	plain := map[int]string{}
	return peer{
		seal: func(v visit) (string, error) {
			text, ok := plain[len(v.Cart)]
			if !ok {
				made, err := json.Marshal(v)
				if err != nil {
					return "", err
				}
				text, plain[len(v.Cart)] = string(made), string(made)
			}
			header := make([]byte, head)
			aead, err := gcm(header[5:21])
			if err != nil {
				return "", err
			}
			return base64url.EncodeToString(append(header, aead.Seal(nil, nil, []byte(text), header)...)), nil
		},
		open: func(text string) (string, error) {
			_, err := open(text)
			return "", err
		},
		all: func(text string) (v visit, err error) {
			data, err := open(text)
			if err == nil {
				err = json.Unmarshal(data, &v)
			}
			return v, err
		},
	}
}

// The fields of a visit, as an application has them.
const (
	cart   sojourn.Field[[]item] = "cart"
	csrf   sojourn.Field[string] = "csrf"
	lang   sojourn.Field[string] = "lang"
	userID sojourn.Field[string] = "user_id"
)

func put(ctx context.Context, v visit) {
	if v.Cart != nil {
		cart.Set(ctx, v.Cart)
	}
	csrf.Set(ctx, v.CSRF)
	lang.Set(ctx, v.Lang)
	userID.Set(ctx, v.User)
}

func manager(t testing.TB) *sojourn.Manager {
	ring, err := keys.New([][]byte{[]byte(master)})
	if err != nil {
		t.Fatal(err)
	}
	m, err := sojourn.New(sojourn.Config{Keep: sojourn.Encrypted(ring)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// visited is the cookie of a visitor who has v.
func visited(t testing.TB, m *sojourn.Manager, v visit) string {
	w := httptest.NewRecorder()
	m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { put(r.Context(), v) })).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	for _, c := range w.Result().Cookies() {
		if c.Name == cookieName {
			return c.Value
		}
	}
	t.Fatalf("no cookie: %s", w.Result().Status)
	return ""
}

// TestRoundTrips: a peer that skips work would only seem fast.
func TestRoundTrips(t *testing.T) {
	for size, v := range visits(t) {
		for name, p := range peers() {
			text, err := p.seal(v)
			if err != nil || len(text) < len(v.CSRF) {
				t.Fatalf("%s, %s: %q, %v", name, size, text, err)
			}
			again, err := p.seal(v)
			if err != nil || again == text {
				t.Errorf("%s, %s: two cookies are the same, %v", name, size, err)
			}
			if got, err := p.all(text); err != nil || !reflect.DeepEqual(got, v) {
				t.Errorf("%s, %s: %+v, %v", name, size, got, err)
			}
			if got, err := p.open(text); err != nil || got != v.Lang && name != "floor" {
				t.Errorf("%s, %s: the language is %q, %v", name, size, got, err)
			}
			middle := len(text) / 2
			changed := text[:middle] + string(text[middle]^1) + text[middle+1:]
			if _, err := p.open(changed); err == nil {
				t.Errorf("%s, %s: a changed text is opened", name, size)
			}
		}
		m := manager(t)
		text, got := visited(t, m, v), visit{}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", cookieName+"="+text)
		m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			got = visit{cart.GetOr(ctx, nil), csrf.GetOr(ctx, ""), lang.GetOr(ctx, ""), userID.GetOr(ctx, "")}
		})).ServeHTTP(httptest.NewRecorder(), r)
		if !reflect.DeepEqual(got, v) {
			t.Errorf("sojourn, %s: %+v", size, got)
		}
	}
}

func eachPeer(b *testing.B, run func(b *testing.B, p peer, v visit)) {
	for size, v := range visits(b) {
		for name, p := range peers() {
			b.Run(size+"/"+name, func(b *testing.B) { run(b, p, v) })
		}
	}
}

// BenchmarkOpen is from the text of a cookie to one field.
func BenchmarkOpen(b *testing.B) {
	eachPeer(b, func(b *testing.B, p peer, v visit) {
		text, err := p.seal(v)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.open(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSeal is from the fields to the text of a cookie.
func BenchmarkSeal(b *testing.B) {
	eachPeer(b, func(b *testing.B, p peer, v visit) {
		b.ReportAllocs()
		for b.Loop() {
			if text, err := p.seal(v); err != nil || text == "" {
				b.Fatal(err)
			}
		}
	})
}

// discard is a writer that costs nothing.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkRequest is whole requests through Sojourn's middleware: one that leaves
// the session alone, one that reads a field, one that reads and writes one.
func BenchmarkRequest(b *testing.B) {
	m := manager(b)
	for size, v := range visits(b) {
		text := visited(b, m, v)
		turn := 0
		for _, way := range []struct {
			name string
			use  func(ctx context.Context)
		}{
			{"untouched", func(context.Context) {}},
			{"read", func(ctx context.Context) {
				if got := lang.GetOr(ctx, ""); got != v.Lang {
					b.Fatal(got)
				}
			}},
			{"write", func(ctx context.Context) {
				turn++
				lang.Set(ctx, []string{"de", "en"}[turn%2])
			}},
		} {
			b.Run(size+"/"+way.name, func(b *testing.B) {
				h := m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { way.use(r.Context()) }))
				r := httptest.NewRequest("GET", "/", nil)
				r.Header.Set("Cookie", cookieName+"="+text)
				b.ReportAllocs()
				for b.Loop() {
					w := &discard{make(http.Header)}
					h.ServeHTTP(w, r)
					if sent := len(w.h["Set-Cookie"]); (sent == 1) != (way.name == "write") {
						b.Fatalf("%s sent %d cookies", way.name, sent)
					}
				}
			})
		}
	}
}
