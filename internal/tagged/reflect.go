package tagged

import (
	"encoding"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// isUUIDType reports whether t is some package's UUID: an array of 16 bytes by
// that name.
func isUUIDType(t reflect.Type) bool {
	return t.Kind() == reflect.Array && t.Len() == 16 && t.Elem().Kind() == reflect.Uint8 && t.Name() == "UUID"
}

// appendReflect appends what appendValue does not know by its type.
func appendReflect(dst []byte, v any, depth int) ([]byte, error) {
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer && r.IsNil() {
		return append(dst, "null"...), nil
	}
	if isUUIDType(r.Type()) {
		b := make([]byte, 16)
		reflect.Copy(reflect.ValueOf(b), r)
		return appendTag(dst, tagUUID, hex.EncodeToString(b), depth)
	}
	if done, dst, err := appendBySelf(dst, r, depth); done {
		return dst, err
	}
	switch r.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(dst, r.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, r.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(dst, r.Uint(), 10), nil
	case reflect.Float32:
		f, _ := strconv.ParseFloat(strconv.FormatFloat(r.Float(), 'g', -1, 32), 64) // 0.1 stays 0.1
		return appendFloat(dst, f), nil
	case reflect.Float64:
		return appendFloat(dst, r.Float()), nil
	case reflect.String:
		return AppendString(dst, r.String())
	case reflect.Pointer, reflect.Interface:
		if depth >= MaxDepth {
			return dst, ErrDepth // a pointer to itself, perhaps
		}
		return appendValue(dst, r.Elem().Interface(), depth+1)
	case reflect.Slice, reflect.Array:
		if r.Kind() == reflect.Slice && r.Type().Elem().Kind() == reflect.Uint8 {
			return appendTag(dst, tagBytes, base64.StdEncoding.EncodeToString(r.Bytes()), depth)
		}
		return appendSlice(dst, r, depth)
	case reflect.Map:
		return appendMapOf(dst, r, depth)
	case reflect.Struct:
		return appendStruct(dst, r, depth)
	}
	return dst, fmt.Errorf("sojourn: a %v cannot be kept in a session, only data can", r.Type())
}

// appendBySelf lets a type write itself, if it or a pointer to it can. What it
// says in an error may hold the value, so only the type is passed on.
func appendBySelf(dst []byte, r reflect.Value, depth int) (bool, []byte, error) {
	v := r.Interface()
	if t := reflect.PointerTo(r.Type()); t.Implements(reflect.TypeFor[json.Marshaler]()) || t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		p := reflect.New(r.Type())
		p.Elem().Set(r)
		v = p.Interface()
	}
	switch m := v.(type) {
	case json.Marshaler:
		text, err := m.MarshalJSON()
		if err != nil {
			return true, dst, fmt.Errorf("sojourn: MarshalJSON of %v failed", r.Type())
		}
		dst, err = appendPlain(dst, string(text), depth)
		return true, dst, err
	case encoding.TextMarshaler:
		text, err := m.MarshalText()
		if err != nil {
			return true, dst, fmt.Errorf("sojourn: MarshalText of %v failed", r.Type())
		}
		dst, err = AppendString(dst, string(text))
		return true, dst, err
	}
	return false, dst, nil
}

func appendSlice(dst []byte, r reflect.Value, depth int) ([]byte, error) {
	if depth >= MaxDepth {
		return dst, ErrDepth
	}
	dst = append(dst, '[')
	for i := range r.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendValue(dst, r.Index(i).Interface(), depth+1); err != nil {
			return dst, at(err, strconv.Itoa(i))
		}
	}
	return append(dst, ']'), nil
}

func appendMapOf(dst []byte, r reflect.Value, depth int) ([]byte, error) {
	if depth >= MaxDepth {
		return dst, ErrDepth
	}
	fields := make([]Field, 0, r.Len())
	for it := r.MapRange(); it.Next(); {
		name, err := mapKey(it.Key())
		if err != nil {
			return dst, err
		}
		raw, err := appendValue(nil, it.Value().Interface(), depth+levels(name, r.Len()))
		if err != nil {
			return dst, at(err, anyKey)
		}
		fields = append(fields, Field{name, string(raw)})
	}
	return appendFields(dst, fields, depth)
}

// mapKey is the text of a map's key: a string, a number, or by MarshalText.
func mapKey(k reflect.Value) (string, error) {
	if k.Kind() == reflect.String {
		return k.String(), nil
	}
	if m, ok := k.Interface().(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		return string(text), err
	}
	switch {
	case k.CanInt():
		return strconv.FormatInt(k.Int(), 10), nil
	case k.CanUint():
		return strconv.FormatUint(k.Uint(), 10), nil
	}
	return "", fmt.Errorf("sojourn: a map with keys of type %v cannot be kept in a session", k.Type())
}

func appendStruct(dst []byte, r reflect.Value, depth int) ([]byte, error) {
	if depth >= MaxDepth {
		return dst, ErrDepth
	}
	var fields []Field
	for _, m := range membersOf(r.Type()) {
		v, err := r.FieldByIndexErr(m.index)
		if err != nil || m.omitEmpty && isEmpty(v) || m.omitZero && v.IsZero() {
			continue
		}
		raw, err := appendValue(nil, v.Interface(), depth+2) // two, if it is the only one and named like a tag
		if err != nil {
			return dst, at(err, m.name)
		}
		fields = append(fields, Field{m.name, string(raw)})
	}
	return appendFields(dst, fields, depth)
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// A structField is a field of a struct by the name it has in text.
type structField struct {
	name                string
	index               []int
	omitEmpty, omitZero bool
}

var memberCache sync.Map // reflect.Type to []structField

// membersOf lists a struct's exported fields by encoding/json's rules: names
// and options from json tags, embedded structs' fields as its own, the
// shallowest of one name winning.
func membersOf(t reflect.Type) []structField {
	if cached, ok := memberCache.Load(t); ok {
		return cached.([]structField)
	}
	var members []structField
	depths := map[string]int{}
	for _, f := range reflect.VisibleFields(t) {
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		embedded := f.Anonymous && name == "" && structOf(f.Type) != nil
		if !f.IsExported() || tag == "-" || embedded || hidden(t, f.Index) {
			continue
		}
		if !tagged || name == "" {
			name = f.Name
		}
		m := structField{name, f.Index, strings.Contains(options, "omitempty"), strings.Contains(options, "omitzero")}
		if depth, taken := depths[name]; taken {
			if depth > len(f.Index) {
				for i := range members {
					if members[i].name == name {
						members[i] = m
					}
				}
				depths[name] = len(f.Index)
			}
			continue
		}
		depths[name] = len(f.Index)
		members = append(members, m)
	}
	cached, _ := memberCache.LoadOrStore(t, members)
	return cached.([]structField)
}

// structOf is t or what it points to, if that is a struct.
func structOf(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct {
		return t
	}
	return nil
}

// hidden reports whether a promoted field's way leads through an embedded
// struct that has a name of its own in text, or through an unexported pointer.
func hidden(t reflect.Type, index []int) bool {
	for i := range len(index) - 1 {
		f := t.FieldByIndex(index[:i+1])
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag != "" || !f.IsExported() && f.Type.Kind() == reflect.Pointer {
			return true
		}
	}
	return false
}

// appendPlain appends what a MarshalJSON made: JSON without tags.
func appendPlain(dst []byte, text string, depth int) ([]byte, error) {
	p := parser{text: text, build: true, plain: true}
	_, err := p.value()
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return dst, fmt.Errorf("sojourn: MarshalJSON: %w", err)
	}
	return appendValue(dst, p.last.v, depth)
}
