package flask

import (
	"crypto"
	"crypto/fips140"
	"crypto/hmac"
	_ "crypto/sha1" // Flask's digest
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"

	"github.com/sojourn-go/sojourn/keys"
)

// An Option changes how cookies are signed and read: what a Flask application
// changes by a subclass of SecureCookieSessionInterface. Both sides have to
// agree.
type Option func(*options)

type options struct {
	salt       string
	digest     crypto.Hash
	derivation Derivation
	lenient    bool
	ownerField string
}

func newOptions(opts []Option) options {
	o := options{salt: "cookie-session", digest: crypto.SHA1, ownerField: "_user_id"}
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	return o
}

// Salt sets the salt that the signing key is derived with. Flask's is
// "cookie-session".
func Salt(salt string) Option { return func(o *options) { o.salt = salt } }

// Digest sets the hash of signature and key derivation. Flask's is SHA-1;
// SHA-256, SHA-384 and SHA-512 can be had. In FIPS 140-only mode SHA-1 is
// refused.
func Digest(h crypto.Hash) Option { return func(o *options) { o.digest = h } }

// KeyDerivation sets how the signing key comes from the secret key and the
// salt. Flask's is [DeriveHMAC].
func KeyDerivation(d Derivation) Option { return func(o *options) { o.derivation = d } }

// Lenient reads what Flask reads but never writes: stray characters in base64,
// junk after a compressed payload, a list of pairs for a mapping. A cookie
// then has many spellings. Sizes stay bounded.
func Lenient() Option { return func(o *options) { o.lenient = true } }

// OwnerIn names the field that holds the owner. It is _user_id, as
// Flask-Login has it; the tutorials' hand-made logins use "username" or
// "user_id".
func OwnerIn(field string) Option { return func(o *options) { o.ownerField = field } }

// A Derivation is one of the ways in which itsdangerous derives a signing key.
type Derivation uint8

// The derivations of itsdangerous, H being the digest.
const (
	DeriveHMAC         Derivation = iota // "hmac": HMAC(secret key, salt)
	DeriveConcat                         // "concat": H(salt + secret key)
	DeriveDjangoConcat                   // "django-concat": H(salt + "signer" + secret key)
	DeriveNone                           // "none": the secret key itself
)

// check lists what is wrong with the options or the ring.
func (o *options) check(ring *keys.Ring) error {
	var problems []error
	if ring.Active() == (keys.Key{}) {
		problems = append(problems, errors.New(`flask: no secret key; make one with "sojourn key new" and read it with flask.KeysFromEnv or keys.FromEnv`))
	}
	switch o.digest {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512:
	case crypto.SHA1:
		if fips140.Enforced() {
			problems = append(problems, errors.New("flask: SHA-1, Flask's digest, is not allowed in FIPS 140-only mode: pass flask.Digest(crypto.SHA256) here, "+
				"and in Flask set app.session_interface to a subclass of SecureCookieSessionInterface with digest_method = staticmethod(hashlib.sha256)"))
		}
	default:
		problems = append(problems, fmt.Errorf("flask: digest %v is not supported: use SHA1, SHA256, SHA384 or SHA512", o.digest))
	}
	if o.derivation > DeriveNone {
		problems = append(problems, fmt.Errorf("flask: key derivation %d is unknown", o.derivation))
	}
	if o.ownerField == "" || o.ownerField == bookkeepingField || o.ownerField == "_permanent" || o.ownerField == "_flashes" {
		problems = append(problems, fmt.Errorf("flask: OwnerIn(%q): the owner needs a field of its own", o.ownerField))
	}
	return errors.Join(problems...)
}

// derive returns the signing key for a secret key.
func (o *options) derive(secret []byte) []byte {
	h := o.digest.New()
	switch o.derivation {
	case DeriveNone:
		return secret
	case DeriveConcat:
		h.Write([]byte(o.salt))
		h.Write(secret)
	case DeriveDjangoConcat:
		h.Write([]byte(o.salt + "signer"))
		h.Write(secret)
	default:
		h = hmac.New(o.digest.New, secret)
		h.Write([]byte(o.salt))
	}
	return h.Sum(nil)
}
