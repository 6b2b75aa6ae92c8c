package flask_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"math"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

// A vector is a cookie that real Flask was given, and what it did.
type vector struct {
	Name, Category, Cookie, Reason, Reencode string
	Key                                      []byte   `json:"key_b64"`
	Fallbacks                                [][]byte `json:"fallbacks_b64"`
	KeyType                                  string   `json:"key_type"`
	Iat, Now                                 int64
	MaxAge                                   int64 `json:"max_age"`
	Valid, Lenient, Policy                   bool
	Session                                  json.RawMessage
	JSON                                     *string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("../testdata/flask-cookies.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Meta    struct{ Count int }
		Vectors []vector
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < 300 || len(file.Vectors) != file.Meta.Count {
		t.Fatalf("%d vectors", len(file.Vectors))
	}
	return file.Vectors
}

func (v *vector) ring(t testing.TB) *keys.Ring {
	t.Helper()
	ring, err := keys.New(append([][]byte{v.Key}, v.Fallbacks...), keys.InsecureAllowWeak())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func (v *vector) activeID(t testing.TB) string { return v.ring(t).Active().ID() }

func (v *vector) signer(t testing.TB, opts ...flask.Option) *flask.Signer {
	t.Helper()
	s, err := flask.NewSigner(v.ring(t), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reasons says why a vector of a category that Flask refuses is refused here.
var reasons = map[string]string{
	"expired": "expired", "issued_in_future": "future", "tampered_payload": "signature", "tampered_signature": "signature",
	"tampered_timestamp": "signature", "truncated": "signature malformed", "structure": "signature malformed", "bad_base64": "signature",
	"wrong_key": "signature", "wrong_algorithm": "signature", "rotation": "signature expired", "signed_bad_timestamp": "expired malformed future",
	"signed_bad_json": "payload", "signed_non_dict": "payload", "signed_bad_tag": "payload", "signed_bad_zlib": "payload",
	"signed_bad_base64": "payload", "signed_too_deep": "payload", "zlib_bomb": "too-large", "lenient": "payload signature malformed",
}

// TestVectors: verdict, content and encoding of every cookie that Flask made
// or was given (promise 8).
func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			if v.KeyType == "NoneType" {
				if _, err := flask.NewSigner(nil); err == nil {
					t.Error("a signer without a key")
				}
				return
			}
			now, maxAge := time.Unix(v.Now, 0), time.Duration(v.MaxAge)*time.Second
			s := v.signer(t)
			got, err := s.Verify(v.Cookie, now, maxAge)
			if !v.Valid || v.Lenient {
				if err == nil {
					t.Fatal("accepted")
				}
				if reason := string(sojourn.ReasonOf(err)); reason == "" || !strings.Contains(reasons[v.Category], reason) {
					t.Errorf("refused for %q (%v), want one of %q", reason, err, reasons[v.Category])
				}
				if !v.Valid {
					return
				}
				s = v.signer(t, flask.Lenient())
				got, err = s.Verify(v.Cookie, now, maxAge)
			}
			if err != nil {
				t.Fatal(err)
			}
			v.compare(t, s, got)
		})
	}
}

// compare checks what a valid cookie holds and what it is encoded as.
func (v *vector) compare(t *testing.T, s *flask.Signer, got flask.Verified) {
	t.Helper()
	if v.JSON != nil && got.Payload != *v.JSON {
		t.Errorf("payload %s, want %s", got.Payload, *v.JSON)
	}
	if got.IssuedAt.Unix() != v.Iat {
		t.Errorf("issued at %d, want %d", got.IssuedAt.Unix(), v.Iat)
	}
	if wantOld := v.Reencode == "new_key"; (got.Key != v.activeID(t)) != wantOld {
		t.Errorf("verified with key %s", got.Key)
	}
	want, _ := annotated(t, v.Session).(map[string]any)
	if !v.Lenient {
		content, err := flask.Decode(got.Payload)
		if err != nil || !same(content, want) {
			t.Errorf("content %#v (%v), want %#v", content, err, want)
		}
	}
	text, err := flask.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	switch v.Reencode {
	case "cookie", "new_key", "json":
		if v.JSON != nil && text != *v.JSON {
			t.Errorf("encoded as %s, want %s", text, *v.JSON)
		}
	}
	cookie, err := s.Sign(text, time.Unix(v.Iat, 0))
	if err != nil {
		t.Fatal(err)
	}
	if v.Reencode == "cookie" && cookie != v.Cookie {
		t.Errorf("cookie %s, want %s", cookie, v.Cookie)
	}
	again, err := s.Verify(cookie, time.Unix(v.Now, 0), time.Duration(v.MaxAge)*time.Second)
	if err != nil || again.Payload != text || again.Key != v.activeID(t) {
		t.Errorf("our own cookie: %v", err)
	}
}

// annotated reads a value that is described with its Python type.
func annotated(t testing.TB, raw json.RawMessage) any {
	t.Helper()
	var a struct {
		Type, Base64, UTC, Bits string
		Value                   json.RawMessage
		Items                   []json.RawMessage
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatal(err)
	}
	list := func() []any {
		out := []any{}
		for _, item := range a.Items {
			out = append(out, annotated(t, item))
		}
		return out
	}
	switch a.Type {
	case "null":
		return nil
	case "bool":
		return string(a.Value) == "true"
	case "int":
		n, ok := new(big.Int).SetString(wtf8(t, a.Value), 10)
		if !ok {
			t.Fatalf("int %s", a.Value)
		}
		if n.IsInt64() {
			return n.Int64()
		}
		return n
	case "float":
		var bits uint64
		fmt.Sscanf(a.Bits, "%x", &bits)
		return math.Float64frombits(bits)
	case "str":
		return wtf8(t, a.Value)
	case "markup":
		return template.HTML(wtf8(t, a.Value))
	case "bytes":
		b, err := base64.StdEncoding.DecodeString(a.Base64)
		if err != nil {
			t.Fatal(err)
		}
		return b
	case "uuid":
		b, err := hex.DecodeString(strings.ReplaceAll(wtf8(t, a.Value), "-", ""))
		if err != nil {
			t.Fatal(err)
		}
		return sojourn.UUID(b)
	case "datetime":
		when, err := time.Parse(time.RFC3339, a.UTC)
		if err != nil {
			t.Fatal(err)
		}
		return when
	case "list":
		return list()
	case "tuple":
		return sojourn.Tuple(list())
	case "dict":
		m := map[string]any{}
		for _, item := range a.Items {
			var pair [2]json.RawMessage
			if err := json.Unmarshal(item, &pair); err != nil {
				t.Fatal(err)
			}
			m[wtf8(t, pair[0])] = annotated(t, pair[1])
		}
		return m
	}
	t.Fatalf("type %q", a.Type)
	return nil
}

// wtf8 reads a string that may be given as UTF-16, for its lone surrogates.
func wtf8(t testing.TB, raw json.RawMessage) string {
	t.Helper()
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var h struct {
		Hex string `json:"utf16be_hex"`
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(h.Hex)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i := 0; i < len(b); i += 2 {
		r := rune(b[i])<<8 | rune(b[i+1])
		if utf16.IsSurrogate(r) && i+3 < len(b) {
			if pair := utf16.DecodeRune(r, rune(b[i+2])<<8|rune(b[i+3])); pair != utf8.RuneError {
				out = utf8.AppendRune(out, pair)
				i += 2
				continue
			}
		}
		if utf16.IsSurrogate(r) {
			out = append(out, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}

// same compares values by type and content; NaN equals NaN, and a time equals
// the same instant.
func same(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && (math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b))
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	case *big.Int:
		b, ok := b.(*big.Int)
		return ok && a.Cmp(b) == 0
	case []any:
		b, ok := b.([]any)
		return ok && sameList(a, b)
	case sojourn.Tuple:
		b, ok := b.(sojourn.Tuple)
		return ok && sameList(a, b)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, ok := b[k]; !ok || !same(v, w) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

func sameList(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !same(a[i], b[i]) {
			return false
		}
	}
	return true
}

// TestBombCost: a cookie that is too large is refused before anything is done
// with it, and no refusal holds a part of the cookie.
func TestBombCost(t *testing.T) {
	v := vectors(t)[0]
	s := v.signer(t)
	huge := strings.Repeat("A", 1<<20) + v.Cookie
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := s.Verify(huge, time.Unix(v.Now, 0), time.Hour); sojourn.ReasonOf(err) != sojourn.ReasonTooLarge {
			t.Fatal(err)
		}
	})
	if allocs > 1 {
		t.Errorf("refusing 1 MiB costs %v allocations", allocs)
	}
	_, err := s.Verify(v.Cookie+"x", time.Unix(v.Now, 0), time.Hour)
	var refused *sojourn.RefusedError
	if !errors.As(err, &refused) || strings.Contains(err.Error(), v.Cookie[:8]) {
		t.Errorf("%v", err)
	}
}
