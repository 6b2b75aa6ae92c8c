// Package anatomy takes apart cookies in Flask's form without their key.
package anatomy

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

// Parts are the parts of a cookie. Nothing about them has been verified.
type Parts struct {
	Payload   string // as it stands in the cookie, with the dot that marks compression
	Timestamp string
	Signature string

	JSON       string // the payload, decoded: tagged JSON
	Compressed bool
	PayloadErr error // why the payload cannot be read, or is no session

	IssuedAt     time.Time
	TimestampErr error // why the time of issue cannot be read
}

// Of takes cookie apart. It fails when there are no three parts; what is wrong
// with one of them is in Parts.
func Of(cookie string, lenient bool) (Parts, error) {
	signer, err := ownSigner(lenient)
	if err != nil {
		return Parts{}, err
	}
	if len(cookie) > flask.MaxCookie {
		return Parts{}, &sojourn.RefusedError{Reason: sojourn.ReasonTooLarge, Detail: "longer than 64 KiB"}
	}
	end := strings.LastIndexByte(cookie, '.')
	middle := strings.LastIndexByte(cookie[:max(end, 0)], '.')
	if middle < 0 {
		_, err := signer.Verify(cookie, time.Time{}, 0) // says what is missing
		return Parts{}, err
	}
	p := Parts{Payload: cookie[:middle], Timestamp: cookie[middle+1 : end], Signature: cookie[end+1:]}

	// The payload, as if issued in 1970 and read then.
	v, err := signer.Verify(resign(p.Payload+"."), time.Unix(0, 0), 0)
	p.JSON, p.PayloadErr = v.Payload, err
	p.Compressed = strings.HasPrefix(p.Payload, ".")

	// The time of issue, of an empty session that is always too old.
	v, err = signer.Verify(resign("e30."+p.Timestamp), time.Unix(1<<62, 0), 0)
	p.IssuedAt = v.IssuedAt
	if reason := sojourn.ReasonOf(err); reason != sojourn.ReasonExpired && reason != sojourn.ReasonFuture {
		p.TimestampErr = err
	}
	return p, nil
}

// The library opens only cookies that are signed, and rightly so. So a part to
// be read is signed with a key of our own first: then it goes through the same
// code, with the same bounds, as in a program.
var ownKey = sync.OnceValue(keys.Generate)

func ownSigner(lenient bool) (*flask.Signer, error) {
	ring, err := keys.New([][]byte{[]byte(ownKey())})
	if err != nil {
		return nil, err
	}
	options := []flask.Option{flask.KeyDerivation(flask.DeriveNone)}
	if lenient {
		options = append(options, flask.Lenient())
	}
	return flask.NewSigner(ring, options...)
}

func resign(text string) string {
	mac := hmac.New(sha1.New, []byte(ownKey()))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Detail returns why a cookie was refused, without the words that an error
// begins with.
func Detail(err error) string {
	var refused *sojourn.RefusedError
	if errors.As(err, &refused) {
		return refused.Detail
	}
	if err == nil {
		return ""
	}
	return err.Error()
}
