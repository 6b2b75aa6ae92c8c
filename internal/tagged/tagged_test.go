package tagged_test

import (
	"encoding/json"
	"errors"
	"html/template"
	"math"
	"math/big"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/tagged"
)

func integer(s string) *big.Int { n, _ := new(big.Int).SetString(s, 10); return n }

// both are values and their texts, in both directions.
var both = []struct {
	v    any
	text string
}{
	{nil, `null`}, {true, `true`}, {false, `false`},
	{int64(0), `0`}, {int64(-5), `-5`}, {int64(math.MaxInt64), `9223372036854775807`}, {integer("9223372036854775808"), `9223372036854775808`},
	{integer("-123456789012345678901234567890"), `-123456789012345678901234567890`},
	{0.0, `0.0`}, {math.Copysign(0, -1), `-0.0`}, {1.0, `1.0`}, {0.1, `0.1`}, {1e15, `1000000000000000.0`}, {1e16, `1e+16`},
	{1.2345678901234568e17, `1.2345678901234568e+17`}, {0.0001, `0.0001`}, {0.00001, `1e-05`}, {1.5e-5, `1.5e-05`}, {5e-324, `5e-324`},
	{1.7976931348623157e308, `1.7976931348623157e+308`}, {math.Inf(1), `Infinity`}, {math.Inf(-1), `-Infinity`}, {9007199254740993.0, `9007199254740992.0`},
	{"", `""`}, {"a/b<c>&'", `"a/b<c>&'"`}, {"\"\\\n\r\t\f\b", `"\"\\\n\r\t\f\b"`}, {"\x00\x1f\x7f", `"\u0000\u001f\u007f"`},
	{"é", `"\u00e9"`}, {"\U0001f600", `"\ud83d\ude00"`}, {"\u2028", `"\u2028"`}, {"\xed\xa0\x80", `"\ud800"`}, {"\xed\xbf\xbfx", `"\udfffx"`},
	{[]any{}, `[]`}, {[]any{int64(1), "a", nil}, `[1,"a",null]`}, {map[string]any{}, `{}`}, {map[string]any{"b": int64(1), "a": int64(2)}, `{"a":2,"b":1}`},
	{map[string]any{"\ue000": int64(1), "\U0001f600": int64(2)}, `{"\ue000":1,"\ud83d\ude00":2}`}, // by code point, not by UTF-16 unit
	{tagged.Tuple{}, `{" t":[]}`}, {tagged.Tuple{[]any{tagged.Tuple{int64(1)}}}, `{" t":[[{" t":[1]}]]}`},
	{[]byte{}, `{" b":""}`}, {[]byte{0xff, 0}, `{" b":"/wA="}`}, {template.HTML("<b>"), `{" m":"<b>"}`},
	{tagged.UUID{0x12, 0x34, 15: 0xff}, `{" u":"123400000000000000000000000000ff"}`},
	{time.Date(2024, 2, 29, 12, 34, 56, 0, time.UTC), `{" d":"Thu, 29 Feb 2024 12:34:56 GMT"}`},
	{time.Date(100, 3, 1, 0, 0, 0, 0, time.UTC), `{" d":"Mon, 01 Mar 0100 00:00:00 GMT"}`},
	{map[string]any{" t": int64(1)}, `{" di":{" t__":1}}`}, {map[string]any{" di": int64(1)}, `{" di":{" di__":1}}`},
	{map[string]any{" t": int64(1), " b": int64(2)}, `{" b":2," t":1}`}, {map[string]any{" q": int64(1)}, `{" q":1}`},
	{map[string]any{" t__": int64(1)}, `{" t__":1}`}, {map[string]any{" d": map[string]any{" d": "x"}}, `{" di":{" d__":{" di":{" d__":"x"}}}}`},
}

func TestBothWays(t *testing.T) {
	for _, test := range both {
		text, err := tagged.Append(nil, test.v)
		if err != nil || string(text) != test.text {
			t.Errorf("Append(%#v) = %s, %v; want %s", test.v, text, err, test.text)
		}
		v, err := tagged.Decode(test.text, false)
		if err != nil || !reflect.DeepEqual(v, test.v) {
			t.Errorf("Decode(%s) = %#v, %v; want %#v", test.text, v, err, test.v)
		}
		var typed any
		if err := tagged.Unmarshal(test.text, &typed); err != nil || !reflect.DeepEqual(typed, test.v) {
			t.Errorf("Unmarshal(%s) = %#v, %v", test.text, typed, err)
		}
	}
	if v, err := tagged.Decode("NaN", false); err != nil || !math.IsNaN(v.(float64)) {
		t.Errorf("NaN: %v %v", v, err)
	}
}

// read are texts that Flask reads but does not write.
var read = []struct {
	text string
	v    any
}{
	{" [ 1 , 2 ] ", []any{int64(1), int64(2)}}, {`{"a":1,"a":2}`, map[string]any{"a": int64(2)}}, {`"\/\u00E9\u00e9"`, "/éé"}, {`"é` + "\x7f" + `"`, "é\x7f"},
	{`-0`, int64(0)}, {`1E2`, 100.0}, {`1e400`, math.Inf(1)}, {`-1E400`, math.Inf(-1)}, {`"\ude00\ud83d"`, "\xed\xb8\x80\xed\xa0\xbd"},
	{`"\ud83d\ud83d\ude00"`, "\xed\xa0\xbd\U0001f600"}, {`{"\u0020t":[1]}`, tagged.Tuple{int64(1)}}, {`{" z":1}`, map[string]any{" z": int64(1)}},
	{`{" u":"12345678-1234-5678-9ABC-def012345678"}`, tagged.UUID{0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x12, 0x34, 0x56, 0x78}},
	{`{" d":null}`, nil}, {`{" d":"not a date"}`, nil}, {`{" d":""}`, nil},
}

func TestRead(t *testing.T) {
	for _, test := range read {
		if v, err := tagged.Decode(test.text, false); err != nil || !reflect.DeepEqual(v, test.v) {
			t.Errorf("Decode(%s) = %#v, %v; want %#v", test.text, v, err, test.v)
		}
	}
}

// TestDates are forms that Python's email package reads; what it makes of them
// was taken from it.
func TestDates(t *testing.T) {
	for text, want := range map[string]string{
		"Thu, 29 Feb 2024 12:34:56 -0000":    "2024-02-29T12:34:56Z",
		"Thu, 29 Feb 2024 12:34:56 +0530":    "2024-02-29T12:34:56+05:30",
		"Thu, 29 Feb 2024 12:34:56 EST":      "2024-02-29T12:34:56-05:00",
		"Thu, 29 Feb 2024 12:34:56":          "2024-02-29T12:34:56Z",
		"29 Feb 2024 12:34:56 GMT":           "2024-02-29T12:34:56Z",
		"Mon, 29 Feb 2024 12:34:56 GMT":      "2024-02-29T12:34:56Z", // a wrong weekday
		"Thu,29 Feb 2024 12:34 GMT":          "2024-02-29T12:34:00Z",
		"Thursday, 29-Feb-24 12:34:56 GMT":   "2024-02-29T12:34:56Z", // RFC 850
		"Thu Feb 29 12:34:56 2024":           "2024-02-29T12:34:56Z", // asctime
		"Mon, 01 Jan 0001 00:00:00 GMT":      "2001-01-01T00:00:00Z",
		"Mon, 01 Jan 0069 00:00:00 GMT":      "1969-01-01T00:00:00Z",
		"Thu, 29 February 2024 12.34.56 GMT": "2024-02-29T12:34:56Z",
		"Thu, 29 Feb 2024 12:34:56 XYZ":      "2024-02-29T12:34:56Z",
		"Fri, 30 Feb 2024 12:34:56 GMT":      "",
		"Thu, 29 Feb 2024 24:00:00 GMT":      "",
		"Thu, 29 Feb 2024 12:34:60 GMT":      "",
		"Thu, 29 Foo 2024 12:34:56 GMT":      "",
		"Thu, 29 Feb 2024":                   "",
		"Thu, 29 Feb 20240 12:34:56 GMT":     "",
		"   ":                                "",
	} {
		raw, _ := json.Marshal(map[string]string{" d": text})
		v, err := tagged.Decode(string(raw), false)
		got := ""
		if when, ok := v.(time.Time); ok {
			got = when.Format(time.RFC3339)
		}
		if err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", text, got, err, want)
		}
	}
}

// refused are texts that Flask answers with an error page, and those that only
// its forgiving readers take: lenient gives what these make of it.
var refused = []struct {
	text    string
	lenient any // nil: refused all the same
}{
	{``, nil}, {`{`, nil}, {`[1`, nil}, {`[1,]`, nil}, {`{"a":1,}`, nil}, {`{"a" 1}`, nil}, {`{a:1}`, nil}, {`{1:2}`, nil}, {`'a'`, nil}, {`"a`, nil}, {`"\x41"`, nil},
	{`"\u12"`, nil}, {`"` + "\x01" + `"`, nil}, {"\"\xff\"", nil}, {"\"\xed\xa0\x80\"", nil}, {"\xef\xbb\xbf1", nil}, {`01`, nil}, {`+1`, nil}, {`.5`, nil}, {`5.`, nil}, {`-NaN`, nil}, {`nan`, nil},
	{`-`, nil}, {`1e`, nil}, {`tru`, nil}, {`1 2`, nil}, {`/* */1`, nil}, {strings.Repeat("9", 4301), nil},
	{`{" b":1}`, nil}, {`{" b":"YQ"}`, nil}, {`{" b":"YQ="}`, nil}, {`{" b":"Y!Q=="}`, []byte("a")}, {`{" b":"YR=="}`, []byte("a")}, {`{" b":"YQ==\n"}`, []byte("a")},
	{`{" t":1}`, nil}, {`{" t":"ab"}`, tagged.Tuple{"a", "b"}}, {`{" t":{"b":1,"a":2}}`, tagged.Tuple{"b", "a"}}, {`{" t":{" t":[1]}}`, tagged.Tuple{int64(1)}}, {`{" t":{" b":"YWI="}}`, tagged.Tuple{int64(97), int64(98)}}, {`{" b":"+A=A=="}`, []byte{0xf8, 0}}, {`{" b":"é"}`, nil},
	{`{" m":5}`, template.HTML("5")}, {`{" m":1.0}`, template.HTML("1.0")}, {`{" m":true}`, template.HTML("True")}, {`{" m":null}`, template.HTML("None")}, {`{" m":[]}`, nil},
	{`{" u":"xyz"}`, nil}, {`{" u":5}`, nil}, {`{" u":"123400000000000000000000000000f"}`, nil}, {`{" u":"{123400000000000000000000000000ff}"}`, tagged.UUID{0x12, 0x34, 15: 0xff}},
	{`{" d":5}`, nil}, {`{" d":[]}`, nil}, {`{" di":5}`, nil}, {`{" di":["q"]}`, nil}, {`{" di":{}}`, nil}, {`{" di":{" t":[1]}}`, nil},
	{`{" di":{"xyz":1}}`, map[string]any{"x": int64(1)}}, {`{" di":{"a__":1,"b__":2}}`, map[string]any{"a": int64(1)}},
	{`{" t":[1]," t":[2]}`, tagged.Tuple{int64(2)}},
	{strings.Repeat("[", 201) + strings.Repeat("]", 201), nil},
}

func TestRefused(t *testing.T) {
	for _, test := range refused {
		if v, err := tagged.Decode(test.text, false); err == nil {
			t.Errorf("Decode(%.60s) = %#v", test.text, v)
		}
		if _, err := tagged.Split(nil, `{"f":`+test.text+`}`, false); err == nil {
			t.Errorf("Split took %.60s", test.text)
		}
		v, err := tagged.Decode(test.text, true)
		if (err == nil) != (test.lenient != nil) || err == nil && !reflect.DeepEqual(v, test.lenient) {
			t.Errorf("lenient %.60s = %#v, %v; want %#v", test.text, v, err, test.lenient)
		}
		if _, splitErr := tagged.Split(nil, `{"f":`+test.text+`}`, true); (splitErr == nil) != (err == nil) {
			t.Errorf("lenient %.60s: Decode says %v, Split %v", test.text, err, splitErr)
		}
	}
	if _, err := tagged.Decode(strings.Repeat("9", 4300), false); err != nil {
		t.Errorf("4300 digits: %v", err)
	}
	if _, err := tagged.Decode(strings.Repeat("[", 200)+strings.Repeat("]", 200), false); err != nil {
		t.Errorf("200 levels: %v", err)
	}
	if _, err := tagged.Decode(strings.Repeat("[", 1<<20), false); !errors.Is(err, tagged.ErrDepth) {
		t.Errorf("a million levels: %v", err)
	}
}

// TestSplit: a session is a mapping, cut into fields as they stand.
func TestSplit(t *testing.T) {
	tests := []struct {
		text    string
		strict  string // the fields as name=raw, or "error"
		lenient string
	}{
		{`{}`, "", ""}, {` {"b" : [1, 2] , "a":"x"} `, `b=[1, 2] a="x"`, ""}, {`{"a":1,"b":2,"a":3}`, `a=3 b=2`, ""},
		{`{" di":{" t__": 5}}`, ` t=5`, ""}, {`{"\u0061":1}`, `a=1`, ""}, {`{" z":1}`, ` z=1`, ""}, {`{" t":[1]," b":2}`, ` t=[1]  b=2`, ""},
		{`null`, "error", ""}, {`[]`, "error", ""}, {`""`, "error", ""}, {`[["a",1]]`, "error", "a=1"}, {`["ab","cd"]`, "error", `a="b" c="d"`}, {`{" t":[["a",1]]}`, "error", "a=1"},
		{`{" di":{"xyz":1}}`, "error", "x=1"}, {`[["a",1],["a",2]]`, "error", "a=2"},
		{`5`, "error", "error"}, {`"abc"`, "error", "error"}, {`[1,2]`, "error", "error"}, {`{" b":"YWI="}`, "error", "error"}, {`{" u":"123400000000000000000000000000ff"}`, "error", "error"},
		{`{" d":"x"}`, "error", ""}, {`{" m":""}`, "error", ""}, {`{" b":""}`, "error", ""}, {`{" di":{"a__":1}}`, "a=1", ""}, {`{"a":1} x`, "error", "error"}, {`{"a":1`, "error", "error"}, {``, "error", "error"}, {`{" t":[1]," t":[2]}`, "error", "error"}, {`{" t":[1]," t":[["a",2]]}`, "error", "a=2"},
	}
	for _, test := range tests {
		for lenient, want := range map[bool]string{false: test.strict, true: test.lenient} {
			if lenient && test.strict != "error" {
				want = test.strict
			}
			fields, err := tagged.Split(nil, test.text, lenient)
			var parts []string
			for _, f := range fields {
				parts = append(parts, f.Name+"="+f.Raw)
			}
			got := strings.Join(parts, " ")
			if err != nil {
				got = "error"
			}
			if got != want {
				t.Errorf("Split(%s, lenient %v) = %q (%v), want %q", test.text, lenient, got, err, want)
			}
		}
	}
}

// TestSplitMany: many fields cost linear time, and the last of one name wins.
func TestSplitMany(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"f0":"first"`)
	for i := range 50000 {
		b.WriteString(`,"f`)
		b.WriteString(strings.Repeat("x", i%7))
		b.WriteString(time.Duration(i).String())
		b.WriteString(`":1`)
	}
	b.WriteString(`,"f0":"last"}`)
	fields, err := tagged.Split(nil, b.String(), false)
	if err != nil || fields[0].Raw != `"last"` || len(fields) != 50001 {
		t.Errorf("%d fields, the first is %v, %v", len(fields), fields[0], err)
	}
}

func TestAppendObject(t *testing.T) {
	fields := []tagged.Field{{Name: "b", Raw: "[ 1 ]"}, {Name: "a", Raw: `"\u00E9"`}}
	object := func(fields []tagged.Field) string {
		text, err := tagged.AppendObject(nil, fields)
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	if got := object(fields); got != `{"a":"\u00E9","b":[ 1 ]}` || fields[0].Name != "b" {
		t.Errorf("%s, and the fields are now %v", got, fields)
	}
	if got := object([]tagged.Field{{Name: " t", Raw: "1"}}); got != `{" di":{" t__":1}}` {
		t.Errorf("a lone tag: %s", got)
	}
	if got := object(nil); got != "{}" {
		t.Errorf("nothing: %s", got)
	}
	if got := object([]tagged.Field{{Name: "a\xff", Raw: "1"}, {Name: "b", Raw: "2"}}); !strings.Contains(got, "not UTF-8") {
		t.Errorf("a name that is not text: %s", got)
	}
}

type Named string
type inner struct {
	X    int `json:"x"`
	Same string
}
type Embedded struct{ Promoted, Same string }
type everything struct {
	*Embedded
	Inner   inner               `json:"inner"`
	List    []inner             `json:"list,omitempty"`
	Pointer *int                `json:"pointer"`
	Map     map[int]Named       `json:"map"`
	Hidden  string              `json:"-"`
	Time    time.Time           `json:"time"`
	Bytes   []byte              `json:"bytes"`
	HTML    template.HTML       `json:"html"`
	UUID    tagged.UUID         `json:"uuid"`
	Big     *big.Int            `json:"big"`
	Tuple   tagged.Tuple        `json:"tuple"`
	Array   [2]uint8            `json:"array"`
	Addr    netip.Addr          `json:"addr"`
	JSON    json.RawMessage     `json:"json"`
	Any     any                 `json:"any"`
	U64     uint64              `json:"u64"`
	F32     float32             `json:"f32"`
	Same    string              `json:"Same"`
	ByAddr  map[netip.Addr]bool `json:"by_addr"`
	private int
}

func TestStruct(t *testing.T) {
	seven := 7
	v := everything{
		Embedded: &Embedded{Promoted: "p", Same: "lost"}, Inner: inner{X: 1, Same: "i"}, Pointer: &seven, Map: map[int]Named{2: "two"}, Hidden: "no",
		Time: time.Date(2024, 2, 29, 12, 34, 56, 999, time.FixedZone("", 3600)), Bytes: []byte("b"), HTML: "<i>", UUID: tagged.UUID{1}, Big: integer("99999999999999999999"),
		Tuple: tagged.Tuple{"a"}, Array: [2]uint8{1, 2}, Addr: netip.MustParseAddr("::1"), JSON: json.RawMessage(`{" t":[1]}`), Any: []any{"x"},
		U64: math.MaxUint64, F32: 0.1, Same: "outer", ByAddr: map[netip.Addr]bool{netip.MustParseAddr("1.2.3.4"): true}, private: 1,
	}
	text, err := tagged.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Promoted":"p"`, `"Same":"outer"`, `"inner":{"Same":"i","x":1}`, `"pointer":7`, `"map":{"2":"two"}`, `"time":{" d":"Thu, 29 Feb 2024 11:34:56 GMT"}`,
		`"array":[1,2]`, `"addr":"::1"`, `"json":{" di":{" t__":[1]}}`, `"u64":18446744073709551615`, `"f32":0.1`, `"by_addr":{"1.2.3.4":true}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
	if strings.Contains(string(text), "Hidden") || strings.Contains(string(text), "list") || strings.Contains(string(text), "private") {
		t.Errorf("too much in %s", text)
	}
	var back everything
	if err := tagged.Unmarshal(string(text), &back); err != nil {
		t.Fatal(err)
	}
	v.Hidden, v.private, v.Embedded.Same = "", 0, ""
	v.Time = v.Time.UTC().Truncate(time.Second)
	if !reflect.DeepEqual(v, back) {
		t.Errorf("back:\n%+v, want\n%+v", back, v)
	}
}

type UUID [16]byte // some other package's

type pointerLoop *pointerLoop

// secretive writes itself by a pointer, and says too much when it fails.
type secretive struct{ text string }

func (s *secretive) MarshalJSON() ([]byte, error) {
	if s.text == "secret" {
		return nil, errors.New("cannot write secret")
	}
	return json.Marshal(s.text)
}

func (s *secretive) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &s.text) }

func TestBySelf(t *testing.T) {
	for _, v := range []any{secretive{"x"}, []secretive{{"x"}}, map[string]secretive{"a": {"x"}}, struct{ A secretive }{secretive{"x"}}, &secretive{"x"}} {
		text, err := tagged.Append(nil, v)
		if err != nil || !strings.Contains(string(text), `"x"`) {
			t.Errorf("%T: %s %v", v, text, err)
		}
	}
	var back []secretive
	if err := tagged.Unmarshal(`["x"]`, &back); err != nil || back[0].text != "x" {
		t.Errorf("%v %v", back, err)
	}
	if _, err := tagged.Append(nil, map[string]any{"visitor": secretive{"secret"}}); err == nil || strings.Contains(err.Error(), "secret ") || strings.Contains(err.Error(), "visitor") {
		t.Errorf("%v", err)
	}
	if text, err := tagged.Append(nil, []any{json.Number("1E2"), json.Number("7")}); string(text) != "[100.0,7]" {
		t.Errorf("json.Number: %s %v", text, err)
	}
}

func TestUnmarshal(t *testing.T) {
	ok := func(raw string, dst, want any) {
		t.Helper()
		if err := tagged.Unmarshal(raw, dst); err != nil || !reflect.DeepEqual(reflect.ValueOf(dst).Elem().Interface(), want) {
			t.Errorf("Unmarshal(%s, %T) = %#v, %v; want %#v", raw, dst, reflect.ValueOf(dst).Elem().Interface(), err, want)
		}
	}
	ok(`1`, new(float64), 1.0)
	ok(`{" t":["a"]}`, new([]string), []string{"a"})
	ok(`["a"]`, new([]string), []string{"a"})
	ok(`{" m":"<b>"}`, new(string), "<b>")
	ok(`{" u":"01000000000000000000000000000000"}`, new(UUID), UUID{1})
	ok(`null`, new(*int), (*int)(nil))
	ok(`null`, new([]int), []int(nil))
	ok(`null`, new(time.Time), time.Time{})
	ok(`{" d":"not a date"}`, new(time.Time), time.Time{})
	ok(`"é\n"`, new(string), "é\n")
	ok(`{"b":1,"a":[2]}`, new(map[string]any), map[string]any{"b": int64(1), "a": []any{int64(2)}})
	ok(`255`, new(uint8), uint8(255))
	ok(`18446744073709551616`, new(float64), 18446744073709551616.0)
	ok(`0.1`, new(float32), float32(0.1))
	ok(`-12345678901`, new(int), -12345678901)
	bad := func(raw string, dst any) {
		t.Helper()
		err := tagged.Unmarshal(raw, dst)
		var mismatch *tagged.TypeError
		if !errors.As(err, &mismatch) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Unmarshal(%s, %T): %v", raw, dst, err)
		}
	}
	bad(`"secret"`, new(template.HTML)) // a string must never become trusted markup
	bad(`"secret"`, new([]byte))
	bad(`"secret"`, new(int))
	bad(`1.0`, new(int))
	bad(`256`, new(uint8))
	bad(`-1`, new(uint))
	bad(`9007199254740993`, new(float64))
	bad(`1e300`, new(float32))
	bad(`16777217`, new(float32))
	bad(`1`, new(pointerLoop))
	bad(`1`, new(bool))
	bad(`null`, new(string))
	ok(`[1]`, new(tagged.Tuple), tagged.Tuple{int64(1)})
	bad(`[1,2]`, new([]byte))
	bad(`{"a":{"b":"secret"}}`, new(map[string]map[string]int))
	bad(`[1]`, new([2]int))
	bad(`1`, new(struct{}))
	bad(`"secret"`, new(netip.Addr))
	var e *tagged.TypeError
	if err := tagged.Unmarshal(`{"a":[{"x":"s"}]}`, new(map[string][]inner)); !errors.As(err, &e) || e.Path != "*.0.x" || e.Got != "str" {
		t.Errorf("path: %v", err)
	}
	for _, dst := range []any{nil, 5, (*int)(nil), (*string)(nil), (*int64)(nil)} {
		if tagged.Unmarshal(`"x"`, dst) == nil || tagged.Unmarshal(`1`, dst) == nil {
			t.Errorf("decoded into %T", dst)
		}
	}
	for _, raw := range []string{`01`, `+1`, `"a"b"`, `"`, ``} {
		if tagged.Unmarshal(raw, new(int)) == nil || tagged.Unmarshal(raw, new(string)) == nil {
			t.Errorf("decoded %s", raw)
		}
	}
}

type loop struct{ Next *loop }

func TestZeroTime(t *testing.T) {
	type order struct{ Sent time.Time }
	text, err := tagged.Append(nil, order{})
	var back order
	if err != nil || string(text) != `{"Sent":null}` || tagged.Unmarshal(string(text), &back) != nil || !back.Sent.IsZero() {
		t.Errorf("%s %v, back %v", text, err, back)
	}
}

func TestAppendRefuses(t *testing.T) {
	cyclic := &loop{}
	cyclic.Next = cyclic
	m := map[string]any{}
	m["m"] = m
	list := []any{nil}
	list[0] = list
	for name, v := range map[string]any{
		"surrogate pair": "\xed\xa0\xbd\xed\xb8\x80", "json.Number": json.Number("1x"),
		"func": func() {}, "chan": make(chan int), "complex": 1i, "cycle": cyclic, "map cycle": m, "list cycle": list, "not text": "\xff", "name": map[string]int{"\xff": 1}, "half a surrogate": "\xed\xa0",
		"year 0": time.Time{}.AddDate(-1, 0, 0), "year 99": time.Date(99, 12, 31, 0, 0, 0, 0, time.UTC), "year 10000": time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "digits": new(big.Int).Exp(big.NewInt(10), big.NewInt(4300), nil), "key": map[float64]int{1: 1},
		"nested": []any{map[string]any{"deep": func() {}}},
	} {
		if text, err := tagged.Append(nil, v); err == nil {
			t.Errorf("%s: %.80s", name, text)
		} else if len(err.Error()) > 200 {
			t.Errorf("%s: a long error: %.300s", name, err)
		}
	}
	_, err := tagged.Append(nil, []any{map[string]any{"visitor": struct{ Deep any }{func() {}}}})
	if err == nil || !strings.Contains(err.Error(), "0.*.Deep") {
		t.Errorf("no path in %v", err)
	}
}

// TestDepth: whatever can be written can be read again, to the last level.
func TestDepth(t *testing.T) {
	wraps := map[string]func(any) any{
		"list": func(v any) any { return []any{v} }, "tuple": func(v any) any { return tagged.Tuple{v} }, "map": func(v any) any { return map[string]any{"k": v} },
		"tag": func(v any) any { return map[string]any{" t": v} }, "bytes": func(v any) any { return []any{v, []byte("x")} }, "ints": func(v any) any { return map[int]any{1: v} },
	}
	for name, wrap := range wraps {
		var v any = int64(1)
		levels := 0
		for ; levels < 300; levels++ {
			text, err := tagged.Append(nil, v)
			if err != nil {
				break
			}
			session, err := tagged.AppendObject(nil, []tagged.Field{{Name: " t", Raw: string(text)}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tagged.Split(nil, string(session), false); err != nil {
				t.Fatalf("%s, %d levels: written, but %v", name, levels, err)
			}
			v = wrap(v)
		}
		if levels < 90 || levels >= 300 {
			t.Errorf("%s: %d levels", name, levels)
		}
	}
}

// seeds are the JSON texts of Flask's vectors.
func seeds(f testing.TB) []string {
	data, err := os.ReadFile("../../testdata/flask-cookies.json")
	if err != nil {
		f.Fatal(err)
	}
	var file struct{ Vectors []struct{ JSON string } }
	if err := json.Unmarshal(data, &file); err != nil {
		f.Fatal(err)
	}
	var texts []string
	for _, v := range file.Vectors {
		if v.JSON != "" && len(v.JSON) < 4096 {
			texts = append(texts, v.JSON)
		}
	}
	for _, v := range both {
		texts = append(texts, `{"f":`+v.text+`}`)
	}
	for _, v := range refused {
		if len(v.text) < 1000 {
			texts = append(texts, v.text, `{"f":`+v.text+`}`)
		}
	}
	if len(texts) < 200 {
		f.Fatalf("%d seeds", len(texts))
	}
	return texts
}

// FuzzDecode: what is read can be written, and means the same when it is read
// again; Split and Decode agree about what is a session; nothing grows beyond
// a bound.
func FuzzDecode(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, lenient bool) {
		v, err := tagged.Decode(text, lenient)
		fields, splitErr := tagged.Split(nil, text, lenient)
		if m, ok := v.(map[string]any); (err == nil && ok) != (splitErr == nil) && !(lenient && err == nil) {
			t.Fatalf("Decode: %v, %v; Split: %v", err, ok, splitErr)
		} else if ok && err == nil && len(m) != len(fields) {
			t.Fatalf("Decode has %d fields, Split %d", len(m), len(fields))
		}
		if err != nil {
			return
		}
		once, err := tagged.Append(nil, v)
		if err != nil {
			if errors.Is(err, tagged.ErrDepth) { // an escape may need one level more
				return
			}
			t.Fatalf("read but not written: %v", err)
		}
		if len(once) > 16*len(text)+64 {
			t.Fatalf("%d bytes have become %d", len(text), len(once))
		}
		again, err := tagged.Decode(string(once), false)
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		twice, err := tagged.Append(nil, again)
		if err != nil || string(once) != string(twice) {
			t.Fatalf("%s, then %s, %v", once, twice, err)
		}
	})
}

// FuzzUnmarshal: no text makes Unmarshal panic, whatever it is read into.
func FuzzUnmarshal(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text)
	}
	if text, err := tagged.Append(nil, everything{}); err == nil {
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, dst := range []any{new(everything), new([]everything), new(map[string]int), new(map[netip.Addr][]byte), new(any), new(string), new(float32), new([3]any), new(UUID), new(**time.Time)} {
			_ = tagged.Unmarshal(text, dst)
		}
		tagged.String(text)
		tagged.Elements(text)
	})
}

const benchText = `{"_user_id":"1835","cart":{"milk":1,"tea":2},"csrf_token":"b9f2a1c07d3e4f5a6b7c8d9e0f1a2b3c4d5e6f70","language":"fr"}`

func BenchmarkSplit(b *testing.B) {
	room := make([]tagged.Field, 0, 8)
	b.SetBytes(int64(len(benchText)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tagged.Split(room, benchText, false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendObject(b *testing.B) {
	fields, err := tagged.Split(nil, benchText, false)
	if err != nil {
		b.Fatal(err)
	}
	room := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		tagged.AppendObject(room, fields)
	}
}
