package interop

import (
	"crypto"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

// The moment at which the cookies of these tests are made and read.
var moment = time.Unix(1_700_000_000, 0)

// read is what a Go program gets from a cookie: Verify and Decode have to agree
// on what they accept.
func read(t rapid.TB, s *flask.Signer, cookie string) (fields map[string]any, err error) {
	t.Helper()
	v, err := s.Verify(cookie, moment, time.Hour)
	if err != nil {
		return nil, err
	}
	if fields, err = flask.Decode(v.Payload); err != nil {
		t.Fatalf("Verify accepts %q, Decode says %v", v.Payload, err)
	}
	return fields, nil
}

// edit changes a text in a few random places.
func edit(t *rapid.T, text string, with *rapid.Generator[string]) string {
	for range rapid.IntRange(1, 3).Draw(t, "edits") {
		i := rapid.IntRange(0, len(text)).Draw(t, "at")
		j := min(len(text), i+rapid.IntRange(0, 2).Draw(t, "remove"))
		text = text[:i] + with.Draw(t, "put") + text[j:]
	}
	return text
}

// stricter checks cookies that may or may not be good: what Go accepts, Flask
// accepts with the same content. Flask accepts more. It returns how many
// cookies Go accepted.
func stricter(t *rapid.T, python *codec, s *flask.Signer, cookies []string) (accepted int) {
	ops := make([]operation, len(cookies))
	for i, c := range cookies {
		ops[i] = operation{Do: "load", Cookie: c, Now: new(moment.Unix()), MaxAge: new(int64(3600))}
	}
	for i, r := range python.do(t, ops...) {
		fields, err := read(t, s, cookies[i])
		if err != nil {
			continue
		}
		accepted++
		if r.Verdict != "session" {
			t.Fatalf("Go accepts %q (%s), Flask does not: %s (%s)", cookies[i], wire(cookies[i]), r.Verdict, r.Error)
		}
		same(t, "of "+cookies[i]+" Go read", sorted(describe(fields)), sorted(r.Session))
	}
	return accepted
}

// sorted puts the members of mappings in order: a cookie that was edited may
// have them in another.
func sorted(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, x := range m {
		out[k] = x
	}
	items, _ := m["items"].([]any)
	if items == nil {
		return out
	}
	list := make([]any, len(items))
	for i, item := range items {
		list[i] = sorted(item)
		if pair, ok := item.([]any); ok {
			list[i] = []any{pair[0], sorted(pair[1])}
		}
	}
	if m["type"] == "dict" {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(keyOf(a), keyOf(b)) })
	}
	out["items"] = list
	return out
}

func keyOf(item any) string {
	switch k := item.([]any)[0].(type) {
	case string:
		return k
	case map[string]any:
		hex, _ := k["utf16be_hex"].(string)
		return "\xff" + hex
	}
	return ""
}

// TestEditedCookies: no edit of a cookie gets past Go that does not get past
// Flask.
func TestEditedCookies(t *testing.T) {
	t.Parallel()
	python, s := newCodec(t), signer(t, keyA)
	put := rapid.OneOf(
		rapid.StringMatching(`[A-Za-z0-9_-]`),
		rapid.SampledFrom([]string{"", ".", "..", "=", "==", "+", "/", " ", "!", "!!!!", "\"", "\t", "\r", "\n", "\x00", "é", "A", "AA"}))
	rapid.Check(t, func(t *rapid.T) {
		cookie, err := s.Sign(encode(t, session.Draw(t, "session")), moment)
		if err != nil {
			t.Fatal(err)
		}
		cookies := []string{cookie, cookie + "=", cookie + "==", cookie + "!!", cookie + "\n", "." + cookie}
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		for _, c := range alphabet { // four spellings of the signature's end are good for Flask
			cookies = append(cookies, cookie[:len(cookie)-1]+string(c))
		}
		for range 10 {
			cookies = append(cookies, edit(t, cookie, put))
		}
		unchanged := 0
		for _, c := range cookies {
			if c == cookie {
				unchanged++
			}
		}
		if n := stricter(t, python, s, cookies); n != unchanged {
			t.Fatalf("Go accepts %d spellings of one cookie", n-unchanged+1)
		}
	})
}

// TestEditedPayloads: with the right signature on a damaged payload, as an
// application with another serializer would make, Go accepts nothing that
// Flask does not, and nothing that it reads otherwise.
func TestEditedPayloads(t *testing.T) {
	t.Parallel()
	python, s := newCodec(t), signer(t, keyA)
	put := rapid.OneOf(
		rapid.StringMatching(`[ -~]`),
		rapid.SampledFrom([]string{
			"", `"`, `\`, `\u`, `\ud800`, `\udc00`, `\u0000`, `\/`, `\'`, "{", "}", "[", "]", "[]", "{}", ",", ":", `"a":1,`, ",1", " ", "\n", "\t", "\v",
			"\x00", "\x1f", "\x7f", "\xff", "\xed\xa0\x80", "é", "\ufeff", "-", "+", "0", "00", ".", "e", "E", "e5", ".5", "1e999", "-0", "-0.0", "0x1",
			"null", "true", "NaN", "Infinity", "-Infinity", "-NaN", "nan", "1_0", "//", "/**/",
			`{" t":[1]}`, `{" t":"ab"}`, `{" b":"AA=="}`, `{" b":"A"}`, `{" b":"A A="}`, `{" m":"<b>"}`, `{" m":1}`, `{" m":null}`,
			`{" u":"12345678123456781234567812345678"}`, `{" u":"x"}`, `{" u":"{12345678-1234-5678-1234-567812345678}"}`,
			`{" d":"Thu, 29 Feb 2024 12:34:56 GMT"}`, `{" d":"Fri, 29 Feb 2024 12:34:56 GMT"}`, `{" d":"Thu, 29 Feb 2024 12:34:56 +0530"}`,
			`{" d":"Thu, 29 Feb 2024 24:00:00 GMT"}`, `{" d":"Thu, 30 Feb 2024 12:34:56 GMT"}`, `{" d":"29 Feb 2024 12:34:56 GMT"}`,
			`{" d":"Mon, 01 Jan 0069 00:00:00 GMT"}`, `{" d":null}`, `{" d":1}`,
			`{" di":{" t__":1}}`, `{" di":{"xyz":1}}`, `{" di":1}`, `{" di":{}}`, `{" t":[1]," t":[2]}`, `{" t":[1]," b":""}`,
		}))
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		const n = 20
		ops := make([]operation, n)
		for i := range ops {
			text := edit(t, encode(t, session.Draw(t, "session")), put)
			if rapid.IntRange(0, 4).Draw(t, "in place of a value") == 0 {
				text = `{"a":` + put.Draw(t, "value") + `}`
			}
			ops[i] = operation{Do: "sign", Payload: []byte(text), Now: new(moment.Unix())}
		}
		cookies := make([]string, n)
		for i, r := range python.do(t, ops...) {
			cookies[i] = r.Cookie
		}
		accepted += stricter(t, python, s, cookies)
	})
	t.Logf("Go accepted %d edited payloads", accepted)
	if accepted == 0 && !t.Failed() {
		t.Error("Go accepted none, so nothing was compared")
	}
}

// TestForeignCookies: both sides refuse what another key, salt or digest
// signed.
func TestForeignCookies(t *testing.T) {
	t.Parallel()
	python, s := newCodec(t), signer(t, keyA)
	foreign := []*flask.Signer{signer(t, keyB), signer(t, keyB, keyA)}
	for _, opt := range []flask.Option{
		flask.Salt("cookie-sessions"), flask.Salt(""), flask.Digest(crypto.SHA256), flask.Digest(crypto.SHA512),
		flask.KeyDerivation(flask.DeriveConcat), flask.KeyDerivation(flask.DeriveDjangoConcat), flask.KeyDerivation(flask.DeriveNone),
	} {
		other, err := flask.NewSigner(ring(t, keyA), opt)
		if err != nil {
			t.Fatal(err)
		}
		foreign = append(foreign, other)
	}
	similar, err := keys.New(secrets(keyA + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	newline, err := flask.NewSigner(similar)
	if err != nil {
		t.Fatal(err)
	}
	foreign = append(foreign, newline)
	rapid.Check(t, func(t *rapid.T) {
		text := encode(t, session.Draw(t, "session"))
		var ops []operation
		for i, f := range foreign {
			cookie, err := f.Sign(text, moment)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := read(t, s, cookie); err == nil {
				t.Fatalf("Go accepts the cookie of foreign signer %d", i)
			}
			ops = append(ops, operation{Do: "load", Cookie: cookie, Now: new(moment.Unix())})
		}
		ops = append(ops, // the same from Flask
			operation{Do: "dump", Keys: secrets(keyB), Session: describe(map[string]any{"a": int64(1)}), Now: new(moment.Unix())},
			operation{Do: "dump", Salt: "other", Session: describe(map[string]any{"a": int64(1)}), Now: new(moment.Unix())})
		results := python.do(t, ops...)
		for i, r := range results[:len(foreign)] {
			if r.Verdict != "refused" {
				t.Fatalf("Flask: %s of the cookie of foreign signer %d", r.Verdict, i)
			}
		}
		for i, r := range results[len(foreign):] {
			if _, err := read(t, s, r.Cookie); err == nil {
				t.Fatalf("Go accepts Flask's foreign cookie %d", i)
			}
		}
	})
}

func encode(t rapid.TB, fields map[string]any) string {
	t.Helper()
	text, err := flask.Encode(fields)
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	return text
}
