package anatomy

import (
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn"
)

func TestOf(t *testing.T) {
	for _, test := range []struct {
		name, cookie string
		lenient      bool
		reason       sojourn.Reason // of the whole
		json         string
		payload      sojourn.Reason
		issued       int64
		timestamp    sojourn.Reason
	}{
		{name: "plain", cookie: "eyJhIjoxfQ.ZVPxAA.whatever", json: `{"a":1}`, issued: 1700000000},
		{name: "no time", cookie: "eyJhIjoxfQ..", json: `{"a":1}`},
		{name: "leading zero", cookie: "eyJhIjoxfQ.AGVT8QA.x", json: `{"a":1}`, timestamp: "malformed"},
		{name: "year 6325", cookie: "eyJhIjoxfQ.IAAAAAA.x", json: `{"a":1}`, issued: 137438953472},
		{name: "largest time", cookie: "eyJhIjoxfQ.__________8.x", json: `{"a":1}`, issued: 1 << 62},
		{name: "bad payload", cookie: "!.ZVPxAA.x", payload: "payload", issued: 1700000000},
		{name: "list", cookie: "WzFd.ZVPxAA.x", json: "[1]", payload: "payload", issued: 1700000000},
		{name: "bad time", cookie: "e30.!.x", json: "{}", timestamp: "malformed"},
		{name: "lenient", cookie: "e3!!!!0.ZV!!!!PxAA.x", lenient: true, json: "{}", issued: 1700000000},
		{name: "strict", cookie: "e3!!!!0.ZV!!!!PxAA.x", payload: "payload", timestamp: "malformed"},
		{name: "one dot", cookie: "a.b", reason: "malformed"},
		{name: "no dot", cookie: "ab", reason: "malformed"},
		{name: "nothing", reason: "malformed"},
		{name: "huge", cookie: strings.Repeat("A", 1<<16) + ".b.c", reason: "too-large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Of(test.cookie, test.lenient)
			if sojourn.ReasonOf(err) != test.reason || (err != nil) != (test.reason != "") {
				t.Fatalf("%v, want %q", err, test.reason)
			}
			if err != nil {
				return
			}
			if p.Payload+"."+p.Timestamp+"."+p.Signature != test.cookie {
				t.Errorf("the parts are not the whole: %+v", p)
			}
			if p.JSON != test.json || sojourn.ReasonOf(p.PayloadErr) != test.payload {
				t.Errorf("payload %q (%v)", p.JSON, p.PayloadErr)
			}
			if sojourn.ReasonOf(p.TimestampErr) != test.timestamp || p.TimestampErr == nil && p.IssuedAt.Unix() != test.issued {
				t.Errorf("issued at %d (%v)", p.IssuedAt.Unix(), p.TimestampErr)
			}
		})
	}
}

func TestIndent(t *testing.T) {
	for _, test := range []struct{ json, want string }{
		{`{}`, `{}`},
		{`{"a":1}`, "{\n  \"a\": 1\n}"},
		{`{ "a" : NaN , "b":-1e400,"c":12345678901234567890123}`, "{\n  \"a\": NaN,\n  \"b\": -1e400,\n  \"c\": 12345678901234567890123\n}"},
		{`{"a":{" t":[1,"x, {y}: \" "]}}`, "{\n  \"a\": {\" t\": [1, \"x, {y}: \\\" \"]}\n}"},
		{`{"a":[` + strings.Repeat("10,", 30) + `10]}`, "{\n  \"a\": [\n" + strings.Repeat("    10,\n", 30) + "    10\n  ]\n}"},
		{`{"a":"\ud800","b":"é` + "\u202e\x7f\U000e0001" + `"}`, "{\n  \"a\": \"\\ud800\",\n  \"b\": \"é\\u202e\\u007f\\udb40\\udc01\"\n}"},
		{"[\"\x1b[2J\xff", "[\n  \"\\u001b[2J\\xff"}, // whatever comes in
	} {
		if got := Indent(test.json); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.json, got, test.want)
		}
	}
}

// TestIndentIsBounded: a small hostile payload does not become a huge page.
func TestIndentIsBounded(t *testing.T) {
	deep := strings.Repeat("[", 200) + strings.Repeat("1,", 1<<15) + "1" + strings.Repeat("]", 200)
	if got := Indent(deep); len(got) > 50*len(deep) {
		t.Errorf("%d bytes became %d", len(deep), len(got))
	}
}

// FuzzIndent: only white space and escapes differ from what came in.
func FuzzIndent(f *testing.F) {
	f.Add(`{"a":[1,{" t":[]}],"b":"\\"}`)
	f.Add(`}]"`)
	f.Fuzz(func(t *testing.T, json string) {
		if strings.ContainsFunc(json, func(r rune) bool { return r > 0x7e || r < 0x20 }) {
			return
		}
		squash := func(s string) string { return strings.Join(strings.Fields(s), "") }
		if got := Indent(json); squash(got) != squash(json) {
			t.Errorf("%q became %q", json, got)
		}
	})
}
