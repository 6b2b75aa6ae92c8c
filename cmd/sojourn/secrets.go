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
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-go/sojourn/keys"
)

// A secret is a key as the user named it.
type secret struct {
	index  int    // which one of what was named, in the order given
	source string // where it was found, for messages
	bytes  []byte
	state  keys.State // in a key file in the managed form; else ""
	since  time.Time  // of the state; zero if it is not known
}

// id is the key's id, as the library has it.
func (s *secret) id() string {
	ring, err := keys.New([][]byte{s.bytes}, keys.InsecureAllowWeak())
	if err != nil {
		return ""
	}
	return ring.Active().ID()
}

// secretEnv is where the key is when no file is named.
const secretEnv = "SECRET_KEY"

// readSecrets reads the keys from files, or the one in the environment, without
// those that are retired. What was given twice is there once, under its first
// number: it changes nothing, so it is no mistake here.
func readSecrets(files []string) ([]secret, error) {
	secrets, err := readAllSecrets(files)
	return slices.DeleteFunc(secrets, func(s secret) bool { return s.state == keys.Retired }), err
}

// readAllSecrets reads the retired ones too.
func readAllSecrets(files []string) ([]secret, error) {
	if len(files) == 0 {
		value := os.Getenv(secretEnv)
		if value == "" {
			return nil, errors.New("no key: name a file with --secret-file, or set " + secretEnv)
		}
		return secretsIn(0, secretEnv, []byte(value), func(value []byte) ([]byte, error) { return value, nil })
	}
	var secrets []secret
	for i, file := range files {
		found, err := readSecretFile(i, file)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			same := func(other secret) bool { return bytes.Equal(s.bytes, other.bytes) }
			if !slices.ContainsFunc(secrets, same) {
				secrets = append(secrets, s)
			}
		}
	}
	return secrets, nil
}

// managed is how a key file in the managed form begins; see keys.Parse.
const managed = "# sojourn keys"

// secretsIn returns the keys in text: those of the managed form, the active one
// first, or else the one that plain makes of it.
func secretsIn(index int, source string, text []byte, plain func([]byte) ([]byte, error)) ([]secret, error) {
	if !bytes.HasPrefix(text, []byte(managed)) {
		key, err := plain(text)
		return []secret{{index: index, source: source, bytes: key}}, err
	}
	ring, err := keys.Parse(text, keys.InsecureAllowWeak())
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), "keys: key text", printable(source)))
	}
	info := ring.Info()
	var secrets []secret
	for i, e := range keys.NewDerived(ring, keys.Key.Bytes).Entries() {
		secrets = append(secrets, secret{index, source, e.Value, e.State, info[i].Since})
	}
	return secrets, nil
}

// readSecretFile reads the one key that a file holds, or those of a key file in
// the managed form.
func readSecretFile(index int, file string) ([]secret, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("secret file: %w", openError(file, err))
	}
	defer f.Close()
	content, err := readBounded(f, "secret file "+file, maxInput)
	if err != nil {
		return nil, err
	}
	return secretsIn(index, file, content, func(content []byte) ([]byte, error) { return wholeSecret(file, content) })
}

// wholeSecret takes a file's content for one key. Every byte of it counts, as
// in Flask, but for one newline at the end, which editors and echo add.
func wholeSecret(file string, content []byte) ([]byte, error) {
	if encoded, ok := bytes.CutPrefix(content, []byte("base64:")); ok {
		var err error
		if content, err = decodeBase64(string(encoded)); err != nil {
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
	if mayBeKey(file) {
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
// have. The first that is not retired signs; the ring is made of the managed
// form, which alone can say that a key is.
func newRing(secrets []secret) (*keys.Ring, error) {
	text, state := managed+" 1\n", keys.Active
	for _, s := range secrets {
		own := state
		if s.state == keys.Retired {
			own = s.state
		} else {
			state = keys.ReadOnly
		}
		text += fmt.Sprintf("state=%s key=base64:%s\n", own, base64.StdEncoding.EncodeToString(s.bytes))
	}
	return keys.Parse([]byte(text), keys.InsecureAllowWeak())
}

// warn says on standard error what is wrong with keys that are used all the
// same.
func warn(cmd *cobra.Command, secrets []secret) {
	for _, s := range secrets {
		if s.state == keys.Retired {
			continue // it reads nothing
		}
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
