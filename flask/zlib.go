package flask

import (
	"bytes"
	"compress/zlib"
	"io"
	"sync"

	"github.com/sojourn-go/sojourn"
)

const (
	// maxInflated is the most that a compressed payload may become.
	maxInflated = 1 << 20

	// worthCompressing is the payload from which on it is tried. Flask tries
	// always and gains a few bytes; a try costs more than the signature.
	worthCompressing = 1 << 10
)

// errTooLarge is a session that would not be read back.
var errTooLarge = refuse(sojourn.ReasonTooLarge, "the session is larger than 1 MiB, and would not be read back")

var deflaters = sync.Pool{New: func() any { return zlib.NewWriter(nil) }}

// compress returns text compressed if that is shorter by enough, and whether
// it is. Flask reads both.
func compress(text []byte) ([]byte, bool) {
	if len(text) < worthCompressing {
		return text, false
	}
	w := deflaters.Get().(*zlib.Writer)
	defer deflaters.Put(w)
	var b bytes.Buffer
	w.Reset(&b)
	if _, err := w.Write(text); err != nil || w.Close() != nil || b.Len() >= len(text)-1 {
		return text, false
	}
	return b.Bytes(), true
}

var inflaters sync.Pool // of io.ReadCloser that are zlib.Resetter

// inflate decompresses data, up to maxInflated. Flask ignores what follows the
// stream; that is for lenient readers only.
func inflate(data []byte, lenient bool) (string, error) {
	src := bytes.NewReader(data)
	r, _ := inflaters.Get().(io.ReadCloser)
	var err error
	if r == nil {
		r, err = zlib.NewReader(src)
	} else {
		err = r.(zlib.Resetter).Reset(src, nil)
	}
	if err != nil {
		return "", refuse(sojourn.ReasonPayload, "the payload is not a zlib stream")
	}
	defer inflaters.Put(r)
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(r, maxInflated+1))
	switch {
	case n > maxInflated:
		return "", refuse(sojourn.ReasonTooLarge, "the payload inflates to more than 1 MiB")
	case err != nil:
		return "", refuse(sojourn.ReasonPayload, "the payload is a damaged zlib stream")
	case src.Len() > 0 && !lenient:
		return "", refuse(sojourn.ReasonPayload, "something follows the compressed payload")
	}
	return b.String(), nil
}
