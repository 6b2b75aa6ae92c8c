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

// number64 reads a number of up to eight bytes, the highest first and not zero,
// in URL-safe base64: one text for one number. No text is 0.
func number64(text string) (n uint64, ok bool) {
	if text == "" {
		return 0, true
	}
	if len(text) > 11 || len(text)%4 == 1 {
		return 0, false
	}
	var last byte
	for i := range len(text) {
		v, ok := sextet(text[i])
		if !ok || text[i] == '+' || text[i] == '/' {
			return 0, false
		}
		if last = v; i < len(text)-1 || len(text)%4 == 0 {
			n = n<<6 | uint64(v)
		}
	}
	// The last of two or three characters has four or two bits to spare.
	switch len(text) % 4 {
	case 2:
		n, last = n<<2|uint64(last>>4), last&15
	case 3:
		n, last = n<<4|uint64(last>>2), last&3
	default:
		last = 0
	}
	size := len(text) * 3 / 4
	return n, last == 0 && n>>(8*(size-1)) != 0
}
