package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// cookieBudget is what browsers keep of a cookie, its name and attributes
// included; Flask warns beyond it.
const cookieBudget = 4093

func newSign() *cobra.Command {
	var how signing
	var asJSON bool
	var at integer
	cmd := &cobra.Command{
		Use:   "sign [JSON]",
		Short: "Sign a session, so that Flask accepts it",
		Long: `Sign a session, so that Flask accepts it, and print the cookie's value. JSON, an
argument or standard input, is one object of tagged JSON as it stands in a
cookie and as "cookie verify --json" prints it. It is checked, and written as
Flask writes it: keys sorted, no spaces, ASCII only.
` + keyHelp + `

With --json the answer is one object: {"cookie":"…","size":45}.`,
		Example: `  sojourn cookie sign --secret-file session.key '{"username":"ada"}'
  echo '{"when":{" d":"Thu, 29 Feb 2024 12:34:56 GMT"}}' | SECRET_KEY=… sojourn cookie sign`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !at.given {
				at.value = time.Now().Unix()
			}
			if at.value < 0 {
				return errors.New("--at is before 1970, which a cookie cannot hold")
			}
			signer, _, err := how.prepare(cmd)
			if err != nil {
				return err
			}
			text, err := input(cmd, args, "JSON")
			if err != nil {
				return inputRefused(cmd, "JSON", asJSON, err)
			}
			cookie, err := signer.Sign(text, time.Unix(at.value, 0))
			if err != nil {
				return refuse(cmd, "JSON", asJSON, err, `a session is one JSON object; give "cookie sign --help" for the form`)
			}
			if len(cookie) > cookieBudget {
				fmt.Fprintf(cmd.ErrOrStderr(), "sojourn: warning: the value alone has %d bytes; browsers drop a cookie of more than %d, its name and attributes included\n",
					len(cookie), cookieBudget)
			}
			if asJSON {
				return output(cmd, fmt.Sprintf(`{"cookie":%s,"size":%d}`+"\n", quote(cookie), len(cookie)))
			}
			return output(cmd, cookie+"\n")
		},
	}
	how.addFlags(cmd)
	cmd.Flags().Var(&at, "at", "time of issue, in Unix seconds")
	cmd.Flags().Lookup("at").DefValue = "" // the clock
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}
