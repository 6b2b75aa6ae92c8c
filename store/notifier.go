package store

import "context"

// A Notifier is a Store that can say when there are changes, so that who
// follows them by Changes need not wait for the next poll. It says no more than
// that: what has happened, Changes tells. A Store need not be one.
type Notifier interface {
	// Notify calls wake soon after something has happened that Changes tells,
	// and not before Changes tells it. It first calls it when it has begun to
	// listen, so that what happened before is not waited for. It goes on until
	// ctx is over, and then returns its error.
	//
	// It may call wake for nothing, and may miss something: so Changes is asked
	// from time to time all the same. When a connection is lost it connects
	// again by itself, and calls wake then, since something may have been
	// missed.
	//
	// Calls of wake are not concurrent, and 10 milliseconds or more apart
	// however much happens. wake must not block: Notify does not return before
	// it.
	//
	// An error other than ctx's means that it cannot notify at all, or no
	// longer: one of a kind with errors.ErrUnsupported, that this is a wrapper
	// of a store that is no Notifier. It is no reason to stop following.
	Notify(ctx context.Context, wake func()) error
}
