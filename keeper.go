package sojourn

import (
	"context"
	"time"

	"github.com/sojourn-go/sojourn/internal/record"
	"github.com/sojourn-go/sojourn/store"
)

// A Keeper says where the data of sessions is kept. It is an opaque value:
// take one from [InStore], [Encrypted], [github.com/sojourn-go/sojourn/flask.Signed],
// [github.com/sojourn-go/sojourn/flask.Exact] or [InCookie] and put it in
// [Config.Keep]. The zero Keeper keeps nothing and is refused by [New].
type Keeper struct {
	codec    Codec
	store    store.Store
	spill    store.Store
	nilStore bool
}

// InStore keeps sessions on the server, in a store; the cookie holds a random
// token and nothing else. Packages memstore, sqlstore and redisstore have
// stores; package store says how to write one.
func InStore(s store.Store) Keeper { return Keeper{store: s, nilStore: s == nil} }

// InCookie keeps whole sessions in the cookie, in the form that codec gives
// them. Applications call the functions that choose a codec for them instead.
func InCookie(codec Codec) Keeper { return Keeper{codec: codec} }

// SpillTo returns a keeper that does as k, but moves a session that no longer fits
// into its cookie to s, where it goes on for the rest of its life: the cookie then
// holds a token. Without it such a change is a [TooLargeError].
//
// It is for encrypted cookies: a form that the visitor can read is one that other
// programs read, and they would not know the token. A copy of the cookie from
// before goes on as a cookie, as with any other change, until its timeout, or, with
// [Config.Revocations], until the session ends.
func (k Keeper) SpillTo(s store.Store) Keeper {
	k.spill, k.nilStore = s, k.nilStore || s == nil
	return k
}

// A Codec, for those who write a form of their own, turns a whole [Snapshot] into the text of a cookie and back. It
// decides about form, keys and freshness of the text; the [Manager] decides
// about timeouts, sending and size. Implementations must be safe for
// concurrent use, must not keep or change what they are given, and must not
// put any of it into errors.
type Codec interface {
	// Traits says what [New] has to know about the form. It is called once.
	Traits() Traits

	// Decode reads the text of the cookie in bounded time and memory,
	// whatever the text is. Text that is not to be trusted is a
	// [*RefusedError]. The order is size, form, MAC, inflate, parse.
	Decode(text string, use Use) (Decoded, error)

	// Encode writes rec, stamped with rec.LastSeen, under the active key.
	Encode(rec *Snapshot, use Use) (string, error)
}

// Use, for those who write a [Codec], is the circumstances in which a [Codec] works: they are authenticated
// by forms that can.
type Use struct {
	Cookie string    // the cookie's name
	Now    time.Time // the server's time

	// Moving is true when the session is to move into a store: Decode then
	// fills in Secrets.
	Moving bool

	// Room is an empty slice that Decode may append the fields to, to save
	// memory.
	Room []EncodedField
}

// Decoded, for those who write a [Codec], is what Decode found.
type Decoded struct {
	Snapshot

	// Adopt is true when the text lacks what the form adds to a session
	// that another program made. The next response that may will add it.
	Adopt bool

	// Rewrite is true when the text was written with a key that is read-only by
	// now. The next response that may will write it anew.
	Rewrite bool

	// Secrets are what the token of this session will be made from when it
	// moves into a store: the same for every text of one session, and known
	// to nobody without the keys. The one by the active key comes first, those
	// by other keys after it. Each is 32 bytes, and does not print.
	Secrets []record.Secret
}

// Traits, for those who write a [Codec], are the properties of a [Codec]'s form. The zero value is the
// safest: the fields relax it.
type Traits struct {
	// Err is why the codec cannot be used, such as a key that is missing.
	// New reports it with its other complaints.
	Err error

	// Reload, which may be nil, reads the form's keys again from where they
	// came from, so that they change without a restart. [Manager.Run] calls it
	// about twice a minute, for each form that has it, beside requests. If it
	// fails, the keys stay as they were.
	Reload func(context.Context) error

	// Cookie holds the form's own defaults; what [Config.Cookie] sets comes
	// first.
	Cookie Cookie

	// Sealed means that the visitor cannot read the fields. Otherwise a
	// [SecretField] is refused.
	Sealed bool

	// Clockless means that the form does not hold Created: the manager can
	// enforce no timeout, and New refuses one. Decode then enforces Lifetime.
	Clockless bool

	// Lifetime is how long the cookie of a permanent session is kept by the
	// browser in a clockless form.
	Lifetime time.Duration

	// OwnerField is the field in which the form keeps the owner, if it does.
	// It is reserved, and Clear leaves it.
	OwnerField string

	// SignInFields hold what else belongs to a sign-in. Clear leaves them.
	SignInFields []string

	// FirstCookie takes the first of several cookies of one name, as Flask
	// does; otherwise differing ones are all refused.
	FirstCookie bool

	// Flask makes the manager send and shape Set-Cookie by Flask's rules
	// instead of ours.
	Flask *FlaskRules
}

// FlaskRules are what Flask does and the manager by itself would not: it sends
// a session that was marked as modified even when nothing changed, deletes an
// empty one even when no cookie came in, lets Clear take the owner too, and
// adds no cookie attribute that it was not told.
// Only [github.com/sojourn-go/sojourn/flask.Exact] asks for them.
type FlaskRules struct {
	Secure           bool // SESSION_COOKIE_SECURE
	ScriptReadable   bool // SESSION_COOKIE_HTTPONLY is False
	RefreshPermanent bool // SESSION_REFRESH_EACH_REQUEST: send permanent sessions with every response
	MaxCookieSize    int  // MAX_COOKIE_SIZE: beyond it an event, and the cookie is sent all the same; 0 is no limit
}
