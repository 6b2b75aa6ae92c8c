package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sojourn-go/sojourn/keys"
)

// A secret is a key as the user named it.
type secret struct {
	index  int    // which one, in the order given
	source string // where it was found, for messages
	bytes  []byte
}

// secretEnv is where the key is when no file is named.
const secretEnv = "SECRET_KEY"

// readSecrets reads the keys from files, or the one in the environment. What
// was given twice is there once, under its first number: it changes nothing,
// so it is no mistake here.
func readSecrets(files []string) ([]secret, error) {
	if len(files) == 0 {
		value := os.Getenv(secretEnv)
		if value == "" {
			return nil, errors.New("no key: name a file with --secret-file, or set " + secretEnv)
		}
		return []secret{{0, secretEnv, []byte(value)}}, nil
	}
	var secrets []secret
	for i, file := range files {
		key, err := readSecret(file)
		if err != nil {
			return nil, err
		}
		same := func(s secret) bool { return bytes.Equal(s.bytes, key) }
		if !slices.ContainsFunc(secrets, same) {
			secrets = append(secrets, secret{i, file, key})
		}
	}
	return secrets, nil
}

// readSecret reads the one key that a file holds. Every byte of it counts, as
// in Flask, but for one newline at the end, which editors and echo add.
func readSecret(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("secret file: %w", openError(file, err))
	}
	defer f.Close()
	content, err := readBounded(f, "secret file "+file, maxInput)
	if err != nil {
		return nil, err
	}
	if encoded, ok := bytes.CutPrefix(content, []byte("base64:")); ok {
		content, err = decodeBase64(string(encoded))
		if err != nil {
			return nil, fmt.Errorf(`secret file %s: what follows "base64:" is not base64`, file)
		}
	} else {
		content = bytes.TrimSuffix(content, []byte("\n"))
	}
	if len(content) == 0 {
		return nil, fmt.Errorf("secret file %s is empty: anybody could sign with an empty key", file)
	}
	return content, nil
}

// openError says why a file could not be opened. Where the name may be a key
// that was given in place of a file, it is not repeated.
func openError(file string, err error) error {
	cause := err
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		cause = e.Err
	}
	if !strings.ContainsAny(file, "./\\") && keys.Check([]byte(file)).OK() {
		return fmt.Errorf("%w: give the name of a file, not a key", cause)
	}
	return fmt.Errorf("open %s: %w", printable(file), cause)
}

// decodeBase64 reads either alphabet, padded or not, on one line or several.
func decodeBase64(text string) ([]byte, error) {
	text = strings.Join(strings.Fields(text), "")
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	return encoding.Strict().DecodeString(strings.TrimRight(text, "="))
}

// newRing makes a ring of any keys: people need this tool for the keys they
// have.
func newRing(secrets []secret) (*keys.Ring, error) {
	var list [][]byte
	var sources []string
	for _, s := range secrets {
		list, sources = append(list, s.bytes), append(sources, s.source)
	}
	return keys.New(list, keys.InsecureAllowWeak(), keys.Named(sources...))
}

// warn says on standard error what is wrong with keys that are used all the
// same.
func warn(cmd *cobra.Command, secrets []secret) {
	for _, s := range secrets {
		for _, p := range keys.Check(s.bytes).Problems {
			if p.Refused {
				fmt.Fprintf(cmd.ErrOrStderr(), "sojourn: warning: %s: %s\n", printable(s.source), p.Text)
			}
		}
		if last := s.bytes[len(s.bytes)-1]; len(s.bytes) > 1 && (last == '\n' || last == '\r' || last == ' ') {
			fmt.Fprintf(cmd.ErrOrStderr(), "sojourn: warning: %s: the key ends with white space, which counts\n", printable(s.source))
		}
	}
}
