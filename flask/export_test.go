package flask

import (
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/keys"
)

// SignRaw signs any payload part, base64 or not.
func SignRaw(s *Signer, payload string, at time.Time) string {
	k := s.active()
	sc := k.scratch.Get().(*scratch)
	defer k.scratch.Put(sc)
	stamped := sc.cookie([]byte("{}"), at) // for its stamp
	text := payload + stamped[len("e30"):len("e30.ZVPxAA")]
	sc.sign([]byte(text))
	return text + "." + string(base64url.AppendEncode(nil, sc.sum))
}

// CodecOf is the codec of Signed.
func CodecOf(ring *keys.Ring, opts ...Option) sojourn.Codec { return newCodec(ring, opts, nil) }

// TraitsOf are the traits of Exact, or of Signed without settings.
func TraitsOf(ring *keys.Ring, settings *Settings) sojourn.Traits {
	return newCodec(ring, nil, settings).Traits()
}
