// Sojourn is the command-line tool of the session library of that name: it
// shows a demo, makes and checks keys, and takes apart, verifies and signs the
// cookies of Flask and of Go programs that share them.
//
// It exits with 0 when all is well, with 1 when a cookie is refused, a check
// fails or the demo cannot run, and with 2 when it was called wrongly, a key
// that cannot be read included.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// A failure is an error with exit code 1: the command was called rightly, and
// its answer is no. Every other error is a mistake in the call.
type failure struct {
	err    error
	silent bool // the answer has been printed, as JSON
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// run is the whole program, and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetArgs(separate(root, args))
	cmd, err := root.ExecuteContextC(ctx)
	var failed *failure
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &failed):
		if !failed.silent {
			fmt.Fprintf(stderr, "sojourn: %v\n", err)
		}
		return exitFailed
	default:
		fmt.Fprintf(stderr, "sojourn: %v\nrun \"%s --help\" for how it is used\n", err, cmd.CommandPath())
		return exitUsage
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sojourn",
		Short: "Sessions for Go web applications, and Flask's cookies taken apart",
		Long: `Sessions for Go web applications, and Flask's cookies taken apart.

Exit codes: 0 all is well; 1 a cookie was refused, a check failed or the demo
cannot run; 2 the command was called wrongly, or has no key.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newDemo(), newKey(), newCookie(), newSchema(), newVersion())
	return root
}

// newGroup returns a command that only holds others. Called by itself it is a
// mistake; what it was called with may be a secret, so it is not repeated.
func newGroup(use, short, choices string) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("%s needs one of its commands: %s", cmd.CommandPath(), choices)
		},
	}
}
