package flask

import "errors"

var errBase64 = errors.New("flask: not base64")

// pythonBase64 reads base64 as itsdangerous does, for [Lenient]: bytes outside
// ASCII are dropped, the length is padded, both alphabets count, other
// characters are skipped, and what follows a full padding is ignored.
func pythonBase64(text string) ([]byte, error) {
	ascii := make([]byte, 0, len(text)+3)
	for i := range len(text) {
		if text[i] < 0x80 {
			ascii = append(ascii, text[i])
		}
	}
	for len(ascii)%4 != 0 {
		ascii = append(ascii, '=')
	}
	out := make([]byte, 0, len(ascii)*3/4)
	var quad, pads int
	var left byte
	for _, c := range ascii {
		if c == '=' {
			if pads++; quad >= 2 && quad+pads >= 4 {
				return out, nil
			}
			continue
		}
		v, ok := sextet(c)
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

// sextet is the value of a base64 character of either alphabet.
func sextet(c byte) (byte, bool) {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A', true
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26, true
	case '0' <= c && c <= '9':
		return c - '0' + 52, true
	case c == '+' || c == '-':
		return 62, true
	case c == '/' || c == '_':
		return 63, true
	}
	return 0, false
}
