// Package keys holds the key ring that signs and encrypts sessions.
//
// Most programs need one line of it:
//
//	ring, err := keys.FromEnv("SECRET_KEY")
//	if err != nil {
//		log.Fatal(err) // says what is missing and how to make a key
//	}
//
// A [Ring] is a list of keys. The first one is active: it writes. All of them
// read. To rotate, put a new key in front of the old one; nobody is logged
// out. Remove the old one when everything that it wrote has expired.
//
// The text form, for [FromEnv], [FromFile] and [Parse], is one key a line, the
// current one first. A key is taken as the bytes of its line, so a hex key is
// its hex digits, as Flask takes SECRET_KEY. A line that begins with "base64:"
// is decoded.
//
// Whoever knows a key can forge any session. So a key that is short, that
// follows a pattern, or that stands in a tutorial is refused ([Check] says
// why), and keys never appear in errors or when a [Key] or a [Ring] is
// printed, logged or encoded: only their ids do. An id is a short hash of the
// key: it tells keys apart, it proves nothing.
package keys
