package keys

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestFIPS runs tests of everything here in FIPS 140-only mode, in a process
// of its own: the mode is chosen at the start.
func TestFIPS(t *testing.T) {
	if fips140.Enforced() {
		for _, list := range [][][]byte{{[]byte(strongA[:13])}, {[]byte(strongA), []byte(strongB[:13])}} {
			if _, err := New(list, InsecureAllowWeak()); err == nil || !strings.Contains(err.Error(), "only 13 of at least 14 bytes, which FIPS 140-only mode demands") {
				t.Errorf("a short key: %v", err)
			}
		}
		if _, err := Parse([]byte(managed("active "+strongA, "retired dev"))); err == nil || !strings.Contains(err.Error(), "retired ones too") {
			t.Errorf("a short retired key: %v", err)
		}
		if _, err := New([][]byte{[]byte(strongA[:14])}, InsecureAllowWeak()); err != nil {
			t.Error(err)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^(TestFIPS|TestRing|TestReload|TestDerived|TestStates|TestCountRead|TestLife|TestEditsExclude|TestGenerate|TestCheck|TestRedaction)", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestFIPS") || !strings.Contains(string(out), "--- PASS: TestLife") {
		t.Errorf("%v\n%s", err, out)
	}
}
