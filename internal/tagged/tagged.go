// Package tagged reads and writes Flask's tagged JSON: JSON in which a one-item
// object whose key begins with a space stands for a Python type that JSON
// lacks. It is how every value of a session is encoded.
//
//	{" t":[…]}       tuple      Tuple
//	{" b":"…"}       bytes      []byte
//	{" m":"…"}       Markup     template.HTML
//	{" u":"…"}       UUID       UUID
//	{" d":"…"}       datetime   time.Time
//	{" di":{"K__":v}} a dict whose only key K looks like a tag
//
// A session is a mapping. [Split] checks a whole one in one pass and cuts it
// into fields without decoding any; [Unmarshal] and [Decode] decode one field;
// [Append] and [AppendObject] write exactly what Flask writes.
//
// Reading is strict unless it is told to be lenient: strict takes what Flask
// writes and what any JSON writer might make of it, lenient also takes what only
// Flask's forgiving readers do.
package tagged

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// A Tuple is Python's tuple. A []any is a list.
type Tuple []any

// A UUID is Python's uuid.UUID.
type UUID [16]byte

// String returns the usual form, with dashes.
func (u UUID) String() string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// A Field is one member of a session: its name and its value as text, without
// white space around it.
type Field struct{ Name, Raw string }

// The limits of what is read. Flask has the same for digits; its depth depends
// on Python's stack.
const (
	MaxDepth  = 200  // nested lists and objects
	MaxDigits = 4300 // digits of an integer
)

// Errors of reading. None holds anything of the text.
var (
	ErrNotMapping = errors.New("sojourn: a session must be a mapping")
	ErrDepth      = errors.New("sojourn: nested deeper than 200 levels")
	ErrDigits     = errors.New("sojourn: integer of more than 4300 digits")
)

// A SyntaxError says where text is not tagged JSON.
type SyntaxError struct {
	Offset int
	Msg    string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("sojourn: %s at byte %d", e.Msg, e.Offset) }

// tag is an index into tags.
type tag int

const (
	tagDict tag = iota
	tagTuple
	tagBytes
	tagMarkup
	tagUUID
	tagDate
	noTag tag = -1
)

var tags = [...]string{" di", " t", " b", " m", " u", " d"}

// tagOf returns the tag that an object's key is.
func tagOf(key string) tag {
	if len(key) < 2 || key[0] != ' ' {
		return noTag
	}
	return tagAmong(key)
}

func tagAmong(key string) tag {
	for i, t := range tags {
		if key == t {
			return tag(i)
		}
	}
	return noTag
}
