package sojourn_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/internal/seal"
)

// FuzzEncrypted reads anything as an encrypted cookie. It is refused, or a session
// that comes back the same when it is written again. Nobody finds a tag by chance,
// so what is fuzzed is also sealed with the right key: then it is the plain text.
func FuzzEncrypted(f *testing.F) {
	file := readSealed(f)
	for _, v := range append(file.Accepted, file.Refused...) {
		f.Add(v.Text, v.Application, v.Cookie)
	}
	sealing, err := seal.NewKey(ring(f, sealedKeyA).Active().ID(), []byte(sealedKeyA))
	if err != nil {
		f.Fatal(err)
	}
	for _, v := range file.Accepted {
		if v.Keys == sealedKeyA {
			plain, err := sealing.Open(v.Text, "session\x00"+v.Application+"\x00", v.Cookie)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(plain, v.Application, v.Cookie)
		}
	}
	ring := ring(f, sealedKeyA, sealedKeyB)
	f.Fuzz(func(t *testing.T, text, application, cookie string) {
		if strings.Contains(cookie, "\x00") {
			return // no cookie has such a name
		}
		form := sojourn.CodecOf(sojourn.Encrypted(ring, sojourn.Application(application)))
		use := sealedUse
		use.Cookie = cookie
		readAgain(t, form, text, use)
		sealed, err := sealing.Seal([]byte(text), "session\x00"+application+"\x00", cookie)
		if err != nil {
			t.Fatal(err)
		}
		if reason := readAgain(t, form, sealed, use); reason != "" && reason != sojourn.ReasonPayload && reason != sojourn.ReasonTooLarge {
			t.Errorf("sealed with the right key: %s", reason)
		}
	})
}

// readAgain reads text, and what is in it once more.
func readAgain(t *testing.T, form sojourn.Codec, text string, use sojourn.Use) sojourn.Reason {
	d, err := form.Decode(text, use)
	if err != nil {
		return mustRefuse(t, form, text, use, "%q", text)
	}
	again, err := form.Encode(&d.Snapshot, use)
	if err != nil || again == text {
		t.Fatalf("%q is read, but not written: %v", text, err)
	}
	second, err := form.Decode(again, use)
	if len(again) > 16<<10 && sojourn.ReasonOf(err) == sojourn.ReasonTooLarge {
		return "" // names may grow when they are escaped
	}
	if err != nil || sessionOf(&second.Snapshot).String() != sessionOf(&d.Snapshot).String() || len(second.State) != len(d.State) {
		t.Fatalf("%q is read as %s, and then as %s, %v", text, sessionOf(&d.Snapshot), sessionOf(&second.Snapshot), err)
	}
	return ""
}

// TestEncryptedCorpus: the corpus that is kept has every vector.
func TestEncryptedCorpus(t *testing.T) {
	const dir = "testdata/fuzz/FuzzEncrypted"
	file := readSealed(t)
	for _, v := range append(file.Accepted, file.Refused...) {
		text := "go test fuzz v1\nstring(" + strconv.Quote(v.Text) + ")\nstring(" + strconv.Quote(v.Application) + ")\nstring(" + strconv.Quote(v.Cookie) + ")\n"
		path := filepath.Join(dir, strings.NewReplacer(" ", "-", ",", "").Replace(v.About))
		if *update {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%s: %v; make it with -update", path, err)
		}
	}
}
