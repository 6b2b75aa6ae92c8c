package flask

import "time"

// SignRaw signs any payload part, base64 or not.
func SignRaw(s *Signer, payload string, at time.Time) string {
	sc := s.keys[0].scratch.Get().(*scratch)
	defer s.keys[0].scratch.Put(sc)
	stamped := sc.cookie([]byte("{}"), at) // for its stamp
	text := payload + stamped[len("e30"):len("e30.ZVPxAA")]
	sc.sign([]byte(text))
	return text + "." + string(base64url.AppendEncode(nil, sc.sum))
}
