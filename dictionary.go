package sojourn

import (
	"iter"
	"math/big"
	"slices"
	"strings"

	"github.com/sojourn-go/sojourn/internal/tagged"
)

// The dictionary: the session by the names of its fields, with values of
// whatever type they have. Reading gives nil, bool, int64 or *big.Int,
// float64, string, []any, [Tuple], map[string]any, []byte, template.HTML,
// [UUID] and time.Time; setting takes anything a [Field] takes. A program that
// knows its types is better off with [Field].

// Get returns a field's value, and whether there is one.
func (s *Session) Get(name string) (any, bool) {
	raw, ok := s.raw(name)
	if !ok {
		return nil, false
	}
	return s.decodeAny(name, raw)
}

func (s *Session) decodeAny(name, raw string) (any, bool) {
	v, err := tagged.Decode(raw, true)
	if err != nil {
		s.mismatch(name, err)
		return nil, false
	}
	if s.m.strict && mutable(v) {
		s.track(name, v)
	}
	return v, true
}

// mutable reports whether a decoded value can be changed in place.
func mutable(v any) bool {
	switch v.(type) {
	case []any, Tuple, map[string]any, []byte, *big.Int:
		return true
	}
	return false
}

// raw returns a field's text as this request sees it.
func (s *Session) raw(name string) (string, bool) {
	s.use()
	defer s.unlock()
	s.settle()
	return lookup(s.view, name)
}

// Set sets a field. A value that cannot be encoded, or a reserved name, is an
// error that sticks: see [Session.Err].
func (s *Session) Set(name string, value any) {
	s.setEncoded(opSet, name, value)
}

func (s *Session) setEncoded(kind opKind, name string, value any) {
	if s.checkName(name) != nil {
		return
	}
	raw, err := tagged.Append(nil, value)
	if err != nil {
		s.fieldError(name, err)
		return
	}
	s.write(op{kind: kind, name: name, raw: string(raw)})
}

// SetDefault sets a field only if it is absent, and returns what it then
// holds.
func (s *Session) SetDefault(name string, value any) any {
	if v, ok := s.Get(name); ok {
		return v
	}
	s.setEncoded(opSetAbsent, name, value)
	v, _ := s.Get(name)
	return v
}

// Pop removes a field and returns what it held.
func (s *Session) Pop(name string) (any, bool) {
	raw, ok := s.pop(name)
	if !ok {
		return nil, false
	}
	return s.decodeAny(name, raw)
}

// Delete removes a field. One that is absent is no change, and no error.
func (s *Session) Delete(name string) { s.pop(name) }

// pop removes a field and returns its text.
func (s *Session) pop(name string) (raw string, ok bool) {
	if s.checkName(name) != nil {
		return "", false
	}
	s.use()
	defer s.unlock()
	s.settle()
	if raw, ok = lookup(s.view, name); ok {
		s.writeLocked(op{kind: opDelete, name: name})
	}
	return raw, ok
}

// Has reports whether there is such a field.
func (s *Session) Has(name string) bool {
	_, ok := s.raw(name)
	return ok
}

// Clear removes all fields. Whoever is signed in stays so: [End] ends the
// session. (With flask.Exact it is Flask's clear, which takes the owner too.)
func (s *Session) Clear() {
	s.use()
	defer s.unlock()
	traits := &s.home.traits
	if traits.Flask != nil {
		if s.writeLocked(op{kind: opClear}) {
			s.id.owner = ""
		}
		return
	}
	s.writeLocked(op{kind: opClear, keep: append(slices.Clip(traits.SignInFields), traits.OwnerField)})
}

// Len returns the number of fields, counting those that the session keeps for
// itself, such as flash messages.
func (s *Session) Len() int {
	s.use()
	defer s.unlock()
	s.settle()
	return len(s.view)
}

// All yields the fields in the order of their names. Changes made meanwhile
// do not show.
func (s *Session) All() iter.Seq2[string, any] {
	fields := s.fields()
	slices.SortFunc(fields, func(a, b EncodedField) int { return strings.Compare(a.Name, b.Name) })
	return func(yield func(string, any) bool) {
		for _, f := range fields {
			if v, ok := s.decodeAny(f.Name, f.Raw); ok && !yield(f.Name, v) {
				return
			}
		}
	}
}

// fields is a copy of the fields as this request sees them.
func (s *Session) fields() []EncodedField {
	s.use()
	defer s.unlock() // also when an update panics
	s.settle()
	return slices.Clone(s.view)
}
