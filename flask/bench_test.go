package flask

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/internal/tagged"
	"github.com/sojourn-go/sojourn/keys"
)

// A session of 120 bytes: an owner, a preference, a token, a cart.
var (
	benchFields = []tagged.Field{
		{Name: "_user_id", Raw: `"1835"`}, {Name: "cart", Raw: `{"tea":2,"milk":1}`},
		{Name: "csrf_token", Raw: `"b9f2a1c07d3e4f5a6b7c8d9e0f1a2b3c4d5e6f70"`}, {Name: "language", Raw: `"fr"`},
	}
	benchNow = time.Unix(1700000000, 0)
)

func benchCodec(b *testing.B) *codec {
	ring, err := keys.New([][]byte{[]byte("4a7933030149743868b478b9d23f956b01be010f257341083c515d19691699c2")})
	if err != nil {
		b.Fatal(err)
	}
	return newCodec(ring, nil, nil)
}

func benchRecord() *sojourn.Snapshot {
	return &sojourn.Snapshot{
		Handle: "a3AAAAAAAAAAAAAAAAAAAAAA", Owner: "1835", Created: benchNow, LastSeen: benchNow, State: benchFields,
	}
}

// BenchmarkVerify is the way of a cookie into the application: verified,
// taken apart, one field read. Floor is what no implementation can save: the
// HMAC over the same bytes, with its state reused, and the base64.
func BenchmarkVerify(b *testing.B) {
	c := benchCodec(b)
	payload, err := tagged.AppendObject(nil, benchFields)
	if err != nil {
		b.Fatal(err)
	}
	text := c.signer.sign(payload, benchNow)
	use := sojourn.Use{Cookie: "session", Now: benchNow, Room: make([]tagged.Field, 0, 6)} // as a session has it
	read := func(b *testing.B, c *codec, text string) {
		d, err := c.Decode(text, use)
		if err != nil {
			b.Fatal(err)
		}
		for i := range d.State {
			if d.State[i].Name == "language" {
				if v, ok := tagged.String(d.State[i].Raw); !ok || v != "fr" {
					b.Fatal(v)
				}
			}
		}
	}
	exact := *c
	exact.exact, exact.lifetime = true, 1<<40
	b.Run("exact/floor", func(b *testing.B) { verifyFloor(b, text) })
	b.Run("exact", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read(b, &exact, text)
		}
	})
	adopted, err := c.Encode(benchRecord(), use)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("signed/floor", func(b *testing.B) { verifyFloor(b, adopted) })
	b.Run("signed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read(b, c, adopted)
		}
	})
	tampered := text[:len(text)-2] + "AA"
	b.Run("tampered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := exact.Decode(tampered, use); err == nil {
				b.Fatal("accepted")
			}
		}
	})
	huge := strings.Repeat("A", 1<<20) + text
	b.Run("oversized", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := exact.Decode(huge, use); err == nil {
				b.Fatal("accepted")
			}
		}
	})
}

func verifyFloor(b *testing.B, cookie string) {
	payload, rest, _ := strings.Cut(cookie, ".")
	mac := hmac.New(sha1.New, []byte("a key of twenty byte"))
	signed, sum, out := []byte(payload+"."+rest[:6]), make([]byte, 0, 20), make([]byte, len(payload))
	signature := []byte(rest[7:])
	b.ReportAllocs()
	for b.Loop() {
		mac.Reset()
		mac.Write(signed)
		sum = mac.Sum(sum[:0])
		base64.RawURLEncoding.Decode(out, signature)
		base64.RawURLEncoding.Decode(out, signed[:len(payload)])
	}
}

// BenchmarkSign is the way out, uncompressed, with the same floor.
func BenchmarkSign(b *testing.B) {
	c := benchCodec(b)
	use := sojourn.Use{Cookie: "session", Now: benchNow}
	exact := *c
	exact.exact = true
	for name, c := range map[string]*codec{"exact": &exact, "signed": c} {
		rec := benchRecord()
		cookie, err := c.Encode(rec, use)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/floor", func(b *testing.B) { signFloor(b, cookie) })
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Encode(rec, use); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func signFloor(b *testing.B, cookie string) {
	payload, _, _ := strings.Cut(cookie, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		b.Fatal(err)
	}
	mac := hmac.New(sha1.New, []byte("a key of twenty byte"))
	out, sum := make([]byte, 0, 512), make([]byte, 0, 20)
	b.ReportAllocs()
	for b.Loop() {
		out = base64.RawURLEncoding.AppendEncode(out[:0], text)
		out = append(out, ".ZVPxAA"...)
		mac.Reset()
		mac.Write(out)
		sum = mac.Sum(sum[:0])
		out = base64.RawURLEncoding.AppendEncode(out, sum)
	}
}
