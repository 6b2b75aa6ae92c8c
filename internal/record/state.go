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
}

const (
	stateVersion = '1'
	maxVersions  = 16
)

// MaxState is the most that a session's fields may take in a store, in bytes.
const MaxState = 1 << 20

// Wrote reports whether the write v led to this state.
func (s *State) Wrote(v store.Version) bool { return slices.Contains(s.Versions, v) }

// Encode returns the text of fields, written as v upon what before had led to.
func Encode(fields []tagged.Field, v store.Version, before []store.Version) (string, error) {
	before = before[:min(len(before), maxVersions-1)]
	b := append(make([]byte, 0, 256), stateVersion, byte(len(before)+1))
	b = binary.BigEndian.AppendUint64(b, uint64(v))
	for _, v := range before {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	b, err := tagged.AppendObject(b, fields)
	return string(b), err
}

var errState = errors.New("fields of a form that this version does not know")

// ParseState reads what Encode wrote. The fields are appended to room.
func ParseState(text string, room []tagged.Field) (s State, err error) {
	if len(text) < 2 || text[0] != stateVersion || int(text[1]) > maxVersions || len(text) < 2+8*int(text[1]) {
		return State{}, errState
	}
	n := int(text[1])
	s.Versions = make([]store.Version, n)
	for i := range n {
		s.Versions[i] = store.Version(binary.BigEndian.Uint64([]byte(text[2+8*i : 10+8*i])))
	}
	s.Fields, err = tagged.Split(room, text[2+8*n:], true)
	return s, err
}
