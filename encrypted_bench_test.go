package sojourn

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/tagged"
	"github.com/sojourn-go/sojourn/keys"
)

var sealBenchNow = time.UnixMilli(1_763_000_000_123)

// sealBenchRecords are a session of 113 bytes of fields, and one of 1,300: as
// package bench has them.
func sealBenchRecords() map[string]*Snapshot {
	small := []EncodedField{{Name: "csrf", Raw: `"` + strings.Repeat("c0ffee01", 8) + `"`}, {Name: "lang", Raw: `"fr"`}, {Name: "user_id", Raw: `"user-00001835"`}}
	var items []string
	for i := range 14 {
		items = append(items, fmt.Sprintf(`{"name":"A tea that is good, no. %02d","price":%d,"quantity":2,"sku":"tea-%06d"}`, i, 1000+i, i))
	}
	items[0] = strings.Replace(items[0], "A tea", "A tea"+strings.Repeat("a", 16), 1)
	cart := EncodedField{Name: "cart", Raw: "[" + strings.Join(items, ",") + "]"}
	record := func(state []EncodedField) *Snapshot {
		return &Snapshot{Handle: "a3AAECAwQFBgcICQoLDA0ODw", Created: sealBenchNow, LastSeen: sealBenchNow, State: state}
	}
	return map[string]*Snapshot{"113": record(small), "1300": record(append([]EncodedField{cart}, small...))}
}

func sealBench(b *testing.B, run func(b *testing.B, c *encrypted, rec *Snapshot, plain []byte)) {
	ring, err := keys.New([][]byte{[]byte("4a7933030149743868b478b9d23f956b01be010f257341083c515d19691699c2")})
	if err != nil {
		b.Fatal(err)
	}
	c := Encrypted(ring).codec.(*encrypted)
	for name, rec := range sealBenchRecords() {
		plain, err := appendSnapshot(nil, rec)
		if err != nil {
			b.Fatal(err)
		}
		if fields, _ := tagged.AppendObject(nil, rec.State); fmt.Sprint(len(fields)) != name {
			b.Fatalf("%d bytes of fields, not %s", len(fields), name)
		}
		b.Run(name, func(b *testing.B) { run(b, c, rec, plain) })
	}
}

// A sealFloor is what no implementation of the form can save, by the standard
// library: the key derived, the text sealed or opened, base64.
type sealFloor struct{ prk []byte }

var sealBase64 = base64.RawURLEncoding.Strict()

func (f sealFloor) gcm(b *testing.B, salt []byte) (aead cipher.AEAD, commitment []byte) {
	okm, err := hkdf.Expand(sha256.New, f.prk, "seal\x00"+string(salt)+"session\x00\x00__Host-Http-session", 48)
	if err != nil {
		b.Fatal(err)
	}
	block, err := aes.NewCipher(okm[:32])
	if err != nil {
		b.Fatal(err)
	}
	if aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		b.Fatal(err)
	}
	return aead, okm[32:]
}

func newSealFloor() (f sealFloor, header []byte) {
	return sealFloor{make([]byte, 32)}, make([]byte, 37)
}

var sealUse = Use{Cookie: "__Host-Http-session", Now: sealBenchNow}

// BenchmarkEncryptedOpen is the way of a cookie into the application: opened, taken
// apart, one field read.
func BenchmarkEncryptedOpen(b *testing.B) {
	sealBench(b, func(b *testing.B, c *encrypted, rec *Snapshot, plain []byte) {
		b.Run("floor", func(b *testing.B) {
			f, header := newSealFloor()
			aead, _ := f.gcm(b, header[5:21])
			text := sealBase64.EncodeToString(append(header, aead.Seal(nil, nil, plain, header)...))
			b.ReportAllocs()
			for b.Loop() {
				data, err := sealBase64.DecodeString(text)
				if err != nil {
					b.Fatal(err)
				}
				aead, _ := f.gcm(b, data[5:21])
				if _, err := aead.Open(nil, nil, data[37:], data[:37]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("sojourn", func(b *testing.B) {
			text, err := c.Encode(rec, sealUse)
			if err != nil {
				b.Fatal(err)
			}
			use := sealUse
			use.Room = make([]EncodedField, 0, 6) // as a session has it
			b.ReportAllocs()
			for b.Loop() {
				d, err := c.Decode(text, use)
				if err != nil {
					b.Fatal(err)
				}
				for i := range d.State {
					if d.State[i].Name != "lang" {
						continue
					}
					if v, ok := tagged.String(d.State[i].Raw); !ok || v != "fr" {
						b.Fatal(v)
					}
				}
			}
		})
	})
}

// BenchmarkEncryptedSeal is the way out.
func BenchmarkEncryptedSeal(b *testing.B) {
	sealBench(b, func(b *testing.B, c *encrypted, rec *Snapshot, plain []byte) {
		b.Run("floor", func(b *testing.B) {
			f, header := newSealFloor()
			b.ReportAllocs()
			for b.Loop() {
				aead, commitment := f.gcm(b, header[5:21])
				copy(header[21:], commitment)
				if text := sealBase64.EncodeToString(append(header[:37:37], aead.Seal(nil, nil, plain, header)...)); len(text) < 87 {
					b.Fatal(text)
				}
			}
		})
		b.Run("sojourn", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if text, err := c.Encode(rec, sealUse); err != nil || len(text) < 87 {
					b.Fatal(err)
				}
			}
		})
	})
}
