package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

type holder struct {
	Key    Key
	Ring   *Ring
	Keys   []Key
	Any    any
	PtrKey *Key
	key    Key
	ring   *Ring
	value  Ring
	byName map[string]Key
}

// printable returns everything that could show a key.
func printable(r *Ring) map[string]any {
	k := r.Active()
	h := holder{k, r, []Key{k}, k, &k, k, r, *r, map[string]Key{"k": k}}
	return map[string]any{
		"Key": k, "*Key": &k, "*Ring": r, "Ring": reflect.ValueOf(r).Elem().Interface(), "**Ring": &r,
		"[]Key": []Key{k}, "map": map[string]Key{"k": k}, "array": [1]Key{k},
		"struct": h, "*struct": &h, "unexported": struct{ k Key }{k}, "func": k.Bytes,
		"error": fmt.Errorf("wrapped: %v %w", k, errors.New(r.String())),
	}
}

// spellingsOf returns how the secret would look if it leaked.
func spellingsOf(secret []byte) []string {
	return []string{
		string(secret), strings.ToUpper(string(secret)),
		hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)),
		fmt.Sprintf("% x", secret), fmt.Sprintf("%#v", secret)[len("[]byte{"):50],
		strings.Trim(fmt.Sprintf("%d", secret), "[]")[:40], strings.Trim(fmt.Sprintf("%o", secret), "[]")[:40],
		strings.Trim(fmt.Sprintf("%b", secret), "[]")[:40], strings.Trim(fmt.Sprintf("%U", secret), "[]")[:40],
		base64.StdEncoding.EncodeToString(secret)[:40], strings.Trim(fmt.Sprintf("%q", []rune(string(secret))), "[]")[:40],
	}
}

func TestRedaction(t *testing.T) {
	r := mustNew(t, strongA, strongB)
	leaks := spellingsOf([]byte(strongA))
	check := func(t *testing.T, how, out string) {
		t.Helper()
		for _, leak := range leaks {
			if strings.Contains(out, leak) {
				t.Errorf("%s shows the key: %s", how, out)
			}
		}
	}
	for name, v := range printable(r) {
		t.Run(name, func(t *testing.T) {
			for verb := rune('!'); verb < 127; verb++ {
				for _, flags := range []string{"", "+", "#", " ", "0", "-", "60", ".40", "# 60.3", "[2]*[1]"} {
					format := "%" + flags + string(verb)
					check(t, format, fmt.Sprintf(format, v, 7))
				}
			}
			check(t, "Sprint", fmt.Sprint(v)+fmt.Sprintln(v))

			j, _ := json.Marshal(v) // a func has no JSON
			check(t, "json", string(j))
			x, _ := xml.Marshal(v)
			check(t, "xml", string(x))
			var out bytes.Buffer
			_ = gob.NewEncoder(&out).Encode(v)
			check(t, "gob", out.String())

			out.Reset()
			log.New(&out, "", 0).Print(v)
			for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				l := slog.New(h)
				l.Info("m", "v", v, slog.Group("g", "v", v))
				l.With("v", v).Info(fmt.Sprint(v))
			}
			check(t, "log", out.String())
			check(t, "reflection", dump(reflect.ValueOf(v), 0))
		})
	}
}

// dump prints a value as debuggers of tests do: through pointers, interfaces
// and unexported fields, and without asking its methods.
func dump(v reflect.Value, depth int) string {
	if depth > 12 || !v.IsValid() {
		return ""
	}
	var out strings.Builder
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		out.WriteString(dump(v.Elem(), depth+1))
	case reflect.Struct:
		for _, field := range v.Fields() {
			out.WriteString(dump(field, depth+1))
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b := make([]byte, v.Len())
			for i := range b {
				b[i] = byte(v.Index(i).Uint())
			}
			return string(b)
		}
		for i := range v.Len() {
			out.WriteString(dump(v.Index(i), depth+1))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			out.WriteString(dump(v.MapIndex(k), depth+1))
		}
	case reflect.String:
		return v.String()
	}
	return out.String()
}

// TestDump proves that dump would find a key that is not hidden.
func TestDump(t *testing.T) {
	naked := &struct{ inner any }{&struct{ secret []byte }{[]byte(strongA)}}
	if !strings.Contains(dump(reflect.ValueOf(naked), 0), strongA) {
		t.Error("dump does not see a plain secret")
	}
}

func TestRedactedForm(t *testing.T) {
	r := mustNew(t, strongA, strongB)
	k := r.Active()
	key := "keys.Key(" + k.ID() + ")"
	ring := "keys.Ring(" + k.ID() + ", " + r.All()[1].ID() + ")"
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%c", "%U"} {
		if got := fmt.Sprintf(verb, k); got != key {
			t.Errorf("%s of a key = %s", verb, got)
		}
		if got := fmt.Sprintf(verb, r); got != ring {
			t.Errorf("%s of a ring = %s", verb, got)
		}
	}
	if k.GoString() != key || r.GoString() != ring {
		t.Error("GoString differs from String")
	}
	j, err := json.Marshal([]any{k, &k, r, map[string]any{"k": k}})
	if want := fmt.Sprintf(`[%q,%q,%q,{"k":%q}]`, key, key, ring, key); err != nil || string(j) != want {
		t.Errorf("json = %s, %v", j, err)
	}
	text, err := r.MarshalText()
	if err != nil || string(text) != ring {
		t.Errorf("text = %s, %v", text, err)
	}
	if text, err = k.MarshalText(); err != nil || string(text) != key {
		t.Errorf("text = %s, %v", text, err)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "k", k, "r", r)
	if !strings.Contains(out.String(), key) || !strings.Contains(out.String(), ring) {
		t.Errorf("slog: %s", out.String())
	}
}
