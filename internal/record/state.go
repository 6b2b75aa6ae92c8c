package record

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/sojourn-go/sojourn/internal/tagged"
	"github.com/sojourn-go/sojourn/store"
)

// A State is the fields of a session, and the versions of the writes that led
// to it, the latest first: whoever did not hear what became of his write finds
// it among them.
type State struct {
	Versions []store.Version
	Fields   []tagged.Field

	// Extension is what a later version of this program keeps in the envelope.
	// This one carries it along unread, so that both can run at once.
	Extension string
}

const (
	stateVersion = '1'
	maxVersions  = 16
)

// MaxState is the most that a session's fields may take in a store, in bytes.
const MaxState = 1 << 20

// Wrote reports whether the write v led to this state.
func (s *State) Wrote(v store.Version) bool { return slices.Contains(s.Versions, v) }

// Next is the state that the write v makes of s: other fields, and the rest as
// it was.
func (s *State) Next(fields []tagged.Field, v store.Version) State {
	before := s.Versions[:min(len(s.Versions), maxVersions-1)]
	return State{Versions: append([]store.Version{v}, before...), Fields: fields, Extension: s.Extension}
}

// Encode returns s as it is stored.
func (s *State) Encode() (string, error) {
	b := append(make([]byte, 0, 256), stateVersion, byte(len(s.Extension)))
	b = append(append(b, s.Extension...), byte(len(s.Versions)))
	for _, v := range s.Versions {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	b, err := tagged.AppendObject(b, s.Fields)
	return string(b), err
}

var errState = errors.New("fields of a form that this version does not know")

// ParseState reads what Encode wrote. The fields are appended to room.
func ParseState(text string, room []tagged.Field) (s State, err error) {
	if len(text) < 3 || text[0] != stateVersion {
		return State{}, errState
	}
	extension := int(text[1])
	if text = text[2:]; len(text) <= extension {
		return State{}, errState
	}
	s.Extension, text = text[:extension], text[extension:]
	n := int(text[0])
	if text = text[1:]; n > maxVersions || len(text) < 8*n {
		return State{}, errState
	}
	s.Versions = make([]store.Version, n)
	for i := range n {
		s.Versions[i] = store.Version(binary.BigEndian.Uint64([]byte(text[8*i : 8*i+8])))
	}
	s.Fields, err = tagged.Split(room, text[8*n:], true)
	return s, err
}
