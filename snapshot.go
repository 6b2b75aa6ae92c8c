package sojourn

import (
	"time"

	"github.com/sojourn-go/sojourn/internal/tagged"
)

// A Tuple is Python's tuple: an ordered list that a Flask application reads
// back as a tuple. A []any is a list on both sides.
type Tuple = tagged.Tuple

// A UUID is written as Python's uuid.UUID. Any array type [16]byte that is
// named UUID, such as that of the common UUID packages, is written the same
// way and can be a [Field]'s type.
type UUID = tagged.UUID

// An EncodedField is a field as a [Codec] sees it: its name and its value as
// tagged JSON text. Text that nobody touched is carried through as it came.
type EncodedField = tagged.Field

// A Snapshot is a whole session as a [Codec] writes and reads it.
// Applications have no use for it; they have [Session] and [Field].
type Snapshot struct {
	Handle   string         // random public name; "" where the form holds none
	Owner    string         // the application's identifier of the signed-in user; "" for nobody
	Created  time.Time      // when it was made; the absolute timeout counts from here
	LastSeen time.Time      // its last activity; the idle timeout counts from here
	State    []EncodedField // the fields, one of each name, in any order; to be replaced, never changed in place
}
