package tagged

import "errors"

var errBase64 = errors.New("sojourn: not base64")

// PythonBase64 decodes base64 as Python's binascii does when it is not told to
// be strict: characters outside the alphabet are skipped, and what follows a
// full padding is ignored. With url, - and _ count as well as + and /.
func PythonBase64(text string, url bool) ([]byte, error) {
	out := make([]byte, 0, len(text)*3/4)
	var quad, pads int
	var left byte
	for i := range len(text) {
		c := text[i]
		if c == '=' {
			if quad >= 2 {
				if pads++; quad+pads >= 4 {
					return out, nil
				}
			}
			continue
		}
		v, ok := sextet(c, url)
		if !ok {
			continue
		}
		pads = 0
		switch quad {
		case 1:
			out = append(out, left<<2|v>>4)
		case 2:
			out = append(out, left<<4|v>>2)
		case 3:
			out = append(out, left<<6|v)
		}
		left, quad = v, (quad+1)%4
	}
	if quad != 0 {
		return nil, errBase64
	}
	return out, nil
}

// sextet is the value of a base64 character.
func sextet(c byte, url bool) (byte, bool) {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A', true
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26, true
	case isDigit(c):
		return c - '0' + 52, true
	case c == '+' || url && c == '-':
		return 62, true
	case c == '/' || url && c == '_':
		return 63, true
	}
	return 0, false
}
