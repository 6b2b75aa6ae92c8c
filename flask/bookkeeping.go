package flask

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/internal/record"
	"github.com/sojourn-go/sojourn/internal/tagged"
	"github.com/sojourn-go/sojourn/keys"
)

// bookkeepingField is the one field that Sojourn adds to a session it shares
// with Flask. Its value is a string of four parts joined by dots: the version
// 1, the time the session was made (milliseconds, base 36), its handle, and a
// check of the owner it was written for. docs/formats.md has the details.
const bookkeepingField = "_sojourn"

// formatBookkeeping returns the field's JSON text.
func formatBookkeeping(rec *sojourn.Snapshot) string {
	var room [96]byte
	b := append(room[:0], `"1.`...)
	b = append(strconv.AppendInt(b, rec.Created.UnixMilli(), 36), '.')
	b = append(append(b, rec.Handle...), '.')
	check := ownerCheck(rec.Owner)
	return string(append(append(b, check[:]...), '"'))
}

// clocksApart is by how many seconds the clocks of two processes may differ: a
// sign-in is made later than the last "log out everywhere", by whichever process
// that was.
const clocksApart = 2

// ownerCheck ties the bookkeeping to an owner: when a Flask application signs
// somebody else in, or out, what was noted before is not his. It is FNV-1a,
// which anybody can make collide, and nobody gains by it: the signature covers
// the text, and whoever keeps another owner's notes has an older session.
func ownerCheck(owner string) (check [11]byte) {
	sum := uint64(14695981039346656037)
	for i := range len(owner) {
		sum = (sum ^ uint64(owner[i])) * 1099511628211
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], sum)
	base64.RawURLEncoding.Encode(check[:], b[:])
	return check
}

// adopt takes the bookkeeping out of d's fields and into its record. Where it
// is missing or another owner's, the session was made by Flask: its clock
// begins at the stamp of this cookie, and its identity comes from the
// signature, so that parallel first requests agree and a copy of the cookie
// cannot start afresh.
func adopt(d *sojourn.Decoded, v *opened) {
	for i, f := range d.State {
		if f.Name != bookkeepingField {
			continue
		}
		copy(d.State[1:], d.State[:i]) // the slice is ours since Split, and few names sort before this one
		d.State = d.State[1:]
		text, _ := tagged.String(f.Raw)
		created, name, ok := parseBookkeeping(text, d.Owner)
		if ok && created < (v.IssuedAt.Unix()+1+clocksApart)*1000 { // nothing is made after it was issued
			d.Created, d.Handle = time.UnixMilli(created), name
			return
		}
		break
	}
	mac := hmac.New(sha256.New, v.entry.Value.identity)
	signature := v.signature // a copy may leave the stack, v must not
	mac.Write(signature[:])
	d.Handle = handle.Derive(d.Owner, [16]byte(mac.Sum(nil)))
	d.Adopt = true
}

// secrets are what the token of a session is made from when it moves into a
// store. They come from its handle, which no re-stamping changes, and from each
// key that reads, the active one first.
func (s *Signer) secrets(handle string) []record.Secret {
	var list []record.Secret
	for _, e := range s.keys.Entries() {
		if e.State == keys.Retired {
			break // they come last
		}
		list = append(list, record.DeriveSecret(e.Value.identity, handle))
	}
	return list
}

// base36 reads a number of up to ten digits, without a leading zero.
func base36(text string) (n int64, ok bool) {
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9' && !(c == '0' && i == 0):
			n = n*36 + int64(c-'0')
		case 'a' <= c && c <= 'z':
			n = n*36 + int64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, text != "" && len(text) <= 10
}

func parseBookkeeping(text, owner string) (millis int64, name string, ok bool) {
	const handleLen, checkLen = 24, 11
	end := len(text) - len(".") - handleLen - len(".") - checkLen // of the time
	if !strings.HasPrefix(text, "1.") || end <= 2 || end > 12 || text[end] != '.' || text[end+1+handleLen] != '.' {
		return 0, "", false
	}
	name, want := text[end+1:end+1+handleLen], ownerCheck(owner)
	millis, ok = base36(text[2:end])
	if !ok || !handle.Valid(name) || text[end+handleLen+2:] != string(want[:]) {
		return 0, "", false
	}
	return millis, name, true
}
