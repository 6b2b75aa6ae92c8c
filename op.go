package sojourn

import (
	"slices"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/internal/tagged"
)

// An op is one change that a handler made. The list of a request's ops is
// what it did, apart from what it found: applied to another state it does the
// same there.
type op struct {
	kind    opKind
	name    string
	raw     string     // opSet, opSetAbsent: the value; opFlash: one message
	update  changeFunc // opUpdate
	flashes []string   // opUnflash: the messages that were read
	keep    []string   // opClear: the fields that stay
	secret  bool       // of a SecretField
}

// A changeFunc makes a field's text of the one before.
type changeFunc = func(raw string, present bool) (string, error)

type opKind uint8

const (
	opSet opKind = iota
	opSetAbsent
	opDelete
	opClear
	opUpdate
	opFlash
	opUnflash
	opNone // has been saved by itself
)

// apply returns fields after o, which is not an update. fields stay as they
// are.
func (o *op) apply(fields []EncodedField) []EncodedField {
	switch o.kind {
	case opSet:
		return with(fields, o.name, o.raw)
	case opSetAbsent:
		if _, ok := lookup(fields, o.name); !ok {
			return with(fields, o.name, o.raw)
		}
	case opDelete:
		return without(fields, o.name)
	case opClear:
		var kept []EncodedField
		for _, f := range fields {
			if slices.Contains(o.keep, f.Name) {
				kept = append(kept, f)
			}
		}
		return kept
	case opFlash:
		old, _ := lookup(fields, "_flashes")
		return with(fields, "_flashes", appendElement(old, o.raw))
	case opUnflash:
		old, ok := lookup(fields, "_flashes")
		if rest := withoutElements(old, o.flashes); ok && rest != "" {
			return with(fields, "_flashes", rest)
		}
		return without(fields, "_flashes")
	}
	return fields
}

// lookup finds a field's text.
func lookup(fields []EncodedField, name string) (raw string, ok bool) {
	for i := range fields {
		if fields[i].Name == name {
			return fields[i].Raw, true
		}
	}
	return "", false
}

// with returns fields with one set; without, with one removed. Both copy.
func with(fields []EncodedField, name, raw string) []EncodedField {
	fields = slices.Grow(slices.Clone(fields), 1)
	for i := range fields {
		if fields[i].Name == name {
			fields[i].Raw = raw
			return fields
		}
	}
	return append(fields, EncodedField{Name: name, Raw: raw})
}

func without(fields []EncodedField, name string) []EncodedField {
	if _, ok := lookup(fields, name); !ok {
		return fields
	}
	return slices.DeleteFunc(slices.Clone(fields), func(f EncodedField) bool { return f.Name == name })
}

// appendElement adds element to the end of list, both as text, and leaves the
// text of the others as it is. What is not a list makes way.
func appendElement(list, element string) string {
	elements, err := tagged.Elements(list)
	if err != nil || len(elements) == 0 {
		return "[" + element + "]"
	}
	return list[:len(list)-1] + "," + element + "]"
}

// withoutElements removes the given elements from list, each once. It returns
// "" when none is left.
func withoutElements(list string, remove []string) string {
	elements, err := tagged.Elements(list)
	if err != nil {
		return ""
	}
	left := map[string]int{}
	for _, r := range remove {
		left[r]++
	}
	var rest strings.Builder
	for _, e := range elements {
		if left[e] > 0 {
			left[e]--
			continue
		}
		if rest.Len() > 0 {
			rest.WriteByte(',')
		}
		rest.WriteString(e)
	}
	if rest.Len() == 0 {
		return ""
	}
	return "[" + rest.String() + "]"
}

// write adds o to what this request does, and reports whether it could.
func (s *Session) write(o op) bool {
	s.use()
	defer s.unlock()
	return s.writeLocked(o)
}

func (s *Session) writeLocked(o op) bool {
	if !s.fieldWritable(o.name) {
		return false
	}
	if o.secret && !s.home.traits.Sealed { // another goroutine has ended the session, and a new one begins elsewhere
		s.fail(&FieldError{o.name, ErrSecretReadable})
		return false
	}
	s.modified = true
	s.ops = append(s.ops, o)
	if o.kind != opUpdate && s.settled == len(s.ops)-1 {
		s.view = o.apply(s.view)
		s.settled++
	}
	return true
}

// updateNow changes one field at once; what else is pending stays so.
func (s *Session) updateNow(name string, secret bool, change changeFunc) error {
	if s.inUpdate() {
		return s.fieldError(name, errInUpdate)
	}
	s.use()
	stored := s.inStore()
	s.unlock()
	if stored {
		return s.storeNow(name, change)
	}
	for {
		before, present := s.raw(name)
		after, err := change(before, present)
		if err != nil {
			return err
		}
		s.use()
		s.settle()
		if now, _ := lookup(s.view, name); now == before {
			written := s.writeLocked(op{kind: opSet, name: name, raw: after, secret: secret})
			s.unlock()
			if !written {
				return &FieldError{name, ErrLate}
			}
			return nil
		}
		s.unlock() // another goroutine of this request was quicker: again
	}
}

// wroteSince reports whether this request has written to a field after its
// first n changes.
func (s *Session) wroteSince(n int, name string) bool {
	return slices.ContainsFunc(s.ops[min(n, len(s.ops)):], func(o op) bool { return o.kind == opClear || o.name == name })
}

// settle applies the ops that are waiting behind an update, so that a read sees
// them. A read from inside an update, or beside one, sees the state before.
func (s *Session) settle() {
	if s.settling || s.settled == len(s.ops) {
		return
	}
	s.settling = true
	defer func() { s.settling = false }()
	s.settleAll()
}

// settleAll applies all ops. It lets go of the lock while the application's
// function runs, so another goroutine may do the same work: the first counts.
func (s *Session) settleAll() {
	for s.settled < len(s.ops) && s.err == nil {
		i, round, o := s.settled, s.round, s.ops[s.settled]
		if o.kind != opUpdate {
			s.view = o.apply(s.view)
			s.settled++
			continue
		}
		raw, err := s.runUpdate(&o)
		if s.settled != i || s.round != round {
			continue
		}
		if err != nil {
			s.fail(&FieldError{o.name, err})
			return
		}
		s.view = with(s.view, o.name, raw)
		s.settled++
	}
}

// runUpdate runs the application's function without the lock, and takes it
// again however the function ends.
func (s *Session) runUpdate(o *op) (string, error) {
	raw, ok := lookup(s.view, o.name)
	return s.runChange(o.update, raw, ok)
}

// inUpdate reports whether the caller is an Update function that runs while the
// session is being saved: waiting for the saving would take for ever. It cannot
// see who calls, so it waits for as long as a store may take; a function of
// another goroutine has come to its end by then.
func (s *Session) inUpdate() bool {
	if s.updating.Load() == 0 {
		return false
	}
	for end := time.Now().Add(s.m.storeTimeout); s.updating.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return true
		}
	}
	return false
}

// runChange runs a function of the application's, which must not find a lock
// of ours held.
func (s *Session) runChange(change changeFunc, raw string, present bool) (string, error) {
	if s.saving {
		s.updating.Add(1)
		defer s.updating.Add(-1)
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	return change(raw, present)
}
