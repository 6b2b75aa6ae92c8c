package flask

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/sojourn-go/sojourn/keys"
)

// KeysFromEnv reads the keys where a Flask application's configuration often
// has them: SECRET_KEY, the whole value being one key, and
// SECRET_KEY_FALLBACKS, older keys, one a line. White space in them counts, as
// in Flask; only the ends of lines in SECRET_KEY_FALLBACKS do not.
//
// A line that is itself a list of keys is refused: Flask, given such a text,
// takes every character for a key, and then anybody can sign.
func KeysFromEnv(opts ...keys.Option) (*keys.Ring, error) {
	current, ok := os.LookupEnv("SECRET_KEY")
	if !ok || current == "" {
		return nil, errors.New(`flask: environment variable SECRET_KEY is not set; make a key with "sojourn key new" (or: openssl rand -hex 32) and set it, on the Flask side too`)
	}
	if lines := strings.Split(strings.TrimRight(current, "\r\n"), "\n"); len(lines) > 1 && !slices.ContainsFunc(lines, func(l string) bool { return len(l) < keys.MinLength }) {
		return nil, errors.New("flask: SECRET_KEY has several lines, each long enough for a key, but Flask takes the whole value for one key; " +
			"put the older keys into SECRET_KEY_FALLBACKS, one a line")
	}
	secrets, names := [][]byte{[]byte(current)}, []string{"SECRET_KEY"}
	var problems []error
	if older := strings.TrimSuffix(os.Getenv("SECRET_KEY_FALLBACKS"), "\n"); older != "" {
		for i, line := range strings.Split(older, "\n") {
			name := fmt.Sprintf("SECRET_KEY_FALLBACKS line %d", i+1)
			line = strings.TrimSuffix(line, "\r")
			switch {
			case line == "":
				problems = append(problems, fmt.Errorf("flask: %s is empty: anybody could sign with an empty key; remove the line", name))
			case keys.LooksLikeList(line):
				problems = append(problems, fmt.Errorf("flask: %s is a list of keys; write one key a line, without brackets and quotes", name))
			default:
				secrets = append(secrets, []byte(line))
				names = append(names, name)
			}
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return keys.New(secrets, append(slices.Clip(opts), keys.Named(names...))...)
}
