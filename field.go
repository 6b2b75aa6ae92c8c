package sojourn

import (
	"context"
	"reflect"

	"github.com/sojourn-go/sojourn/internal/tagged"
)

// A Field names one value of a session and says what type it has. It is a
// constant:
//
//	const language sojourn.Field[string] = "language"
//
// T can be any type that encoding/json could encode; strings, numbers,
// []byte, time.Time (whole seconds, UTC), template.HTML, [UUID], [Tuple] and
// *big.Int keep their kind when a Flask application reads them. Structs are
// objects, their members named by json tags.
//
// A T that is an interface can only be any. Methods that change the session
// return nothing: what goes wrong is in [Session.Err] and answers the request.
//
// The methods take the context of a request that came through
// [Manager.Middleware] and use the innermost manager's session; [Field.In]
// names another. They are safe for concurrent use.
type Field[T any] string

// A SecretField is a [Field] whose value must never be in a cookie that the
// visitor can read: there, setting it is [ErrSecretReadable]. The cookies of
// package flask are such.
type SecretField[T any] string

// Get returns the field's value, and whether there is one. A stored value of
// another type reads as absent and is an event.
func (f Field[T]) Get(ctx context.Context) (T, bool) { return f.In(From(ctx)).Get() }

// GetOr returns the field's value, or fallback if there is none.
func (f Field[T]) GetOr(ctx context.Context, fallback T) T { return f.In(From(ctx)).GetOr(fallback) }

// Set sets the field. A value that cannot be encoded is an error that sticks:
// see [Session.Err].
func (f Field[T]) Set(ctx context.Context, value T) { f.In(From(ctx)).Set(value) }

// Pop removes the field and returns what it held.
func (f Field[T]) Pop(ctx context.Context) (T, bool) { return f.In(From(ctx)).Pop() }

// Delete removes the field. An absent one is no error.
func (f Field[T]) Delete(ctx context.Context) { f.In(From(ctx)).Delete() }

// Update changes the field by what change makes of its present value; if it has
// none, or one of another type, of the zero value, a map being made. It is done when the session is saved, or earlier if it
// is read; when another request won, it is done again on what that one wrote:
// change must depend on nothing but its argument, and must not write the
// response. It gets a copy of its own and holds no lock.
func (f Field[T]) Update(ctx context.Context, change func(T) T) { f.In(From(ctx)).Update(change) }

// UpdateNow changes the field at once and returns what it then holds, for
// decisions that depend on it, such as a limit. change gets the present value
// and whether there is one; its error leaves the field as it is and is
// returned. It may run again, when another request or another goroutine of this
// one changed the field or signed in meanwhile; so it must not do that itself.
// In a store the change is saved when UpdateNow returns, by itself:
// what else the request has done stays pending, but for a sign-in, which is
// saved first. In a cookie, "at once" is within this request: another request
// has its own copy of the session.
func (f Field[T]) UpdateNow(ctx context.Context, change func(value T, present bool) (T, error)) (T, error) {
	return f.In(From(ctx)).UpdateNow(change)
}

// In returns the field of session s, where more than one manager is around
// the handler.
func (f Field[T]) In(s *Session) BoundField[T] { return BoundField[T]{s, string(f), false} }

// Get is [Field.Get].
func (f SecretField[T]) Get(ctx context.Context) (T, bool) { return f.In(From(ctx)).Get() }

// GetOr is [Field.GetOr].
func (f SecretField[T]) GetOr(ctx context.Context, fallback T) T {
	return f.In(From(ctx)).GetOr(fallback)
}

// Set is [Field.Set].
func (f SecretField[T]) Set(ctx context.Context, value T) { f.In(From(ctx)).Set(value) }

// Pop is [Field.Pop].
func (f SecretField[T]) Pop(ctx context.Context) (T, bool) { return f.In(From(ctx)).Pop() }

// Delete is [Field.Delete].
func (f SecretField[T]) Delete(ctx context.Context) { f.In(From(ctx)).Delete() }

// Update is [Field.Update].
func (f SecretField[T]) Update(ctx context.Context, change func(T) T) {
	f.In(From(ctx)).Update(change)
}

// UpdateNow is [Field.UpdateNow].
func (f SecretField[T]) UpdateNow(ctx context.Context, change func(value T, present bool) (T, error)) (T, error) {
	return f.In(From(ctx)).UpdateNow(change)
}

// In is [Field.In].
func (f SecretField[T]) In(s *Session) BoundField[T] { return BoundField[T]{s, string(f), true} }

// A BoundField is a [Field] of a given session: see [Field.In].
type BoundField[T any] struct {
	s      *Session
	name   string
	secret bool
}

// Get is [Field.Get].
func (b BoundField[T]) Get() (T, bool) {
	raw, ok := b.s.raw(b.name)
	if !ok {
		var zero T
		return zero, false
	}
	return decodeField[T](b.s, b.name, raw)
}

// GetOr is [Field.GetOr].
func (b BoundField[T]) GetOr(fallback T) T {
	if v, ok := b.Get(); ok {
		return v
	}
	return fallback
}

// Set is [Field.Set].
func (b BoundField[T]) Set(value T) {
	if b.check() != nil {
		return
	}
	raw, err := tagged.Append(nil, value)
	if err != nil {
		b.s.fieldError(b.name, err)
		return
	}
	b.s.write(op{kind: opSet, name: b.name, raw: string(raw), secret: b.secret})
}

// Pop is [Field.Pop].
func (b BoundField[T]) Pop() (T, bool) {
	raw, ok := b.s.pop(b.name)
	if !ok {
		var zero T
		return zero, false
	}
	return decodeField[T](b.s, b.name, raw)
}

// Delete is [Field.Delete].
func (b BoundField[T]) Delete() { b.s.pop(b.name) }

// Update is [Field.Update].
func (b BoundField[T]) Update(change func(T) T) {
	if b.check() != nil {
		return
	}
	b.s.write(op{kind: opUpdate, name: b.name, secret: b.secret, update: func(raw string, present bool) (string, error) {
		var v T
		if present {
			v, _ = decodeInto[T](b.s, b.name, raw)
		}
		text, err := tagged.Append(nil, change(usable(v)))
		return string(text), err
	}})
}

// UpdateNow is [Field.UpdateNow].
func (b BoundField[T]) UpdateNow(change func(value T, present bool) (T, error)) (T, error) {
	if err := b.check(); err != nil {
		value, _ := b.Get()
		return value, err
	}
	var before, after T
	err := b.s.updateNow(b.name, b.secret, func(text string, present bool) (string, error) {
		before = *new(T)
		if present {
			before, present = decodeInto[T](b.s, b.name, text)
		}
		var err error
		if after, err = change(usable(before), present); err != nil {
			return "", err
		}
		raw, err := tagged.Append(nil, after)
		if err != nil {
			return "", &FieldError{b.name, err}
		}
		return string(raw), nil
	})
	if err != nil {
		return before, err
	}
	return after, nil
}

// check returns why the field may not be written at all, if so. The error
// sticks.
func (b BoundField[T]) check() error {
	if b.secret && !b.s.sealed() {
		return b.s.fieldError(b.name, ErrSecretReadable)
	}
	return b.s.checkName(b.name)
}

// decodeField decodes a field's text for the handler, whose copy Strict watches.
func decodeField[T any](s *Session, name, raw string) (T, bool) {
	v, ok := decodeInto[T](s, name, raw)
	if ok && s.m.strict && mutableType(reflect.TypeFor[T]()) {
		s.track(name, v)
	}
	return v, ok
}

// decodeInto decodes a field's text, without an allocation where T is simple.
func decodeInto[T any](s *Session, name, raw string) (T, bool) {
	if v, ok := decodeSimple[T](raw); ok {
		return v, true
	}
	var v T
	if err := tagged.Unmarshal(raw, &v); err != nil {
		s.mismatch(name, err)
		var zero T
		return zero, false
	}
	return v, true
}

// decodeSimple decodes the commonest types; v stays on the stack.
func decodeSimple[T any](raw string) (v T, ok bool) {
	switch p := any(&v).(type) {
	case *string:
		*p, ok = tagged.String(raw)
	case *bool:
		*p, ok = raw == "true", raw == "true" || raw == "false"
	}
	return v, ok
}

// usable makes a map where there is none, so that a change can write to it.
func usable[T any](v T) T {
	if r := reflect.ValueOf(&v).Elem(); r.Kind() == reflect.Map && r.IsNil() {
		r.Set(reflect.MakeMap(r.Type()))
	}
	return v
}

// mutableType reports whether values of t can be changed in place.
func mutableType(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Map, reflect.Slice, reflect.Pointer, reflect.Interface:
		return true
	case reflect.Struct:
		for i := range t.NumField() {
			if mutableType(t.Field(i).Type) {
				return true
			}
		}
	case reflect.Array:
		return mutableType(t.Elem())
	}
	return false
}
