package writer

import (
	"io"
	"net/http"
	"testing"
)

// TestWrap: each of the 32 writers has exactly the interfaces it is chosen for.
func TestWrap(t *testing.T) {
	for can := range 32 {
		w := new(Writer).wrapAs(can)
		_, f := w.(http.Flusher)
		_, h := w.(http.Hijacker)
		_, r := w.(io.ReaderFrom)
		_, p := w.(http.Pusher)
		//lint:ignore SA1019 others still ask for it
		_, c := w.(http.CloseNotifier)
		got := 0
		for i, has := range []bool{f, h, r, p, c} {
			if has {
				got |= 1 << i
			}
		}
		if got != can {
			t.Errorf("writer %05b can %05b", can, got)
		}
	}
}
