package flask

import (
	"strings"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/internal/tagged"
	"github.com/sojourn-go/sojourn/keys"
)

// Signed keeps sessions in Flask's signed cookie, with what Flask lacks: the
// timeouts of [sojourn.Config], a new identity at sign-in, Secure and
// SameSite=Lax. The cookie keeps Flask's name "session".
//
// The owner is the field _user_id, so a sign-in by Flask-Login is a sign-in
// here and the reverse; see [OwnerIn]. What else Sojourn has to remember is in
// one field of its own, _sojourn, which Flask carries along unread. The idle
// timeout counts from the time of issue, which Flask renews when it writes.
//
// Secure is needed on Flask's side too, or the two set different cookies:
// SESSION_COOKIE_SECURE = True, SESSION_COOKIE_SAMESITE = "Lax".
func Signed(ring *keys.Ring, opts ...Option) sojourn.Keeper {
	return sojourn.InCookie(newCodec(ring, opts, nil))
}

// Exact keeps sessions as the Flask application does that has these settings,
// to the byte: the same cookie, the same Set-Cookie, the same lifetime, and no
// timeout besides. Compressed payloads are the exception: Flask reads them,
// but their bytes differ. The owner is the field _user_id; see [OwnerIn].
//
// It is for tests against Flask and for a strict replacement of it; [Signed]
// shares the same sessions and is safer.
func Exact(ring *keys.Ring, settings Settings, opts ...Option) sojourn.Keeper {
	return sojourn.InCookie(newCodec(ring, opts, &settings))
}

// codec is Flask's form of a whole record.
type codec struct {
	signer   *Signer
	owner    string // the field that holds the owner
	lenient  bool
	exact    bool
	lifetime int64 // in seconds, when exact
	traits   sojourn.Traits
}

func newCodec(ring *keys.Ring, opts []Option, settings *Settings) *codec {
	o := newOptions(opts)
	signer, err := newSigner(ring, o)
	c := &codec{signer: signer, owner: o.ownerField, lenient: o.lenient}
	c.traits = sojourn.Traits{
		Err: err, Reload: ring.Reload, FirstCookie: true,
		Cookie:     sojourn.Cookie{Name: "session"},
		OwnerField: o.ownerField, SignInFields: []string{"_fresh", "_id"},
	}
	if settings != nil {
		c.exact, c.lifetime = true, int64(settings.lifetime()/time.Second)
		settings.apply(&c.traits)
	}
	return c
}

// Traits implements [sojourn.Codec].
func (c *codec) Traits() sojourn.Traits { return c.traits }

// Decode implements [sojourn.Codec].
func (c *codec) Decode(text string, use sojourn.Use) (sojourn.Decoded, error) {
	maxAge := int64(noMaxAge)
	if c.exact {
		maxAge = c.lifetime
	}
	var v opened
	if err := c.signer.open(&v, text, use.Now, maxAge); err != nil {
		return sojourn.Decoded{}, err
	}
	fields, err := tagged.Split(use.Room, v.Payload, c.lenient)
	if err != nil {
		return sojourn.Decoded{}, refusePayload(err)
	}
	d := sojourn.Decoded{Snapshot: sojourn.Snapshot{
		Owner: c.ownerOf(fields), Created: v.IssuedAt, LastSeen: v.IssuedAt, State: fields,
	}}
	if !c.exact {
		adopt(&d, &v)
		d.Rewrite = v.entry.State == keys.ReadOnly // not one that is next: another process is ahead
		if use.Moving {
			d.Secrets = c.signer.secrets(d.Handle)
		}
	}
	v.entry.Key.CountRead(use.Now)
	return d, nil
}

// Encode implements [sojourn.Codec].
func (c *codec) Encode(rec *sojourn.Snapshot, use sojourn.Use) (string, error) {
	fields := make([]tagged.Field, 0, len(rec.State)+2)
	signedIn := rec.Owner == c.ownerOf(rec.State)
	for _, f := range rec.State {
		if (c.exact || f.Name != bookkeepingField) && (signedIn || f.Name != c.owner) {
			fields = append(fields, f)
		}
	}
	if !signedIn && rec.Owner != "" {
		raw, err := tagged.AppendString(nil, rec.Owner)
		if err != nil {
			return "", err
		}
		fields = append(fields, tagged.Field{Name: c.owner, Raw: string(raw)})
	}
	if !c.exact {
		fields = append(fields, tagged.Field{Name: bookkeepingField, Raw: formatBookkeeping(rec)})
	}
	k := c.signer.active()
	sc := k.scratch.Get().(*scratch)
	defer k.scratch.Put(sc)
	var err error
	if sc.json, err = tagged.AppendObject(sc.json[:0], fields); err != nil {
		return "", err
	}
	if len(sc.json) > maxInflated {
		return "", errTooLarge
	}
	return sc.cookie(sc.json, rec.LastSeen), nil
}

// ownerOf reads the owner field. Flask applications keep numbers there too.
func (c *codec) ownerOf(fields []tagged.Field) string {
	for i := range fields {
		if fields[i].Name != c.owner {
			continue
		}
		if owner, ok := tagged.String(fields[i].Raw); ok {
			return owner
		}
		if isInteger(fields[i].Raw) {
			return fields[i].Raw
		}
	}
	return ""
}

// isInteger reports whether a value's text is an integer, of any size.
func isInteger(raw string) bool {
	digits := strings.TrimPrefix(raw, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}
