package tagged

import (
	"encoding"
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"time"
)

// A TypeError says that a value is not of the type that was asked for. It holds
// no part of the value.
type TypeError struct {
	Want reflect.Type
	Got  string // Python's word for it, such as "list"
	Path string // where in the value; "" is the whole
}

func (e *TypeError) Error() string {
	where := ""
	if e.Path != "" {
		where = " (at " + e.Path + ")"
	}
	return fmt.Sprintf("sojourn: the stored value is Python's %s%s, the program wants %v; delete the old field or give the new one another name", e.Got, where, e.Want)
}

// Unmarshal decodes raw into what dst points to. It takes what [Append] takes,
// and in addition a list for a tuple and the reverse, an integer for a float that
// can hold it, and Markup for a string, since that is one in Python. A string is
// never taken for Markup. Members that a struct does not have are passed over.
// A value of another type is a [*TypeError]; dst may then be half filled.
//
// Raw text is read leniently: it was checked when the session was split.
func Unmarshal(raw string, dst any) error {
	switch p := dst.(type) {
	case *int:
		if n, ok := smallInt(raw); ok && p != nil {
			*p = n
			return nil
		}
	case *int64:
		if n, ok := smallInt(raw); ok && p != nil {
			*p = int64(n)
			return nil
		}
	case *string:
		if s, ok := String(raw); ok && p != nil {
			*p = s
			return nil
		}
	}
	r := reflect.ValueOf(dst)
	if r.Kind() != reflect.Pointer || r.IsNil() {
		return fmt.Errorf("sojourn: Unmarshal needs a pointer, not a %T", dst)
	}
	v, err := Decode(raw, true)
	if err != nil {
		return err
	}
	return assign(r.Elem(), v)
}

// smallInt reads the integers that are plain digits and few.
func smallInt(raw string) (n int, ok bool) {
	if raw == "" || len(raw) > 9 || raw[0] == '0' && raw != "0" {
		return 0, false
	}
	for i := range len(raw) {
		if !isDigit(raw[i]) {
			return 0, false
		}
		n = n*10 + int(raw[i]-'0')
	}
	return n, true
}

func pythonType(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case []any:
		return "list"
	case Tuple:
		return "tuple"
	case map[string]any:
		return "dict"
	case []byte:
		return "bytes"
	case template.HTML:
		return "Markup"
	case UUID:
		return "UUID"
	case time.Time:
		return "datetime"
	}
	return fmt.Sprintf("%T", v)
}

func mismatch(d reflect.Value, v any) error { return &TypeError{Want: d.Type(), Got: pythonType(v)} }

// inside says where in a value an error is.
func inside(err error, where string) error {
	if e, ok := err.(*TypeError); ok {
		path := where
		if e.Path != "" {
			path += "." + e.Path
		}
		return &TypeError{e.Want, e.Got, path}
	}
	return err
}

// assign sets d to v.
func assign(d reflect.Value, v any) error {
	for n := 0; d.Kind() == reflect.Pointer && d.Type() != reflect.TypeFor[*big.Int](); n++ {
		if v == nil {
			d.SetZero()
			return nil
		}
		if n == MaxDepth {
			return mismatch(d, v) // a type that points to itself
		}
		d.Set(reflect.New(d.Type().Elem()))
		d = d.Elem()
	}
	if d.Kind() == reflect.Interface {
		return assignInterface(d, v)
	}
	if done, err := assignExact(d, v); done {
		return err
	}
	if done, err := assignBySelf(d, v); done {
		return err
	}
	switch {
	case v == nil && (d.Kind() == reflect.Map || d.Kind() == reflect.Slice):
		d.SetZero()
		return nil
	case d.Kind() == reflect.Slice || d.Kind() == reflect.Array:
		return assignList(d, v)
	case d.Kind() == reflect.Map:
		return assignMap(d, v)
	case d.Kind() == reflect.Struct:
		return assignStruct(d, v)
	}
	return assignScalar(d, v)
}

func assignInterface(d reflect.Value, v any) error {
	if v == nil {
		d.SetZero()
		return nil
	}
	if !reflect.TypeOf(v).AssignableTo(d.Type()) {
		return mismatch(d, v)
	}
	d.Set(reflect.ValueOf(v))
	return nil
}

// assignExact sets d if it is one of the types that have a tag or a kind of
// their own, and reports whether it is.
func assignExact(d reflect.Value, v any) (bool, error) {
	ok := false
	switch p := d.Addr().Interface().(type) {
	case *time.Time:
		*p, ok = v.(time.Time)
		ok = ok || v == nil // None, or a date that could not be read, is the zero time
	case *template.HTML:
		*p, ok = v.(template.HTML)
	case *UUID:
		*p, ok = v.(UUID)
	case *[]byte:
		*p, ok = v.([]byte)
	case **big.Int:
		*p, ok = bigOf(v)
		ok = ok || v == nil
	case *big.Int:
		if n, isInt := bigOf(v); isInt {
			p.Set(n)
			ok = true
		}
	default:
		if !isUUIDType(d.Type()) {
			return false, nil
		}
		if u, isUUID := v.(UUID); isUUID {
			reflect.Copy(d, reflect.ValueOf(u[:]))
			ok = true
		}
	}
	if !ok {
		return true, mismatch(d, v)
	}
	return true, nil
}

func bigOf(v any) (*big.Int, bool) {
	switch n := v.(type) {
	case int64:
		return big.NewInt(n), true
	case *big.Int:
		return n, true
	}
	return nil, false
}

// assignBySelf lets a type read itself, if it can.
func assignBySelf(d reflect.Value, v any) (bool, error) {
	switch u := d.Addr().Interface().(type) {
	case json.Unmarshaler:
		text, err := json.Marshal(withoutTags(v))
		if err == nil {
			err = u.UnmarshalJSON(text)
		}
		if err != nil {
			return true, mismatch(d, v)
		}
		return true, nil
	case encoding.TextUnmarshaler:
		s, ok := v.(string)
		if !ok || u.UnmarshalText([]byte(s)) != nil {
			return true, mismatch(d, v)
		}
		return true, nil
	}
	return false, nil
}

// withoutTags turns what encoding/json would write in its own way into what it
// writes as Python's JSON would.
func withoutTags(v any) any {
	switch v := v.(type) {
	case Tuple:
		return withoutTags([]any(v))
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = withoutTags(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = withoutTags(v[k])
		}
		return out
	case UUID:
		return v.String()
	}
	return v
}

func assignList(d reflect.Value, v any) error {
	var items []any
	switch list := v.(type) {
	case []any:
		items = list
	case Tuple:
		items = list
	case []byte: // a named byte slice
		if d.Kind() == reflect.Slice && d.Type().Elem().Kind() == reflect.Uint8 {
			d.SetBytes(list)
			return nil
		}
		return mismatch(d, v)
	default:
		return mismatch(d, v)
	}
	if d.Kind() == reflect.Array {
		if len(items) != d.Len() {
			return mismatch(d, v)
		}
	} else {
		if d.Type().Elem().Kind() == reflect.Uint8 {
			return mismatch(d, v) // bytes are " b"
		}
		d.Set(reflect.MakeSlice(d.Type(), len(items), len(items)))
	}
	for i := range items {
		if err := assign(d.Index(i), items[i]); err != nil {
			return inside(err, strconv.Itoa(i))
		}
	}
	return nil
}

func assignMap(d reflect.Value, v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return mismatch(d, v)
	}
	out := reflect.MakeMapWithSize(d.Type(), len(m))
	for name, item := range m {
		key := reflect.New(d.Type().Key()).Elem()
		if err := assignKey(key, name); err != nil {
			return err
		}
		e := reflect.New(d.Type().Elem()).Elem()
		if err := assign(e, item); err != nil {
			return inside(err, anyKey)
		}
		out.SetMapIndex(key, e)
	}
	d.Set(out)
	return nil
}

// assignKey reads a map's key: see mapKey.
func assignKey(k reflect.Value, name string) error {
	if k.Kind() == reflect.String {
		k.SetString(name)
		return nil
	}
	if u, ok := k.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if u.UnmarshalText([]byte(name)) != nil {
			return mismatch(k, name)
		}
		return nil
	}
	if n, err := strconv.ParseInt(name, 10, 64); err == nil && k.CanInt() && !k.OverflowInt(n) {
		k.SetInt(n)
		return nil
	}
	if n, err := strconv.ParseUint(name, 10, 64); err == nil && k.CanUint() && !k.OverflowUint(n) {
		k.SetUint(n)
		return nil
	}
	return mismatch(k, name)
}

func assignStruct(d reflect.Value, v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return mismatch(d, v)
	}
	for _, f := range membersOf(d.Type()) {
		item, ok := m[f.name]
		if !ok {
			continue
		}
		if err := assign(fieldOf(d, f.index), item); err != nil {
			return inside(err, f.name)
		}
	}
	return nil
}

// fieldOf is reflect's FieldByIndex, making embedded structs that are nil.
func fieldOf(d reflect.Value, index []int) reflect.Value {
	for i, x := range index {
		if i > 0 && d.Kind() == reflect.Pointer {
			if d.IsNil() {
				d.Set(reflect.New(d.Type().Elem()))
			}
			d = d.Elem()
		}
		d = d.Field(x)
	}
	return d
}

func assignScalar(d reflect.Value, v any) error {
	switch n := v.(type) {
	case bool:
		if d.Kind() == reflect.Bool {
			d.SetBool(n)
			return nil
		}
	case string:
		if d.Kind() == reflect.String {
			d.SetString(n)
			return nil
		}
	case template.HTML:
		if d.Kind() == reflect.String {
			d.SetString(string(n))
			return nil
		}
	case float64:
		if d.CanFloat() && (math.IsInf(n, 0) || !d.OverflowFloat(n)) {
			d.SetFloat(n)
			return nil
		}
	case int64:
		switch {
		case d.CanInt() && !d.OverflowInt(n):
			d.SetInt(n)
			return nil
		case d.CanUint() && n >= 0 && !d.OverflowUint(uint64(n)):
			d.SetUint(uint64(n))
			return nil
		case d.CanFloat():
			return assignExactly(d, big.NewInt(n))
		}
	case *big.Int:
		switch {
		case d.CanUint() && n.IsUint64() && !d.OverflowUint(n.Uint64()):
			d.SetUint(n.Uint64())
			return nil
		case d.CanFloat():
			return assignExactly(d, n)
		}
	}
	return mismatch(d, v)
}

// assignExactly sets a float to an integer, if it can hold it.
func assignExactly(d reflect.Value, n *big.Int) error {
	f, accuracy := new(big.Float).SetInt(n).Float64()
	if d.Kind() == reflect.Float32 && float64(float32(f)) != f || accuracy != big.Exact {
		return mismatch(d, n)
	}
	d.SetFloat(f)
	return nil
}
