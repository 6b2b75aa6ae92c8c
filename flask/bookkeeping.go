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
	"github.com/sojourn-go/sojourn/internal/tagged"
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
func (s *Signer) adopt(d *sojourn.Decoded, v *opened) {
	for i, f := range d.State {
		if f.Name != bookkeepingField {
			continue
		}
		d.State = append(d.State[:i], d.State[i+1:]...) // ours since Split
		text, _ := tagged.String(f.Raw)
		if created, name, ok := parseBookkeeping(text, d.Owner); ok && created.Before(v.IssuedAt.Add(time.Second)) {
			d.Created, d.Handle = created, name
			return
		}
		break
	}
	mac := hmac.New(sha256.New, s.keys[v.Key].identity)
	signature := v.signature // a copy may leave the stack, v must not
	mac.Write(signature[:])
	d.Handle = handle.Derive(d.Owner, [16]byte(mac.Sum(nil)))
	d.Adopt = true
}

func parseBookkeeping(text, owner string) (created time.Time, name string, ok bool) {
	version, text, _ := strings.Cut(text, ".")
	millis, text, _ := strings.Cut(text, ".")
	name, check, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(millis, 36, 64)
	want := ownerCheck(owner)
	if version != "1" || err != nil || n < 0 || n > 1<<48 || !handle.Valid(name) || check != string(want[:]) {
		return time.Time{}, "", false
	}
	return time.UnixMilli(n), name, true
}
