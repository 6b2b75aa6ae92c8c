package redisstore

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// A record is stored as one text: a head of fixed width, then owner, facts,
// verifiers and state. Numbers are in binary, most significant byte first; as
// decimals they would take 60 bytes more. The scripts know these positions.
//
//	 0  1  'S', which stands for this format
//	 1  1  kind
//	 2  8  version
//	10  6  last seen
//	16  6  idle deadline
//	22  6  absolute deadline
//	28  6  created
//	34  6  hold until
//	40  1  length of the owner
//	41  3  length of the facts
//	44  3  length of the verifiers
//	47     owner, facts, verifiers, state
//
// A time is the milliseconds since the zero time, so that none is 0.
const (
	format     = 'S'
	headLength = 47
	handleSize = 24
	maxText    = 1<<24 - 1
	maxTime    = 1<<48 - 1
)

var zeroTime = time.Time{}.UnixMilli()

var (
	errForm = errors.New("a record is not of a form that this version knows")
	errTime = errors.New("a time is not in the years 1 to 8920")
)

// An encoder puts numbers into a text, and remembers whether one did not fit.
type encoder struct {
	text []byte
	err  error
}

func (e *encoder) time(t time.Time) {
	ms := t.UnixMilli() - zeroTime
	if ms < 0 || ms > maxTime {
		e.err = errTime
		ms = 0
	}
	e.number(uint64(ms), 6)
}

func (e *encoder) length(text, what string, width int) {
	if len(text) >= 1<<(8*width) {
		e.err = errors.New("the " + what + " is too long")
	}
	e.number(uint64(len(text)), width)
}

// number puts the last width bytes of n.
func (e *encoder) number(n uint64, width int) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	e.text = append(e.text, b[8-width:]...)
}

// packTime returns t as the scripts know it; packVersion returns "" for 0.
func packTime(t time.Time) (string, error) {
	e := encoder{text: make([]byte, 0, 6)}
	e.time(t)
	return string(e.text), e.err
}

func packVersion(v store.Version) string {
	if v == 0 {
		return ""
	}
	return packMark(v)
}

func packMark(v store.Version) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(v))
	return string(b[:])
}

// encode returns the whole record.
func encode(r *store.Record) (string, error) {
	e := encoder{text: make([]byte, 0, headLength+len(r.Owner)+len(r.Facts)+len(r.Verifiers)+len(r.State))}
	e.text = append(e.text, format, byte(r.Kind))
	e.number(uint64(r.Version), 8)
	for _, t := range [...]time.Time{r.LastSeen, r.IdleDeadline, r.AbsoluteDeadline, r.Created, r.HoldUntil} {
		e.time(t)
	}
	e.length(r.Owner, "owner", 1)
	e.length(r.Facts, "facts", 3)
	e.length(r.Verifiers, "verifiers", 3)
	e.text = append(append(append(append(e.text, r.Owner...), r.Facts...), r.Verifiers...), r.State...)
	return string(e.text), e.err
}

// encodeChange returns what Apply changes of a record, in two parts.
func encodeChange(r *store.Record) (head, texts string, err error) {
	e := encoder{text: make([]byte, 0, 26)}
	e.number(uint64(r.Version), 8)
	e.time(r.LastSeen)
	e.time(r.IdleDeadline)
	e.length(r.Facts, "facts", 3)
	e.length(r.Verifiers, "verifiers", 3)
	return string(e.text), r.Facts + r.Verifiers + r.State, e.err
}

// decodeListed returns what lists show, from the whole text or its beginning.
// rest is what comes behind, of which the first n bytes are the verifiers.
func decodeListed(handle, text string) (l store.Listed, rest string, n int, err error) {
	if len(text) < headLength || text[0] != format {
		return l, "", 0, errForm
	}
	l.Kind = store.Kind(text[1])
	l.Handle = handle
	l.Version = store.Version(number(text[2:10]))
	for i, t := range [...]*time.Time{&l.LastSeen, &l.IdleDeadline, &l.AbsoluteDeadline, &l.Created, &l.HoldUntil} {
		*t = time.UnixMilli(int64(number(text[10+6*i:16+6*i])) + zeroTime).UTC()
	}
	owner, facts, n := int(text[40]), int(number(text[41:44])), int(number(text[44:47]))
	rest = text[headLength:]
	if owner+facts > len(rest) {
		return l, "", 0, errForm
	}
	l.Owner, l.Facts = rest[:owner], rest[owner:owner+facts]
	return l, rest[owner+facts:], n, nil
}

// decode returns the whole record. Its texts are parts of the given one.
func decode(handle, text string) (*store.Record, error) {
	l, rest, n, err := decodeListed(handle, text)
	if err != nil {
		return nil, err
	}
	if n > len(rest) {
		return nil, errForm
	}
	return &store.Record{Header: l.Header, Facts: l.Facts, Verifiers: rest[:n], State: rest[n:]}, nil
}

func number(b string) (n uint64) {
	for i := range len(b) {
		n = n<<8 | uint64(b[i])
	}
	return n
}

// validHandle reports whether text is a handle: two hexadecimal digits, and 22
// of base64. Anything else names no record, and is not sent to the server.
func validHandle(text string) bool {
	if len(text) != handleSize {
		return false
	}
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f':
		case i < 2:
			return false
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
