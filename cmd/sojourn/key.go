package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sojourn-go/sojourn/keys"
)

func newKey() *cobra.Command {
	group := newGroup("key", "Make, check and rotate secret keys", "new, check, add, activate, retire or list")
	group.AddCommand(newKeyNew(), newKeyCheck(), newKeyAdd(), newKeyActivate(), newKeyRetire(), newKeyList())
	return group
}

func newKeyNew() *cobra.Command {
	return &cobra.Command{
		Use:   "new",
		Short: "Print a strong new key",
		Long: `Print a strong new key: 32 random bytes as 64 hex digits. It fits one line of
a key file, and Flask's SECRET_KEY.`,
		Example: "  (umask 077; sojourn key new > session.key)",
		Args:    noKeyArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return output(cmd, keys.Generate()+"\n")
		},
	}
}

func newKeyCheck() *cobra.Command {
	var file, env string
	cmd := &cobra.Command{
		Use:   "check [--file FILE | --env NAME]",
		Short: "Say what is good or bad about keys",
		Long: `Say what is good or bad about keys: one a line, from a file, an environment
variable or standard input. Of a key file that "sojourn key add" has written,
it names the keys by their ids, and does not judge retired ones. The keys
themselves are never printed. It exits with 1 when the library would refuse one
of them.

A key is never taken as an argument, where other users and the shell's history
would see it.`,
		Example: `  sojourn key check --env SECRET_KEY
  sojourn key check --file session.key
  sojourn key new | sojourn key check`,
		Args: noKeyArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := readKeys(cmd, file, env)
			if err != nil {
				return err
			}
			report, ok := checkKeys(text)
			if err := output(cmd, report); err != nil {
				return err
			}
			if !ok {
				return &failure{err: errors.New(`not all keys are good; make one with "sojourn key new"`)}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "read the keys from this file")
	cmd.Flags().StringVar(&env, "env", "", "read the keys from the environment variable of this name")
	cmd.MarkFlagsMutuallyExclusive("file", "env")
	return cmd
}

// noKeyArgument refuses arguments, and does not repeat what may be a key.
func noKeyArgument(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no argument, and never a key: other users of this machine can see arguments, and the shell keeps them; "+
		"replace the key if that was one (key check reads --file, --env or standard input)", cmd.CommandPath())
}

// maxKeys is the most that is read as keys, as in package keys.
const maxKeys = 1 << 16

// readKeys returns the text to check. Neither it nor what could be it by
// mistake is ever in an error.
func readKeys(cmd *cobra.Command, file, env string) ([]byte, error) {
	switch {
	case cmd.Flags().Changed("env"):
		value, ok := os.LookupEnv(env)
		if !ok {
			return nil, errors.New("the environment variable that --env names is not set; --env takes the name of a variable, not a key")
		}
		return []byte(value), nil
	case cmd.Flags().Changed("file"):
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("key file: %w", openError(file, err))
		}
		defer f.Close()
		return readBounded(f, "key file "+file, maxKeys)
	}
	return readBounded(cmd.InOrStdin(), "standard input", maxKeys)
}

// readBounded reads all of r, which is called name, if that is not too much.
func readBounded(r io.Reader, name string, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s is too large to be keys: more than %d KiB", name, limit>>10)
	}
	return text, nil
}

// checkKeys reports on every line of text, and whether all are good.
func checkKeys(text []byte) (report string, ok bool) {
	text = bytes.TrimRight(text, " \t\r\n")
	if len(text) == 0 {
		return "there is no key: nothing but white space, if anything\n", false
	}
	if bytes.HasPrefix(text, []byte(managed)) {
		return checkManaged(text)
	}
	var b strings.Builder
	ok = true
	seen := map[string]int{} // line by key id
	for i, line := range bytes.Split(text, []byte("\n")) {
		good, length, remarks := checkLine(bytes.TrimSpace(line), i+1, seen)
		ok = ok && good
		verdict := "good"
		if !good {
			verdict = "bad"
		}
		fmt.Fprintf(&b, "line %d: %s", i+1, verdict)
		if length > 0 {
			fmt.Fprintf(&b, ", %d bytes", length)
		}
		b.WriteString("\n")
		for _, r := range remarks {
			fmt.Fprintf(&b, "  %s\n", r)
		}
	}
	return b.String(), ok
}

// checkLine reports on one line. The library reads it, so that this agrees with
// what a program would make of it.
func checkLine(line []byte, number int, seen map[string]int) (good bool, length int, remarks []string) {
	if len(line) == 0 {
		return false, 0, []string{"form: the line is empty; put one key on every line, the current one first"}
	}
	ring, err := keys.Parse(line, keys.InsecureAllowWeak())
	if err != nil {
		_, text, found := strings.Cut(err.Error(), "line 1: ")
		if !found {
			text = err.Error()
		}
		return false, 0, []string{"form: " + text}
	}
	key := ring.Active()
	r := keys.Check(key.Bytes())
	good, remarks = r.OK(), problems(r)
	if first, twice := seen[key.ID()]; twice {
		return false, r.Length, append(remarks, fmt.Sprintf("duplicate: the key is the same as that of line %d; remove one of the two", first))
	}
	if good {
		remarks = append(remarks, goodKey)
	}
	seen[key.ID()] = number
	return good, r.Length, remarks
}

const goodKey = "not publicly known, follows no pattern; strong if it was made at random"

// problems lists what the library has found, a line each.
func problems(r keys.Report) (lines []string) {
	for _, p := range r.Problems {
		advice := ""
		if !p.Refused {
			advice = " (advice)"
		}
		lines = append(lines, fmt.Sprintf("%s: %s%s", p.Code, p.Text, advice))
	}
	return lines
}

// checkManaged reports on the keys of the managed form, or on its lines where
// it cannot be read.
func checkManaged(text []byte) (report string, ok bool) {
	ring, err := keys.Parse(text, keys.InsecureAllowWeak())
	if err != nil {
		return strings.ReplaceAll(err.Error(), "keys: key text, ", "") + "\n", false
	}
	var b strings.Builder
	ok = true
	for _, e := range keys.NewDerived(ring, keys.Key.Bytes).Entries() {
		r := keys.Check(e.Value)
		verdict, remarks := "good", problems(r)
		switch {
		case e.State == keys.Retired:
			verdict, remarks = "not judged", []string{"it reads nothing"}
		case !r.OK():
			verdict, ok = "bad", false
		default:
			remarks = append(remarks, goodKey)
		}
		fmt.Fprintf(&b, "key %s (%s): %s, %d bytes\n", e.Key.ID(), e.State, verdict, r.Length)
		for _, line := range remarks {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	return b.String(), ok
}
