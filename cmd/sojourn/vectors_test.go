package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A vector is a cookie and what real Flask made of it.
type vector struct {
	Name, Category string
	KeyType        string   `json:"key_type"`
	Key            []byte   `json:"key_b64"`
	Fallbacks      [][]byte `json:"fallbacks_b64"`
	IssuedAt       int64    `json:"iat"`
	Now            int64
	MaxAge         int64 `json:"max_age"`
	Cookie         string
	Valid          bool
	Lenient        bool // Flask reads it, but never writes it
	Policy         bool // Flask reads it, but nobody should
	JSON           *string
	JSONHash       string `json:"json_sha256"`
	Reencode       string
}

func vectors(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile("../../testdata/flask-cookies.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < 300 {
		t.Fatalf("only %d vectors", len(file.Vectors))
	}
	return file.Vectors
}

// reasons are the words with which each category may be refused. A category
// that is not here must not be refused.
var reasons = map[string][]string{
	"expired":              {"expired"},
	"issued_in_future":     {"future"},
	"tampered_payload":     {"signature"},
	"tampered_signature":   {"signature"},
	"tampered_timestamp":   {"signature"},
	"truncated":            {"signature", "malformed"},
	"structure":            {"signature", "malformed"},
	"bad_base64":           {"signature"},
	"wrong_key":            {"signature"},
	"wrong_algorithm":      {"signature"},
	"rotation":             {"signature", "expired"},
	"signed_bad_timestamp": {"malformed", "expired", "future"},
	"signed_bad_json":      {"payload"},
	"signed_non_dict":      {"payload"},
	"signed_bad_tag":       {"payload"},
	"signed_bad_zlib":      {"payload"},
	"signed_bad_base64":    {"payload"},
	"signed_too_deep":      {"payload"},
	"zlib_bomb":            {"too-large"},
	"lenient":              {"signature", "malformed", "payload"}, // without --lenient
}

// notRun are categories that have nothing to run, and why.
var notRun = map[string]string{
	"no_key": "Flask without a key has no sessions; the tool exits with 2, as the scripts show",
}

// keyFlags writes the vector's keys to files, every other one in base64, and
// returns the flags that name them: SECRET_KEY first, then the fallbacks.
func (v *vector) keyFlags(t *testing.T) []string {
	var flags []string
	dir := t.TempDir()
	for i, key := range append([][]byte{v.Key}, v.Fallbacks...) {
		content := key
		if i%2 == 1 || len(key) > 0 && key[len(key)-1] == '\n' || strings.HasPrefix(string(key), "base64:") {
			content = []byte("base64:" + base64.StdEncoding.EncodeToString(key) + "\n")
		}
		path := fmt.Sprintf("%s/%d.key", dir, i)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		flags = append(flags, "--secret-file", path)
	}
	return flags
}

// signer returns which key signed the vector's cookie, found without our code;
// -1 if none.
func (v *vector) signer() int {
	i := strings.LastIndexByte(v.Cookie, '.')
	for n, key := range append([][]byte{v.Key}, v.Fallbacks...) {
		derived := hmac.New(sha1.New, key)
		derived.Write([]byte("cookie-session"))
		mac := hmac.New(sha1.New, derived.Sum(nil))
		mac.Write([]byte(v.Cookie[:i]))
		if base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) == v.Cookie[i+1:] {
			return n
		}
	}
	return -1
}

// TestVectorsVerify: cookie verify --json says of every cookie what Flask says,
// but for what Flask reads and never writes, which needs --lenient, and for
// bombs, which nothing lets in.
func TestVectorsVerify(t *testing.T) {
	ran := 0
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			if why, ok := notRun[v.Category]; ok {
				t.Skip(why)
			}
			ran++
			flags := append([]string{"cookie", "verify", "--json",
				"--now", strconv.FormatInt(v.Now, 10), "--max-age", strconv.FormatInt(v.MaxAge, 10)}, v.keyFlags(t)...)
			strict := call(t, "", append(flags, v.Cookie)...)
			lenient := call(t, "", append(flags, "--lenient", v.Cookie)...)
			piped := call(t, "\r\n"+v.Cookie+"\n", flags...)
			if piped != strict {
				t.Errorf("on standard input the answer differs: %+v and %+v", piped, strict)
			}
			switch {
			case !v.Valid || v.Policy:
				v.wantRefused(t, "strict", strict)
				v.wantRefused(t, "lenient", lenient)
			case v.Lenient:
				v.wantRefused(t, "strict", strict)
				v.wantValid(t, "lenient", lenient, v.IssuedAt)
			default:
				v.wantValid(t, "strict", strict, v.IssuedAt)
				v.wantValid(t, "lenient", lenient, v.IssuedAt)
			}
		})
	}
	if ran < 300 {
		t.Errorf("only %d vectors ran", ran)
	}
}

func (v *vector) wantValid(t *testing.T, how string, got result, issuedAt int64) {
	t.Helper()
	if got.code != exitOK {
		t.Errorf("%s: exit code %d: %s%s", how, got.code, got.stdout, got.stderr)
		return
	}
	key := v.signer()
	if v.Lenient { // the signature may be misspelt; there is one key
		key = 0
	}
	payload, ok := strings.CutPrefix(got.stdout, fmt.Sprintf(`{"valid":true,"issued_at":%d,"key":%d,"payload":`, issuedAt, key))
	if !ok {
		t.Errorf("%s: not valid with key %d at %d: %s", how, key, issuedAt, got.stdout)
		return
	}
	v.wantText(t, how, strings.TrimSuffix(payload, "}\n"))
}

// wantText checks the text of the payload to the byte.
func (v *vector) wantText(t *testing.T, how, text string) {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	if v.JSON != nil && text != *v.JSON || hex.EncodeToString(sum[:]) != v.JSONHash {
		t.Errorf("%s: the payload is\n%s", how, text)
	}
}

func (v *vector) wantRefused(t *testing.T, how string, got result) {
	t.Helper()
	var answer struct {
		Valid          *bool
		Reason, Detail string
	}
	if err := json.Unmarshal([]byte(got.stdout), &answer); err != nil || answer.Valid == nil || *answer.Valid {
		t.Errorf("%s: %q is no refusal (%v)", how, got.stdout, err)
	}
	if got.code != exitFailed {
		t.Errorf("%s: exit code %d", how, got.code)
	}
	if !slices.Contains(reasons[v.Category], answer.Reason) {
		t.Errorf("%s: reason %q, want one of %q", how, answer.Reason, reasons[v.Category])
	}
	if answer.Detail == "" || strings.Contains(answer.Detail, v.Cookie) {
		t.Errorf("%s: detail %q", how, answer.Detail)
	}
	if strings.Contains(got.stderr, "cookie refused") {
		t.Errorf("%s: the refusal is on standard error too: %s", how, got.stderr)
	}
}

// TestVectorsSign: cookie sign writes what Flask wrote, byte for byte where it
// is not compressed, else a cookie that holds the same text.
func TestVectorsSign(t *testing.T) {
	ran := map[string]int{}
	for _, v := range vectors(t) {
		if !v.Valid || v.JSON == nil || v.Reencode == "differs" || v.Policy {
			continue // nothing that Flask itself would write
		}
		ran[v.Reencode]++
		t.Run(v.Name, func(t *testing.T) {
			keys := v.keyFlags(t)
			sign := append([]string{"cookie", "sign", "--at", strconv.FormatInt(v.IssuedAt, 10)}, keys...)
			signed := call(t, "", append(sign, *v.JSON)...)
			cookie := strings.TrimSuffix(signed.stdout, "\n")
			if signed.code != exitOK {
				t.Fatalf("%+v", signed)
			}
			if v.Reencode == "cookie" && cookie != v.Cookie {
				t.Errorf("%s\n%s", cookie, v.Cookie)
			}
			if piped := call(t, *v.JSON+"\n", sign...); piped != signed {
				t.Errorf("on standard input the answer differs: %+v", piped)
			}
			asJSON := call(t, "", append(sign, "--json", *v.JSON)...)
			if want := fmt.Sprintf(`{"cookie":"%s","size":%d}`+"\n", cookie, len(cookie)); asJSON.stdout != want {
				t.Errorf("--json: %s, want %s", asJSON.stdout, want)
			}

			back := v
			back.Cookie = cookie
			verify := append([]string{"cookie", "verify", "--json", "--now", strconv.FormatInt(v.Now, 10)}, keys...)
			back.wantValid(t, "verified again", call(t, "", append(verify, cookie)...), v.IssuedAt)
			if back.signer() != 0 {
				t.Errorf("signed with key %d, not with the first", back.signer())
			}
		})
	}
	if ran["cookie"] < 100 || ran["json"] < 80 || ran["new_key"] < 4 {
		t.Errorf("too few ran: %v", ran)
	}
}

// TestVectorsInspect: without a key, inspect reads what verify reads.
func TestVectorsInspect(t *testing.T) {
	for _, v := range vectors(t) {
		if !v.Valid || v.Lenient || v.Policy {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			got := call(t, "", "cookie", "inspect", "--json", v.Cookie)
			begin := fmt.Sprintf(`{"verified":false,"issued_at":%d,"signature":`, v.IssuedAt)
			_, text, found := strings.Cut(got.stdout, `,"payload":`)
			if got.code != exitOK || !found || !strings.HasPrefix(got.stdout, begin) {
				t.Fatalf("%+v", got)
			}
			if text = strings.TrimSuffix(text, "}\n"); v.Name == "decoder/10" {
				text = strings.ReplaceAll(text, `\u007f`, "\x7f") // unverified: a terminal must not obey it
			}
			v.wantText(t, "inspected", text)
			if human := call(t, "", "cookie", "inspect", v.Cookie); human.code != exitOK {
				t.Errorf("%+v", human)
			}
		})
	}
}
