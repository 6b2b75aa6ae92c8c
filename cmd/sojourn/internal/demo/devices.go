package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/store"
)

const (
	maxDevices = 20 // of a visitor, on the page
	maxPages   = 10 // of 100 records, that are looked through for them
)

// devices is the list of an owner's sessions.
type devices struct {
	List   []device
	More   bool // there are more than are shown
	Others bool // there is one besides this
	Failed bool // the store could not say
}

// A device is one of an owner's sessions.
type device struct {
	Handle        string
	Created, Seen time.Time
	This          bool // it is the one that asks
}

// devicesOf lists the sessions of owner, of which this is the handle of one:
// this one first, then the latest.
func (a *App) devicesOf(ctx context.Context, owner, this string) *devices {
	d, page := &devices{}, store.Page{Limit: 100}
	for range maxPages {
		listing, err := a.sessions.Sessions(ctx, owner, page)
		if err != nil {
			return &devices{Failed: true}
		}
		for _, r := range listing.Records {
			d.List = append(d.List, device{r.Handle, r.Created, r.LastSeen, r.Handle == this})
			d.Others = d.Others || r.Handle != this
		}
		if page.Cursor = listing.Next; page.Cursor == "" {
			break
		}
	}
	slices.SortStableFunc(d.List, func(a, b device) int {
		switch {
		case a.This:
			return -1
		case b.This:
			return 1
		}
		return b.Created.Compare(a.Created)
	})
	d.More = len(d.List) > maxDevices || page.Cursor != ""
	d.List = d.List[:min(len(d.List), maxDevices)]
	return d
}

// endSession ends one of the visitor's sessions. A handle is no secret, so the
// record has to be his; somebody else's looks like one that is not there.
func (a *App) endSession(r *http.Request) error {
	ctx, words, handle := r.Context(), wordsFor(r), r.PostFormValue("handle")
	owner, ok := sojourn.Owner(ctx)
	if !ok {
		sojourn.Flash(ctx, "notice", words.SignInFirst)
		return nil
	}
	if handle == sojourn.From(ctx).Handle() {
		return signOut(r)
	}
	rec, err := a.sessions.Store().Load(ctx, handle)
	switch {
	case errors.Is(err, store.ErrGone), err == nil && (rec.Owner != owner || rec.Kind != store.KindSession):
		sojourn.Flash(ctx, "notice", words.EndedAlready)
		return nil
	case err != nil:
		return &sojourn.StoreError{Op: "load", Err: err}
	}
	if err := a.sessions.Revoke(ctx, handle); err != nil {
		return err
	}
	sojourn.Flash(ctx, "success", words.EndedOne)
	return nil
}

// endAll signs the visitor out everywhere, here too. Sessions in cookies are ended
// by the list, which does not know how many there are.
func (a *App) endAll(r *http.Request) error {
	ctx, words := r.Context(), wordsFor(r)
	owner, ok := sojourn.Owner(ctx)
	if !ok {
		sojourn.Flash(ctx, "notice", words.SignInFirst)
		return nil
	}
	if _, err := a.sessions.RevokeOwner(ctx, owner, ""); err != nil {
		return err
	}
	return leave(r, words.EndedAll)
}

// endOthers signs the visitor out everywhere but here.
func (a *App) endOthers(r *http.Request) error {
	ctx, words := r.Context(), wordsFor(r)
	owner, ok := sojourn.Owner(ctx)
	if !ok {
		sojourn.Flash(ctx, "notice", words.SignInFirst)
		return nil
	}
	n, err := a.sessions.RevokeOwner(ctx, owner, sojourn.From(ctx).Handle())
	if err != nil {
		return err
	}
	sojourn.Flash(ctx, "success", fmt.Sprintf(words.EndedOthers, n))
	return nil
}
