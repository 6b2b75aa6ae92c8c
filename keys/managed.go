package keys

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"time"
)

// The first line of the managed form, and how the first line of any version of
// it begins. In the plain form it would be a comment, which is refused there,
// so neither form is taken for the other.
const (
	managedHeader = managedPrefix + " 1"
	managedPrefix = "# sojourn keys"
)

// splitManaged makes a candidate of every line of the managed form but the
// first. It never returns an empty list.
func splitManaged(lines [][]byte, source string) []candidate {
	first := candidate{source: source + ", line 1"}
	switch {
	case string(bytes.TrimRight(lines[0], " \t\r")) != managedHeader:
		first.refused = fmt.Sprintf("the line is none that this version knows; it knows %q: correct it, or use a newer version", managedHeader)
		return []candidate{first}
	case len(lines) == 1:
		first.refused = "no key follows; add one with: sojourn key add FILE"
		return []candidate{first}
	}
	var list []candidate
	for i, line := range lines[1:] {
		c := parseManaged(bytes.TrimSpace(line))
		c.source = fmt.Sprintf("%s, line %d", source, i+2)
		list = append(list, c)
	}
	return list
}

// parseManaged reads one trimmed line: state=, created= and since= if they are
// known, and key=, in this order.
func parseManaged(line []byte) (c candidate) {
	const form = `; a line is "state=… created=… since=… key=…", where created and since may be missing`
	if len(line) == 0 {
		c.refused = "the line is empty; remove it" + form
		return c
	}
	text, ok := cutField(&line, "state")
	c.state = State(text)
	if !ok || !slices.Contains(states, c.state) {
		c.refused = "the line does not begin with state=, a space behind it, and one of active, next, read-only, retired" + form
		return c
	}
	for _, f := range []struct {
		name string
		time *time.Time
	}{{"created", &c.created}, {"since", &c.since}} {
		if text, ok := cutField(&line, f.name); ok && f.time.UnmarshalText([]byte(text)) != nil {
			c.refused = f.name + "= is no time in RFC 3339, such as 2026-03-01T09:00:00Z"
			return c
		}
	}
	key, ok := bytes.CutPrefix(line, []byte("key="))
	if !ok {
		c.refused = "the line has no key=, or something else before it" + form
		return c
	}
	if key = bytes.TrimSpace(key); len(key) == 0 {
		c.refused = "key= is empty; " + howToMake
		return c
	}
	c.secret, c.refused = parseLine(key)
	return c
}

// cutField takes name=value and the space behind it off the beginning of line.
func cutField(line *[]byte, name string) (value string, ok bool) {
	rest, ok := bytes.CutPrefix(*line, []byte(name+"="))
	if !ok {
		return "", false
	}
	text, rest, ok := bytes.Cut(rest, []byte(" "))
	if ok {
		*line = rest
	}
	return string(text), ok
}

// formatManaged writes keys in the managed form, in their order.
func formatManaged(list []candidate) []byte {
	b := []byte(managedHeader + "\n")
	for _, c := range list {
		b = fmt.Appendf(b, "state=%s ", c.state)
		for _, f := range []struct {
			name string
			time time.Time
		}{{"created", c.created}, {"since", c.since}} {
			if !f.time.IsZero() {
				b = append(f.time.UTC().AppendFormat(append(b, f.name+"="...), time.RFC3339Nano), ' ')
			}
		}
		b = append(append(append(b, "key="...), keyText(c.secret)...), '\n')
	}
	return b
}

// keyText writes a secret so that parseLine reads it: as it is if that can be.
func keyText(secret []byte) string {
	if read, refused := parseLine(bytes.TrimSpace(secret)); refused == "" && bytes.Equal(read, secret) {
		return string(secret)
	}
	return "base64:" + base64.StdEncoding.EncodeToString(secret)
}
