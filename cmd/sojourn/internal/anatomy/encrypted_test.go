package anatomy

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/keys"
)

// A sealedVector is a cookie of the library's golden vectors.
type sealedVector struct {
	About, Keys, Application, Cookie, Text string
	Session                                struct {
		Handle, Owner     string
		Created, LastSeen int64
		Fields            map[string]string
	}
	Reason sojourn.Reason
}

func sealedVectors(t *testing.T) (accepted, refused []sealedVector) {
	t.Helper()
	text, err := os.ReadFile("../../../../testdata/encrypted-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Accepted, Refused []sealedVector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Accepted) < 16 || len(file.Refused) < 19 {
		t.Fatalf("only %d and %d vectors", len(file.Accepted), len(file.Refused))
	}
	return file.Accepted, file.Refused
}

func (v *sealedVector) ring(t *testing.T) *keys.Ring {
	t.Helper()
	ring, err := keys.Parse([]byte(v.Keys), keys.InsecureAllowWeak())
	if err != nil {
		t.Fatal(v.About, err)
	}
	return ring
}

// TestUnsealVectors: what version 1 wrote is read, with its times, and what must
// be refused is, for its reason.
func TestUnsealVectors(t *testing.T) {
	accepted, refused := sealedVectors(t)
	synctest.Test(t, func(t *testing.T) { // in the year 2000: none is too old but that of 1970
		for _, v := range accepted {
			ring := v.ring(t)
			u, err := Unseal(ring, v.Cookie, v.Application, v.Text)
			if v.Session.Owner == "" && len(v.Session.Fields) == 0 {
				if sojourn.ReasonOf(err) != sojourn.ReasonPayload {
					t.Errorf("%s: %v", v.About, err)
				}
				continue
			}
			if v.Session.Created < time.Now().Add(-longest).UnixMilli() {
				if sojourn.ReasonOf(err) != sojourn.ReasonExpired {
					t.Errorf("%s: %v", v.About, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", v.About, err)
				continue
			}
			if u.Handle != v.Session.Handle || u.Owner != v.Session.Owner || u.Made.UnixMilli() != v.Session.Created || u.LastUsed.UnixMilli() != v.Session.LastSeen {
				t.Errorf("%s: %+v", v.About, u)
			}
			if want := jsonOf(v.Session.Fields); !strings.Contains(v.About, "like a tag") && u.JSON != want {
				t.Errorf("%s: %s, want %s", v.About, u.JSON, want)
			}
			if info := ring.Info(); info[0].Reads != 0 {
				t.Errorf("%s: %d reads are counted in the ring of another", v.About, info[0].Reads)
			}
			if s, ok := OfSealed(v.Text); !ok || s.Version != 1 || !slices.ContainsFunc(ring.Info(), func(i keys.Info) bool { return i.ID == s.KeyID }) {
				t.Errorf("%s: %+v", v.About, s)
			}
		}
		for _, v := range refused {
			_, err := Unseal(v.ring(t), v.Cookie, v.Application, v.Text)
			if got := sojourn.ReasonOf(err); got != v.Reason {
				t.Errorf("%s: %v, want %s", v.About, err, v.Reason)
			}
			if _, ok := OfSealed(v.Text); ok == (v.Reason == sojourn.ReasonMalformed) {
				t.Errorf("%s: taken apart: %t", v.About, ok)
			}
		}
	})
}

// jsonOf writes fields as one mapping, as tagged JSON has it.
func jsonOf(fields map[string]string) string {
	var members []string
	for _, name := range sorted(fields) {
		quoted := strconv.QuoteToASCII(name)
		members = append(members, quoted+":"+fields[name])
	}
	return "{" + strings.Join(members, ",") + "}"
}

func sorted(fields map[string]string) (names []string) {
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestOfSealed: the parts are where the form has them.
func TestOfSealed(t *testing.T) {
	data := []byte{1, 0xa, 0xb, 0xc, 0xd}
	for i := range 16 + 16 + 12 + 5 + 16 {
		data = append(data, byte(i))
	}
	s, ok := OfSealed(base64url.EncodeToString(data))
	hexOf := func(from, to int) string { return hex.EncodeToString(data[from:to]) }
	want := Sealed{1, "0a0b0c0d", hexOf(5, 21), hexOf(21, 37), hexOf(37, 49), 5, hexOf(54, 70)}
	if !ok || s != want {
		t.Errorf("%+v %t, want %+v", s, ok, want)
	}
	long := base64url.EncodeToString(append(data, make([]byte, 12<<10)...))
	for _, text := range []string{"", "AQ", base64url.EncodeToString(data[:64]), base64url.EncodeToString(append([]byte{2}, data[1:]...)),
		base64url.EncodeToString(data) + "=", base64url.EncodeToString(data)[:40] + "\n" + base64url.EncodeToString(data)[40:], "+" + base64url.EncodeToString(data)[1:], long} {
		if _, ok := OfSealed(text); ok {
			t.Errorf("%.100q is taken apart", text)
		}
	}
}

func TestOfToken(t *testing.T) {
	const token = "a0AAECAwQFBgcICQoLDA0ODw.MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY"
	if handle, ok := OfToken(token); !ok || handle != token[:24] {
		t.Errorf("%q %t", handle, ok)
	}
	for _, text := range []string{"", token[1:], token + "A", "A" + token[1:], token[:67] + "Z", token[:24] + "A" + token[25:], token + "\n", token + "." + token} {
		if _, ok := OfToken(text); ok {
			t.Errorf("%q is taken for a token", text)
		}
	}
}
