// Package flask keeps sessions in Flask's own signed cookie, so that a Go
// program and a Flask application that share a secret key share the session.
//
//	ring, err := flask.KeysFromEnv() // SECRET_KEY and SECRET_KEY_FALLBACKS, as Flask reads them
//	…
//	sessions, err := sojourn.New(sojourn.Config{Keep: flask.Signed(ring)})
//
// [Signed] is the one to use: what Flask writes it reads, what it writes Flask
// reads, and it adds what Flask lacks, an idle and an absolute timeout that
// the server enforces and a new identity at sign-in. [Exact] does what Flask
// does to the byte and nothing more. [Signer] is for those who handle cookies
// themselves, without requests.
//
// The visitor can read everything in such a cookie. Keep secrets out of it.
package flask
