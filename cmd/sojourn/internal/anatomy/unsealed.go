package anatomy

import (
	"context"
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
	"github.com/sojourn-go/sojourn/memstore"
	"github.com/sojourn-go/sojourn/store"
)

// An Unsealed is what is in an encrypted cookie.
type Unsealed struct {
	Handle, Owner  string
	Made, LastUsed time.Time
	Fields         map[string]any
	JSON           string // the fields, as tagged JSON
}

// longest is the longest timeout that a program can have.
const longest = 400 * 24 * time.Hour

// Unseal opens an encrypted cookie with the keys of ring, which need not be good
// ones, for the cookie's name and the application ("" if the program gives
// none). Of timeouts it knows only the longest there can be, and of a revocation
// list nothing. A cookie that is refused is a [sojourn.RefusedError]. It counts
// no reads in ring.
//
// It does what a program does, and nothing that is not the library's public API.
// For the times, which a [sojourn.Session] does not tell, the session moves into
// a store of ours, which keeps nothing.
func Unseal(ring *keys.Ring, name, application, cookie string) (*Unsealed, error) {
	if _, ok := OfSealed(cookie); !ok {
		return nil, &sojourn.RefusedError{Reason: sojourn.ReasonMalformed, Detail: "not of the form of an encrypted session"}
	}
	var events []sojourn.Event
	empty, err := memstore.New(memstore.Options{})
	if err != nil {
		return nil, err
	}
	moved := &hatch{Store: empty}
	manager, err := newUnsealer(ring, moved, name, application, func(_ context.Context, e sojourn.Event) { events = append(events, e) })
	if err != nil {
		return nil, err
	}
	var u *Unsealed
	var failed error
	handler := manager.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		session := sojourn.From(r.Context())
		session.NoActivity()
		session.Handle() // reads the cookie
		if failed = session.Err(); failed != nil || moved.record == nil {
			return
		}
		rec := moved.record
		u = &Unsealed{Handle: rec.Handle, Owner: rec.Owner, Made: rec.Created, LastUsed: rec.LastSeen, Fields: map[string]any{}}
		for field, value := range session.All() {
			u.Fields[field] = value
		}
	}))
	request, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Cookie", name+"="+cookie)
	handler.ServeHTTP(nobody{}, request)
	if reason, detail := Refusal(events); reason != "" {
		return nil, &sojourn.RefusedError{Reason: reason, Detail: detail}
	}
	if failed != nil {
		return nil, failed
	}
	if u == nil {
		return nil, &sojourn.RefusedError{Reason: sojourn.ReasonPayload, Detail: "it is in order, but holds nothing, and counts as no session"}
	}
	u.JSON, err = flask.Encode(u.Fields)
	return u, err
}

func newUnsealer(ring *keys.Ring, moved store.Store, name, application string, events func(context.Context, sojourn.Event)) (*sojourn.Manager, error) {
	var secrets [][]byte
	for _, key := range ring.All() {
		secrets = append(secrets, key.Bytes())
	}
	own, err := keys.New(secrets, keys.InsecureAllowWeak()) // with counts of its own
	if err != nil {
		return nil, err
	}
	return sojourn.New(sojourn.Config{
		Keep:            sojourn.InStore(moved),
		Cookie:          sojourn.Cookie{Name: name + "-moved"},
		AlsoRead:        []sojourn.Former{{Keep: sojourn.Encrypted(own, sojourn.Application(application)), Cookie: sojourn.Cookie{Name: name}}},
		IdleTimeout:     longest,
		AbsoluteTimeout: longest,
		Events:          events,
	})
}

// A hatch is a store through which a record goes, and which keeps nothing: a
// session that moves is looked for, and made.
type hatch struct {
	store.Store // an empty one, for all other questions
	record      *store.Record
}

func (h *hatch) Load(context.Context, string) (*store.Record, error) { return nil, store.ErrGone }

func (h *hatch) Create(_ context.Context, rec *store.Record, _ store.CreateOptions) (store.Created, error) {
	kept := *rec
	h.record = &kept
	return store.Created{}, nil
}

// nobody is to whom the answer goes.
type nobody struct{}

func (nobody) Header() http.Header         { return http.Header{} }
func (nobody) Write(b []byte) (int, error) { return len(b), nil }
func (nobody) WriteHeader(int)             {}
