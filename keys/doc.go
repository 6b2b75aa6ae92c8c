// Package keys holds the key ring that signs and encrypts sessions.
//
// Most programs need one line of it:
//
//	ring, err := keys.FromEnv("SECRET_KEY")
//	if err != nil {
//		log.Fatal(err) // says what is missing and how to make a key
//	}
//
// A [Ring] is a set of keys. One is active: it writes. All read, but for those
// that are retired.
//
// # The life of a key
//
//	next ──► active ──► read-only ──► retired
//
// A key comes into a ring as next: it reads, so that a process knows what
// others will write with it. Once all processes know it, it is made active and
// writes; the one that was active before is read-only from then on. When all
// that it wrote has expired it is retired: what still comes is refused, with
// the reason "key". Nobody is signed out.
//
// [FromFile] and [FromProvider] make rings that a running program reads again,
// see [Ring.Reload]; sojourn.Manager.Run does it about twice a minute. A
// [File], or the tool "sojourn key add, activate, retire", edits a key file.
// [Ring.Info] counts what each key still reads, so that nobody has to guess
// when it may be retired.
//
// # How keys are written
//
// The plain form, for [FromEnv], [FromFile] and [Parse] alike, is one key a
// line, the current one first. A key is taken as the bytes of its line, so a
// hex key is its hex digits, as Flask takes SECRET_KEY. A line that begins with
// "base64:" is decoded. The managed form says besides what state each key is
// in; [Parse] describes both.
//
// To rotate in the plain form, put a new key in front of the old one. Every
// process must have it before any writes with it, so where there are several,
// put it second first.
//
// # Secrets
//
// Whoever knows a key can forge any session. So a key that is short, that
// follows a pattern, or that stands in a tutorial is refused ([Check] says
// why), and keys never appear in errors or when a [Key] or a [Ring] is
// printed, logged or encoded: only their ids do. An id is a short hash of the
// key: it tells keys apart, it proves nothing.
//
// In FIPS 140-only mode everything here works; keys of less than 14 bytes are
// then refused even with [InsecureAllowWeak].
package keys
