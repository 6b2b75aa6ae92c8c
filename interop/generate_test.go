package interop

import (
	"html/template"
	"math"
	"math/big"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/sojourn-go/sojourn"
)

// Between these a datetime survives in Flask; it reads the years before as two
// digits and moves them into our time.
var (
	firstTime = time.Date(100, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	lastTime  = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
)

// session generates what an application may keep, of every type that Flask's
// form has.
var session = rapid.Custom(func(t *rapid.T) map[string]any {
	fields := map[string]any{}
	if rapid.IntRange(0, 9).Draw(t, "tag-like") == 0 { // a session that is itself like a tag
		fields[tagLike.Draw(t, "key")] = value(t, 2)
		return fields
	}
	for range rapid.IntRange(0, 7).Draw(t, "fields") {
		fields[fieldName.Draw(t, "name")] = value(t, 3)
	}
	switch rapid.IntRange(0, 19).Draw(t, "size") {
	case 0:
		fields["large"] = strings.Repeat(shortText.Draw(t, "part")+".", rapid.IntRange(0, 900).Draw(t, "times"))
	case 1:
		fields["noise"] = rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "bytes")
	case 2:
		fields["deep"] = nest(t, rapid.IntRange(1, 95).Draw(t, "depth"))
	}
	return fields
})

// tagLike are keys that a tag, its escape or nearly a tag have.
var tagLike = rapid.SampledFrom([]string{" t", " b", " m", " u", " d", " di", " t__", " di__", " d__", " ", "t", " q", " t ", "", "__", " di____"})

var fieldName = rapid.OneOf(
	rapid.SampledFrom([]string{"a", "b", "cart", "user", "_permanent", "_flashes", "_user_id", "_fresh", "language", "A", "Z"}),
	shortText, tagLike)

// codePoint prefers what encoders get wrong.
var codePoint = rapid.OneOf(
	rapid.Int32Range(0x20, 0x7e),
	rapid.Int32Range(0x00, 0x1f),
	rapid.SampledFrom([]rune("\"\\/<>&'=;,%+\u007f\u0080\u00a0\u0085\u2028\u2029\ufeff\ufffd\uffff\ufffe")),
	rapid.Int32Range(0x80, 0x7ff),
	rapid.Int32Range(0x800, 0xffff), // with lone surrogates
	rapid.Int32Range(0xd7f0, 0xe00f),
	rapid.Int32Range(0x10000, 0x10ffff),
)

var shortText = rapid.Map(rapid.SliceOfN(codePoint, 0, 12), encodeText)

var float = rapid.OneOf(
	rapid.Float64(),
	rapid.Map(rapid.Uint64(), math.Float64frombits),
	rapid.SampledFrom([]float64{
		math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, 1, -1, 0.1, 100, 1e15, 1e16, -1e16, 9999999999999998, 1e17, 1e22, 1e23,
		1e-4, 1e-5, 9.999e-5, 5e-324, 2.2250738585072014e-308, math.MaxFloat64, 1 << 53, 1.2345678901234568e+17, 0.30000000000000004,
	}),
)

// value generates one value; containers hold further ones down to the depth.
func value(t *rapid.T, depth int) any {
	kinds := 12
	if depth > 0 {
		kinds = 16
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.Int64().Draw(t, "int")
	case 3:
		return rapid.Int64Range(-100, 100).Draw(t, "small")
	case 4:
		return bigInt(t)
	case 5:
		return float.Draw(t, "float")
	case 6, 7:
		return shortText.Draw(t, "text")
	case 8:
		return template.HTML(shortText.Draw(t, "markup"))
	case 9:
		return rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "bytes")
	case 10:
		return sojourn.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
	case 11:
		return time.Unix(rapid.Int64Range(firstTime, lastTime).Draw(t, "time"), 0).UTC()
	case 12:
		return list(t, depth)
	case 13:
		return sojourn.Tuple(list(t, depth))
	case 14:
		return map[string]any{tagLike.Draw(t, "key"): value(t, depth-1)}
	}
	members := map[string]any{}
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		members[fieldName.Draw(t, "key")] = value(t, depth-1)
	}
	return members
}

func list(t *rapid.T, depth int) []any {
	items := make([]any, rapid.IntRange(0, 4).Draw(t, "items"))
	for i := range items {
		items[i] = value(t, depth-1)
	}
	return items
}

// bigInt is an integer beyond 64 bits, now and then one close to the 4,300
// digits at which Python stops.
func bigInt(t *rapid.T) any {
	most := 40
	if rapid.IntRange(0, 9).Draw(t, "huge") == 0 {
		most = 1785
	}
	n := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 9, most).Draw(t, "digits"))
	if rapid.Bool().Draw(t, "negative") {
		n.Neg(n)
	}
	if n.IsInt64() { // leading zeros
		return n.Int64()
	}
	return n
}

// nest wraps a value in as many lists, tuples and mappings as asked. A tuple is
// two levels in JSON, of which Go reads 200 and Flask somewhat more.
func nest(t *rapid.T, depth int) any {
	v := any("core")
	for range depth {
		switch rapid.IntRange(0, 2).Draw(t, "around") {
		case 0:
			v = []any{v}
		case 1:
			v = sojourn.Tuple{v}
		default:
			v = map[string]any{tagLike.Draw(t, "key"): v}
		}
	}
	return v
}
