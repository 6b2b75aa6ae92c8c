package record

import (
	"testing"
	"time"
)

// TestParseVerifiers: one text for one value; nothing else is read.
func TestParseVerifiers(t *testing.T) {
	plain, renewed, in := NewVerifiers(known), Regenerate(known.Derive(), known, time.UnixMilli(1)), SignIn(known.Derive(), known, time.UnixMilli(1))
	for name, v := range map[string]Verifiers{"plain": plain, "regenerated": renewed, "signed in": in} {
		text := v.Encode()
		if got, err := ParseVerifiers(text); err != nil || got.Encode() != text {
			t.Errorf("%s: %v", name, err)
		}
		bad := map[string]string{"later": "2" + text[1:], "longer": text + "x", "kind 3": text[:1] + "\x03" + text[2:]}
		for i := range text {
			bad["cut"] = text[:i]
			for what, text := range bad {
				if _, err := ParseVerifiers(text); err == nil {
					t.Errorf("%s, %s, %d bytes: was read", name, what, len(text))
				}
			}
		}
	}
}

// TestSealsDiffer: what is sealed for one purpose does not open for the other.
func TestSealsDiffer(t *testing.T) {
	later := time.Now().Add(time.Minute)
	renewed, in := Regenerate(known.Derive(), known, later), SignIn(known.Derive(), known, later)
	if _, ok := renewed.Successor(known, time.Now()); ok {
		t.Error("a regenerated secret leads to a successor")
	}
	if _, ok := in.Next(known); ok {
		t.Error("the secret of before a sign-in leads to the next")
	}
	renewed.kind, in.kind = signedIn, regenerated // as a store could
	if _, ok := renewed.Successor(known, time.Now()); ok {
		t.Error("sealed for a grace, opened for a sign-in")
	}
	if _, ok := in.Next(known); ok {
		t.Error("sealed for a sign-in, opened for a grace")
	}
}
