package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"testing"
)

// TestCommitment makes what AES-GCM allows: a ciphertext that two keys open, each
// to another text. In our form at most the key that the commitment is of opens
// it. The two masters are given one id, which takes an attacker a minute to find:
// so nothing but the commitment stands in the way.
func TestCommitment(t *testing.T) {
	a, b := newKey(t, "0a0b0c0d", masterA), newKey(t, "0a0b0c0d", masterB)
	salt, nonce := bytes.Repeat([]byte{7}, 16), bytes.Repeat([]byte{9}, 12)
	keyA, ofA := derived(a, salt)
	keyB, ofB := derived(b, salt)
	for of, commitment := range map[string][]byte{"a": ofA, "b": ofB, "neither": make([]byte, 16)} {
		header := append(append(append([]byte{version}, a.id[:]...), salt...), commitment...)
		sealed := openedByBoth(t, keyA, keyB, nonce, header)
		var plain [2][]byte
		for i, key := range [][]byte{keyA, keyB} {
			gcm, err := cipher.NewGCM(newAES(t, key))
			if err != nil {
				t.Fatal(err)
			}
			if plain[i], err = gcm.Open(nil, nonce, sealed, header); err != nil {
				t.Fatalf("by AES-GCM itself, key %d: %v", i, err)
			}
		}
		if bytes.Equal(plain[0], plain[1]) {
			t.Fatal("both keys open it to one text, so it shows nothing")
		}
		text := base64url.EncodeToString(append(append(bytes.Clone(header), nonce...), sealed...))
		for name, k := range map[string]*Key{"a": a, "b": b} {
			got, err := k.Open(text, purpose, cookieName)
			if name == of && (err != nil || got == "") {
				t.Errorf("the commitment is of %s, and that does not open it: %v", of, err)
			}
			if name != of && (!errors.Is(err, ErrChanged) || got != "") {
				t.Errorf("the commitment is of %s, and %s opens it: %q, %v", of, name, got, err)
			}
		}
	}
}

func derived(k *Key, salt []byte) (key, commitment []byte) {
	key, commitment = k.scratch.Get().(*scratch).expand(salt, purpose, cookieName)
	return bytes.Clone(key), bytes.Clone(commitment)
}

func newAES(t *testing.T, key []byte) cipher.Block {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// openedByBoth returns a ciphertext of four blocks, and its tag, that is good
// under two keys. A tag is E(J) + the sum of each block times a power of H, which
// is linear in the blocks: three are chosen at will, and the first is
//
//	(tag under a without it + tag under b without it) / (power of Ha + power of Hb)
func openedByBoth(t *testing.T, keyA, keyB, nonce, header []byte) []byte {
	blocks := make([]byte, 64)
	copy(blocks[16:], "three blocks that the one who forges chooses at will")
	a, b := newAES(t, keyA), newAES(t, keyB)
	const power = 5 // four blocks from the first, and that of the lengths
	difference := tag(a, nonce, header, blocks).add(tag(b, nonce, header, blocks))
	first := difference.times(hashKey(a).power(power).add(hashKey(b).power(power)).inverse())
	copy(blocks, first.bytes())
	if tag(a, nonce, header, blocks) != tag(b, nonce, header, blocks) {
		t.Fatal("the tags differ")
	}
	return append(blocks, tag(a, nonce, header, blocks).bytes()...)
}

// tag is GCM's, from NIST SP 800-38D.
func tag(block cipher.Block, nonce, header, text []byte) element {
	h := hashKey(block)
	var sum element
	for _, part := range [][]byte{header, text} {
		for len(part) > 0 {
			var padded [16]byte
			n := copy(padded[:], part)
			sum, part = sum.add(elementOf(padded[:])).times(h), part[n:]
		}
	}
	sum = sum.add(element{uint64(len(header)) * 8, uint64(len(text)) * 8}).times(h)
	first := append(bytes.Clone(nonce), 0, 0, 0, 1)
	block.Encrypt(first, first)
	return sum.add(elementOf(first))
}

func hashKey(block cipher.Block) element {
	var zero [16]byte
	block.Encrypt(zero[:], zero[:])
	return elementOf(zero[:])
}

// An element is one of GF(2^128), as GCM writes it: the highest bit of the first
// word is the coefficient of 1.
type element [2]uint64

func elementOf(b []byte) element {
	return element{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func (x element) bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, x[0]), x[1])
}

func (x element) add(y element) element { return element{x[0] ^ y[0], x[1] ^ y[1]} }

func (x element) times(y element) (z element) {
	for i := range 128 {
		if x[i/64]>>(63-i%64)&1 == 1 {
			z = z.add(y)
		}
		carry := y[1] & 1
		y = element{y[0] >> 1, y[1]>>1 | y[0]<<63}
		y[0] ^= carry * (0xe1 << 56)
	}
	return z
}

// power is x multiplied n times.
func (x element) power(n int) element {
	z := element{1 << 63, 0}
	for range n {
		z = z.times(x)
	}
	return z
}

// inverse is x to the power of 2^128 - 2.
func (x element) inverse() element {
	z := element{1 << 63, 0}
	for range 127 {
		x = x.times(x)
		z = z.times(x)
	}
	return z
}
