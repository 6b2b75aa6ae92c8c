package keys

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

const (
	lineA = "state=active created=2026-03-01T09:00:00Z since=2026-03-02T09:00:00Z key=" + strongA
	lineB = "state=read-only since=2026-03-02T09:00:00Z key=" + strongB
)

func TestManaged(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for name, text := range map[string]string{
		"as written":  managedHeader + "\n" + lineB + "\n" + lineA + "\n",
		"CRLF":        managedHeader + "\r\n" + lineB + "\r\n" + lineA + "\r\n",
		"no end":      managedHeader + "\n" + lineB + "\n" + lineA,
		"empty lines": managedHeader + "\n" + lineB + "\n" + lineA + "\n\n \n",
		"other zone":  managedHeader + "\n" + lineB + "\n" + strings.Replace(lineA, "T09:00:00Z", "T11:00:00+02:00", 1),
		"indented":    managedHeader + "\n\t" + lineB + " \n  " + lineA,
	} {
		r, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := r.Info()
		if len(got) != 2 || !got[0].Created.Equal(at) || !got[0].Since.Equal(at.AddDate(0, 0, 1)) || !got[1].Created.IsZero() || !got[1].Since.Equal(at.AddDate(0, 0, 1)) {
			t.Errorf("%s: %+v", name, got)
		}
		if !r.Active().has([]byte(strongA)) || got[1].State != ReadOnly {
			t.Errorf("%s: %v", name, got)
		}
	}
	weak := managed("active "+strongA, "retired dev")
	if _, err := Parse([]byte(weak)); err != nil {
		t.Errorf("a retired key is judged: %v", err)
	}
}

func TestManagedRefuses(t *testing.T) {
	h := managedHeader + "\n"
	for text, want := range map[string]string{
		managedHeader:                                                        "line 1: no key follows; add one with: sojourn key add FILE",
		"# sojourn keys 2\n" + lineA:                                         `line 1: the line is none that this version knows; it knows "# sojourn keys 1"`,
		"# sojourn keys 10\n" + lineA:                                        "line 1: the line is none that this version knows",
		"# sojourn keys\n" + lineA:                                           "line 1: the line is none that this version knows",
		"# Sojourn keys 1\n" + lineA:                                         "line 1: the line looks like a comment",
		lineA:                                                                "line 1: the line belongs to the managed form",
		h + lineA + "\n\n" + lineB:                                           "line 3: the line is empty; remove it",
		h + lineA + "\n# old\n":                                              "line 3: the line does not begin with state=",
		h + lineA + "\n" + strongB:                                           "line 3: the line does not begin with state=",
		h + lineA + "\nstate=old key=" + strongB:                             "line 3: the line does not begin with state=, a space behind it, and one of active",
		h + lineA + "\nstate= key=" + strongB:                                "line 3: the line does not begin with state=",
		h + lineA + "\nState=next key=" + strongB:                            "line 3: the line does not begin with state=",
		h + lineA + "\nstate=next":                                           "line 3: the line does not begin with state=",
		h + lineA + "\nstate=next  key=" + strongB:                           "line 3: the line has no key=, or something else before it",
		h + lineA + "\nstate=next by=me key=" + strongB:                      "line 3: the line has no key=, or something else before it",
		h + lineA + "\nstate=next key=":                                      "line 3: key= is empty; make a key with",
		h + lineA + "\nstate=next key=base64:":                               "line 3: the key is empty",
		h + lineA + "\nstate=next key=base64:*":                              `line 3: what follows "base64:" is not base64`,
		h + lineA + "\nstate=next key=\xff" + strongB:                        "line 3: the line is not plain text",
		h + lineA + "\nstate=next created=yesterday key=x":                   "line 3: created= is no time in RFC 3339",
		h + lineA + "\nstate=next created= key=" + strongB:                   "line 3: created= is no time in RFC 3339",
		h + lineA + "\nstate=next since=2026-13-01T09:00:00Z key=" + strongB: "line 3: since= is no time in RFC 3339",
		h + lineA + "\nstate=next since=2026-03-01T09:00:00Z created=2026-03-01T09:00:00Z key=" + strongB: "line 3: the line has no key=, or something else before it",
		h + lineA + "\nstate=active key=" + strongB:                                                       "line 3: the key is active, and so is that of key text, line 2; exactly one key writes",
		h + lineB: "no key is active, and one has to write; set state=active on its line",
		h + lineA + "\nstate=retired key=" + strongA:                          "line 3: the key is the same as key text, line 2",
		h + lineA + "\nstate=next key=dev":                                    "line 3: the key has only 3",
		h + lineA + "\nstate=read-only key=" + strongB + "," + strongC + "xx": "line 3: the line is a list of keys",
	} {
		r, err := Parse([]byte(text))
		if r != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want %q", text, r, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), strongA) || strings.Contains(err.Error(), strongB)) {
			t.Errorf("error holds a key: %v", err)
		}
	}
}

// FuzzManaged: what is accepted has one active key, and is the same when it is
// written and read again; errors hold no key.
func FuzzManaged(f *testing.F) {
	h := managedHeader + "\n"
	for _, seed := range []string{
		h + lineA, h + lineA + "\n" + lineB + "\n", h + lineB, managedHeader, "# sojourn keys 2\n" + lineA, lineA,
		h + "state=active key=base64:" + strings.Repeat("Qk0x", 12), h + "state=active created=2026-03-01T09:00:00.5+02:00 key=" + strongC,
		h + lineA + "\nstate=retired key=dev", h + lineA + "\nstate=next key= \u00a0" + strongB, h + "state=active since=0001-01-01T00:00:00Z key=" + strongA,
		strongA + "\n" + strongB, "base64:IyBhIGNvbW1lbnQgdGhhdCBpcyBhIGtleQ", "base64:c3BhY2UgYXQgdGhlIGVuZCBvZiBhIGtleSA",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Parse(text, InsecureAllowWeak())
		if err != nil {
			for line := range bytes.Lines(text) {
				_, key, _ := bytes.Cut(bytes.TrimSpace(line), []byte("key="))
				if len(key) >= 8 && strings.Contains(err.Error(), string(key)) && !strings.Contains(everyMessage, string(key)) {
					t.Fatalf("error holds the key %q: %v", key, err)
				}
			}
			return
		}
		active := 0
		for _, info := range r.Info() {
			if info.State == Active {
				active++
			}
		}
		if active != 1 || r.Info()[0].ID != r.Active().ID() {
			t.Fatalf("%d active keys", active)
		}
		list := split(text, "x")
		written := formatManaged(list)
		again, err := Parse(written, InsecureAllowWeak())
		if err != nil || !bytes.Equal(formatManaged(split(written, "x")), written) {
			t.Fatalf("written as %q: %v", written, err)
		}
		was, is := NewDerived(r, Key.Bytes).Entries(), NewDerived(again, Key.Bytes).Entries()
		before := r.Info()
		if len(was) != len(is) {
			t.Fatalf("%d keys have become %d", len(was), len(is))
		}
		for i, info := range again.Info() {
			w := before[i]
			if !info.Created.Equal(w.Created) || !info.Since.Equal(w.Since) || info.State != w.State || !bytes.Equal(was[i].Value, is[i].Value) {
				t.Fatalf("%+v has become %+v", w, info)
			}
		}
	})
}
