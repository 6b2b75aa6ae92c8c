package revoked

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/store"
)

// TestParseEntry: what is not exactly what this version writes is an error, and
// never "nothing has ended".
func TestParseEntry(t *testing.T) {
	const spared = "abAAAAAAAAAAAAAAAAAAAAAA"
	for text, want := range map[string]entry{
		`{"ends":[{"until":1}]}`: {nil, ends{{1, ""}}},
		`{"owner":"YWxpY2U=","ends":[{"until":5,"except":"` + spared + `"},{"until":7}]}`: {[]byte("alice"), ends{{5, spared}, {7, ""}}},
	} {
		if got, err := parseEntry(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		if got := want.text(); got != text {
			t.Errorf("%s is written %s", text, got)
		}
	}
	for _, text := range []string{
		"", "null", "[]", "{}", `"x"`, `{"ends":null}`, `{"ends":[]}`, `{"ends":[{}]}`, `{"ends":[null]}`,
		`{"ends":[{"until":0}]}`, `{"ends":[{"until":-5}]}`, `{"ends":[{"until":1.5}]}`, `{"ends":[{"until":"1"}]}`, `{"ends":[{"until":1e3}]}`,
		`{"ends":[{"Until":1}]}`, `{"Ends":[{"until":1}]}`, `{"ends":[{"until":1}],"ends":[{"until":2}]}`,
		`{"ends":[{"until":1,"from":2}]}`, `{"ends":[{"until":1}],"more":1}`, `{"more":1,"ends":[{"until":1}]}`,
		`{"ends":[{"until":1}]} `, `{"ends":[{"until":1}]}{}`, ` {"ends":[{"until":1}]}`, `{"ends":[{"until":1}]`,
		`{"owner":"","ends":[{"until":1}]}`, `{"owner":"alice","ends":[{"until":1}]}`, `{"owner":null,"ends":[{"until":1}]}`,
		`{"ends":[{"until":1,"except":""}]}`, `{"ends":[{"until":1,"except":"x"}]}`, `{"ends":[{"until":99999999999999999999}]}`,
		`{"ends":[{"until":1,"except":"zz` + spared[2:] + `"}]}`,
	} {
		if got, err := parseEntry(text); err == nil {
			t.Errorf("%s is read as %v", text, got)
		}
	}
}

// TestRecordNames: the handles of records are those that docs/formats.md says, and
// what version 1 wrote, every later version asks for.
func TestRecordNames(t *testing.T) {
	text, err := os.ReadFile("testdata/records.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Sessions, Owners, Next map[string]string
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&golden); err != nil || len(golden.Sessions) < 3 || len(golden.Owners) < 5 || len(golden.Next) < 2 {
		t.Fatal(golden, err)
	}
	for session, want := range golden.Sessions {
		if got, ok := flip(session); got != want || !ok {
			t.Errorf("session %s: %s", session, got)
		}
		if back, ok := flip(want); back != session || !ok {
			t.Errorf("record %s: %s", want, back)
		}
	}
	for owner, want := range golden.Owners {
		if got := ownerRecord(strings.ReplaceAll(owner, "×300", strings.Repeat("x", 300))); got != want {
			t.Errorf("owner %q: %s", owner, got)
		}
	}
	for session, want := range golden.Next {
		if got := handle.Next(session); got != want {
			t.Errorf("after %s: %s", session, got)
		}
	}
	for _, bad := range []string{"", "x", strings.Repeat("-", 24), strings.Repeat("a", 25)} {
		if got, ok := flip(bad); ok || got != "" {
			t.Errorf("%q is turned into %q", bad, got)
		}
	}
}

// TestRecordFits: a record can be kept by every store, and says who the owner is
// to those who look at the store, if he is not longer than stores have to take.
func TestRecordFits(t *testing.T) {
	for owner, want := range map[string]string{
		"": everybody, "alice": "alice", everybody: everybody,
		strings.Repeat("x", store.MaxOwner): strings.Repeat("x", store.MaxOwner), strings.Repeat("x", store.MaxOwner+1): everybody,
	} {
		if got := recordOwner(owner); got != want {
			t.Errorf("%q: %q", owner, got)
		}
		if name := ownerRecord(owner); name[:2] != store.Bucket(want) {
			t.Errorf("%q: record %s", owner, name)
		}
	}
	if ownerRecord("") == ownerRecord(everybody) {
		t.Error("everybody is an owner of that name")
	}
	now := time.UnixMilli(1_750_000_000_123).Add(456 * time.Microsecond)
	rec := record("h", "o", "f", now, now.Add(time.Hour))
	if rec.Kind != store.KindRevocation || rec.Version == 0 || !rec.Created.Equal(time.UnixMilli(1_750_000_000_123)) ||
		!rec.Deadline().Equal(rec.Created.Add(time.Hour)) || rec.Created.Location() != time.UTC {
		t.Errorf("%+v", rec)
	}
}
