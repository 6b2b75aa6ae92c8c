package keys

import (
	"fmt"
	"regexp"
)

// What [Check] asks of a key, in bytes.
const (
	MinLength         = 16 // shorter keys are refused
	RecommendedLength = 32 // what [Generate] gives, before it is written in hex
)

// A Code says in one stable word what is wrong with a key.
type Code string

// The codes of a [Problem].
const (
	Empty     Code = "empty"     // no bytes at all
	Short     Code = "short"     // fewer bytes than needed, or than recommended
	Known     Code = "known"     // published in documentation or a tutorial, or a phrase people put where a key should be
	Structure Code = "structure" // follows a pattern that a guesser tries first
)

// A Problem is one thing that is wrong with a key. It never holds the key.
type Problem struct {
	Code    Code
	Refused bool   // the constructors refuse such a key; else it is advice
	Text    string // for a person; may change
}

// A Report is what [Check] found.
type Report struct {
	Length   int       // of the key, in bytes
	Problems []Problem // those that are refused first; empty for a good key
}

// OK reports whether the constructors accept the key. There may still be
// advice among the problems.
func (r Report) OK() bool {
	for _, p := range r.Problems {
		if p.Refused {
			return false
		}
	}
	return true
}

// Check judges the strength of a key. It can only find what is plainly weak: a
// key that it finds nothing wrong with is strong only if it was made at
// random.
func Check(secret []byte) Report {
	r := Report{Length: len(secret)}
	refuse := func(code Code, text string) {
		r.Problems = append(r.Problems, Problem{code, true, text})
	}
	advise := func(code Code, text string) {
		r.Problems = append(r.Problems, Problem{code, false, text})
	}

	if len(secret) == 0 {
		refuse(Empty, "the key is empty")
		return r
	}
	if len(secret) < MinLength {
		refuse(Short, fmt.Sprintf("the key has only %d of at least %d bytes", len(secret), MinLength))
	}
	if isKnown(secret) {
		refuse(Known, "the key is publicly known, or a phrase that people put where a key should be")
	}
	if pattern := findPattern(secret); pattern != "" {
		refuse(Structure, "the key is "+pattern)
	}
	if !r.OK() {
		return r
	}

	if len(secret) < RecommendedLength {
		advise(Short, fmt.Sprintf("the key has %d bytes, %d are recommended", len(secret), RecommendedLength))
	}
	if isUUID.Match(secret) {
		advise(Structure, "the key is a UUID; not every kind of UUID is made to be secret")
	}
	if period(secret) < len(secret) {
		advise(Structure, "the key repeats itself; only its first part counts")
	}
	return r
}

var isUUID = regexp.MustCompile(`^(?i:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)
