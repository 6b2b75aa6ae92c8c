package handle

import (
	"strings"
	"testing"
)

func TestHandle(t *testing.T) {
	a, b := New("alice"), New("alice")
	if a == b || !Valid(a) || !Valid(b) || a[:2] != b[:2] {
		t.Errorf("alice's handles %s and %s", a, b)
	}
	buckets := map[string]bool{}
	for range 200 {
		anonymous := New("")
		if !Valid(anonymous) {
			t.Fatal(anonymous)
		}
		buckets[anonymous[:2]] = true
	}
	if len(buckets) < 50 {
		t.Errorf("200 anonymous sessions in %d buckets", len(buckets))
	}
	seed, same := [16]byte{1}, [16]byte{1}
	if Derive("bob", seed) != Derive("bob", same) || Derive("bob", seed)[2:] != Derive("", seed)[2:] {
		t.Error("a derived handle depends on more than owner and seed")
	}
	for _, bad := range []string{"", a[1:], a + "A", strings.ToUpper(a[:2]) + "=" + a[3:], "zz" + a[2:], a[:5] + "." + a[6:], a[:5] + "\n" + a[6:]} {
		if Valid(bad) {
			t.Errorf("%q is valid", bad)
		}
	}
}
