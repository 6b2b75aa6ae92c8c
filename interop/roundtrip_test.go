package interop

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sojourn-go/sojourn/flask"
)

// batch is how many sessions go through Flask in one exchange. rapid makes 100
// batches, unless told otherwise.
const batch = 40

// enough is how many sessions a run has to compare in each direction.
const enough = 2000

var batches = rapid.SliceOfN(session, batch, batch)

// aTime draws a time of issue: now-like ones, and the borders of the stamp's
// bytes.
var aTime = rapid.OneOf(
	rapid.Int64Range(1_500_000_000, 2_500_000_000),
	rapid.SampledFrom([]int64{0, 1, 255, 256, 65535, 65536, 1<<24 - 1, 1 << 24, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 253402300799}),
)

// A tally counts what a property compared, so that a run which compared little
// does not pass for proof. Runs that were asked to be short may.
type tally struct{ sessions, compressed, plain int }

func (c *tally) check(t *testing.T) {
	t.Helper()
	t.Logf("%d sessions compared, %d of them compressed", c.sessions, c.compressed)
	if t.Failed() || testing.Short() {
		return
	}
	if c.sessions < enough {
		t.Errorf("only %d sessions: run without -rapid.checks", c.sessions)
	}
	if c.compressed == 0 || c.plain == 0 {
		t.Error("sessions were all compressed or all not")
	}
}

func (c *tally) add(cookie string) {
	c.sessions++
	if cookie[0] == '.' {
		c.compressed++
	} else {
		c.plain++
	}
}

// TestGoWritesFlaskReads: whatever a Go program keeps, Flask reads as the same
// values of the same types, and would write as the same text.
func TestGoWritesFlaskReads(t *testing.T) {
	t.Parallel()
	python, s := newCodec(t), signer(t, keyA)
	var count tally
	rapid.Check(t, func(t *rapid.T) {
		sessions := batches.Draw(t, "sessions")
		at := aTime.Draw(t, "at")
		ops, texts := make([]operation, len(sessions)), make([]string, len(sessions))
		for i, fields := range sessions {
			var err error
			if texts[i], err = flask.Encode(fields); err != nil {
				t.Fatalf("Encode: %v", err)
			}
			cookie, err := s.Sign(texts[i], time.Unix(at, 0))
			if err != nil {
				t.Fatalf("Sign(%s): %v", texts[i], err)
			}
			count.add(cookie)
			ops[i] = operation{Do: "load", Cookie: cookie, Now: new(at + 60)}
		}
		for i, r := range python.do(t, ops...) {
			if r.Verdict != "session" || r.At != at {
				t.Fatalf("Flask: %s (%s), issued %d, of %s, issued %d", r.Verdict, r.Error, r.At, texts[i], at)
			}
			same(t, "Flask read", r.Session, describe(sessions[i]))
			if r.JSON != texts[i] {
				t.Fatalf("Go wrote   %s\nFlask would %s", texts[i], r.JSON)
			}
		}
	})
	count.check(t)
}

// TestFlaskWritesGoReads is the other direction.
func TestFlaskWritesGoReads(t *testing.T) {
	t.Parallel()
	python, s := newCodec(t), signer(t, keyA)
	var count tally
	rapid.Check(t, func(t *rapid.T) {
		sessions := batches.Draw(t, "sessions")
		at := aTime.Draw(t, "at")
		ops := make([]operation, len(sessions))
		for i, fields := range sessions {
			ops[i] = operation{Do: "dump", Session: describe(fields), Now: &at}
		}
		for i, r := range python.do(t, ops...) {
			count.add(r.Cookie)
			v, err := s.Verify(r.Cookie, time.Unix(at, 0), 0)
			if err != nil {
				t.Fatalf("Verify: %v, of %s", err, r.JSON)
			}
			if v.Payload != r.JSON || v.IssuedAt.Unix() != at {
				t.Fatalf("read %s, issued %d, of %s, issued %d", v.Payload, v.IssuedAt.Unix(), r.JSON, at)
			}
			fields, err := flask.Decode(v.Payload)
			if err != nil {
				t.Fatalf("Decode(%s): %v", v.Payload, err)
			}
			same(t, "Go read", describe(fields), describe(sessions[i]))
			again, err := flask.Encode(fields)
			if err != nil || again != r.JSON {
				t.Fatalf("Flask wrote %s\nGo would    %s (%v)", r.JSON, again, err)
			}
		}
	})
	count.check(t)
}

// TestAge: both sides agree to the second on how old a cookie may be, and that
// one from the future is none.
func TestAge(t *testing.T) {
	t.Parallel()
	python, s := newCodec(t), signer(t, keyA)
	rapid.Check(t, func(t *rapid.T) {
		at := aTime.Draw(t, "at")
		now := max(0, at+rapid.Int64Range(-3, 100).Draw(t, "age"))
		maxAge := rapid.Int64Range(0, 100).Draw(t, "max age")
		cookie, err := s.Sign(`{"a":1}`, time.Unix(at, 0))
		if err != nil {
			t.Fatal(err)
		}
		r := python.do(t, operation{Do: "load", Cookie: cookie, Now: &now, MaxAge: &maxAge})[0]
		_, err = s.Verify(cookie, time.Unix(now, 0), time.Duration(maxAge)*time.Second)
		if (err == nil) != (r.Verdict == "session") {
			t.Fatalf("issued %d, now %d, may be %d s old: Flask %s (%s), Go %v", at, now, maxAge, r.Verdict, r.Error, err)
		}
	})
}

// same compares annotated values.
func same(t rapid.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		t.Fatalf("%s %s\nwant %s", what, a, b)
	}
}
