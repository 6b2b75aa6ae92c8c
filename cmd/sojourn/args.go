package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sojourn-go/sojourn"
)

// flagForm is what our flags look like; none has a short form but -h.
var flagForm = regexp.MustCompile(`^(-h|--([a-z][a-z-]*)(=(?s:.*))?)$`)

// separate moves what is no flag behind a "--", so that a damaged cookie which
// begins with a dash is refused as a cookie, and not as an unknown flag.
func separate(root *cobra.Command, args []string) []string {
	cmd, _, err := root.Find(args)
	if err != nil || cmd.HasSubCommands() {
		return args
	}
	var flags, rest []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		form := flagForm.FindStringSubmatch(arg)
		if form == nil && strings.HasPrefix(arg, "-") && len(arg) > 1 {
			rest = append(rest, arg)
			continue
		}
		flags = append(flags, arg)
		if form == nil || form[3] != "" || i+1 == len(args) {
			continue
		}
		if f := cmd.Flags().Lookup(form[2]); f != nil && f.NoOptDefVal == "" { // its value comes next
			i++
			flags = append(flags, args[i])
		}
	}
	if rest == nil || slices.Contains([]string{cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}, args[0]) {
		return args
	}
	return append(append(flags, "--"), rest...)
}

// maxInput is the most that is read from standard input. No cookie and no
// session comes near it.
const maxInput = 1 << 20

// input returns the one argument, or else what standard input holds, without
// the newlines around it.
func input(cmd *cobra.Command, args []string, what string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	in := cmd.InOrStdin()
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull {
			fmt.Fprintf(cmd.ErrOrStderr(), "reading the %s from the terminal; end with Ctrl-D\n", what)
		}
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return "", fmt.Errorf("standard input: %w", err)
	}
	if len(text) > maxInput {
		return "", &sojourn.RefusedError{Reason: sojourn.ReasonTooLarge, Detail: "standard input holds more than 1 MiB"}
	}
	return strings.Trim(string(text), "\r\n"), nil
}

// An integer is the value of a flag: decimal digits and perhaps a sign, so that
// 010 is ten, and whether it was given.
type integer struct {
	value int64
	given bool
}

var _ pflag.Value = (*integer)(nil)

func (n *integer) String() string { return strconv.FormatInt(n.value, 10) }
func (n *integer) Type() string   { return "int" }

func (n *integer) Set(text string) error {
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("a whole number of seconds is needed, from %d to %d", int64(-1<<63), int64(1<<63-1))
	}
	n.value, n.given = v, true
	return nil
}
