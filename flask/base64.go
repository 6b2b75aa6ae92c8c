package flask

import "github.com/sojourn-go/sojourn/internal/tagged"

// pythonBase64 reads base64 as itsdangerous does, for [Lenient]: bytes outside
// ASCII are dropped, the length is padded, both alphabets count.
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
	return tagged.PythonBase64(string(ascii), true)
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
		if !ok {
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

// sextet is the value of a character of the URL-safe alphabet.
func sextet(c byte) (byte, bool) {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A', true
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26, true
	case '0' <= c && c <= '9':
		return c - '0' + 52, true
	case c == '-':
		return 62, true
	case c == '_':
		return 63, true
	}
	return 0, false
}
