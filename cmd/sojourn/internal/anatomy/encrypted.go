package anatomy

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/sojourn-go/sojourn"
)

// Sealed are the parts of an encrypted cookie, as far as they can be seen
// without its key: docs/formats.md has the form. Nothing has been verified.
type Sealed struct {
	Version    int
	KeyID      string // of the key that it says it was encrypted with
	Salt       string // this and the others in hexadecimal digits
	Commitment string
	Nonce      string
	Ciphertext int // bytes, as many as the plain text has
	Tag        string
}

// The form of version 1: where its parts end.
const (
	sealedVersion = 1
	idEnd         = 1 + 4
	saltEnd       = idEnd + 16
	commitmentEnd = saltEnd + 16
	nonceEnd      = commitmentEnd + 12
	tagSize       = 16
)

var base64url = base64.RawURLEncoding.Strict()

// OfSealed takes apart an encrypted cookie. ok is false for what has not that
// form; of another version only that is known.
func OfSealed(cookie string) (s Sealed, ok bool) {
	if len(cookie) > 16<<10 || strings.ContainsAny(cookie, "\r\n") { // which the decoder skips
		return Sealed{}, false
	}
	data, err := base64url.DecodeString(cookie)
	if err != nil || len(data) < nonceEnd+tagSize || data[0] != sealedVersion {
		return Sealed{}, false
	}
	part := func(from, to int) string { return hex.EncodeToString(data[from:to]) }
	end := len(data) - tagSize
	return Sealed{
		Version: sealedVersion, KeyID: part(1, idEnd), Salt: part(idEnd, saltEnd), Commitment: part(saltEnd, commitmentEnd),
		Nonce: part(commitmentEnd, nonceEnd), Ciphertext: end - nonceEnd, Tag: part(end, len(data)),
	}, true
}

var tokenForm = regexp.MustCompile(`^[0-9a-f]{2}[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}$`)

// OfToken returns the public half of the token of a stored session. ok is false
// for what has not that form.
func OfToken(cookie string) (handle string, ok bool) {
	if !tokenForm.MatchString(cookie) {
		return "", false
	}
	handle, secret, _ := strings.Cut(cookie, ".")
	_, err := base64url.DecodeString(secret)
	return handle, err == nil
}

// Refusal finds among the events of a request why its cookie was not accepted.
func Refusal(events []sojourn.Event) (sojourn.Reason, string) {
	for _, e := range events {
		switch e.Kind {
		case sojourn.EventExpired:
			return sojourn.ReasonExpired, "the session’s time has run out"
		case sojourn.EventRefused:
			return e.Reason, Detail(e.Err)
		}
	}
	return "", ""
}
