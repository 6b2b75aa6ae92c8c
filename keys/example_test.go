package keys_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sojourn-go/sojourn/keys"
)

// The ring comes from one variable: one key a line, the current one first.
func Example() {
	os.Setenv("SECRET_KEY", "4f1c0e6b9a7d82355be0c4f79d1a6e83\n"+ // writes and reads
		"c81e7f2a6d3b905414af8e2b7c6d09f5\n") // only reads: the key from before
	ring, err := keys.FromEnv("SECRET_KEY")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ring)
	fmt.Printf("%d keys read, the active one is %#v\n", len(ring.All()), ring.Active())
	// Output:
	// keys.Ring(cba4abc2, 267b8a36)
	// 2 keys read, the active one is keys.Key(cba4abc2)
}

// An error names the place, the reason and the remedy, and never the key.
func ExampleFromEnv() {
	os.Setenv("FLASK_KEY", "you-will-never-guess")
	_, err := keys.FromEnv("FLASK_KEY")
	fmt.Println(err)
	_, err = keys.FromEnv("UNSET_KEY")
	fmt.Println(err)
	// Output:
	// keys: environment variable FLASK_KEY, line 1: the key is publicly known, or a phrase that people put where a key should be; make a key with "sojourn key new" (or: openssl rand -hex 32); a site that cannot change its key today can pass keys.InsecureAllowWeak()
	// keys: environment variable UNSET_KEY is not set; make a key with "sojourn key new" (or: openssl rand -hex 32) and set it
}

// To rotate, put a new key in front. The old one still reads.
func ExampleGenerate() {
	old := "4f1c0e6b9a7d82355be0c4f79d1a6e83"
	ring, err := keys.Parse([]byte(keys.Generate() + "\n" + old))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(ring.All()), ring.All()[1])
	// Output: 2 keys.Key(cba4abc2)
}

// A key file is edited while programs that read it run: add a key, let every
// process read it, activate it, and in the end retire the former one.
func ExampleFile() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	file := keys.File(dir + "/session.keys")
	first, err1 := file.Add(time.Now()) // makes the file
	ring, err2 := keys.FromFile(string(file))
	second, err3 := file.Add(time.Now())
	_, err4 := file.Activate(second.ID, time.Now())
	_, err5 := file.Retire(first.ID, time.Now())
	err6 := ring.Reload(context.Background()) // sojourn.Manager.Run does it
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		fmt.Println(err)
		return
	}
	for _, k := range ring.Info() {
		fmt.Println(k.State, k.ID == first.ID, k.Reads)
	}
	// Output:
	// active false 0
	// retired true 0
}

// Check says what is wrong with a key, and what could be better.
func ExampleCheck() {
	for _, secret := range []string{"dev", "9d1a6e834f1c0e6b", keys.Generate()} {
		report := keys.Check([]byte(secret))
		fmt.Println(report.Length, report.OK())
		for _, p := range report.Problems {
			fmt.Printf("- %s: %s\n", p.Code, p.Text)
		}
	}
	// Output:
	// 3 false
	// - short: the key has only 3 of at least 16 bytes
	// - known: the key is publicly known, or a phrase that people put where a key should be
	// 16 true
	// - short: the key has 16 bytes, 32 are recommended
	// 64 true
}
