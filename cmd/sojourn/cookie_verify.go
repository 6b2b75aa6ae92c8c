package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/anatomy"
	"github.com/sojourn-go/sojourn/flask"
)

const defaultMaxAge = 31 * 24 * 60 * 60 // Flask's PERMANENT_SESSION_LIFETIME

func newVerify() *cobra.Command {
	var how signing
	var sealed sealing
	var asJSON bool
	at := moment{maxAge: integer{value: defaultMaxAge}}
	cmd := &cobra.Command{
		Use:   "verify [COOKIE]",
		Short: "Verify a cookie with its key",
		Long: `Verify a cookie with its key, as Flask would, and print what it holds; or say
why it is refused and what to try. COOKIE, an argument or standard input, is the
cookie's value alone, without its name.
` + keyHelp + `

With --json the answer is one object: {"valid":true,"issued_at":1700000000,
"key":0,"payload":{…}}, where key says which key fits, in the order given, and
payload is the text in the cookie as it stands there; it may hold NaN, Infinity
and integers of any size. Of a key file with several keys, "key_id" names the
one. Or {"valid":false,"reason":"…","detail":"…"}, where reason is one of
signature, key (a retired one), expired, future, malformed, payload, too-large.
` + sealedHelp,
		Example: `  sojourn cookie verify --secret-file session.key eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74
  SECRET_KEY=… sojourn cookie verify --json < cookie.txt`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			signer, secrets, err := how.prepare(cmd)
			if err != nil {
				return err
			}
			cookie, err := input(cmd, args, "cookie")
			if err != nil {
				return inputRefused(cmd, "cookie", asJSON, err)
			}
			at.clock()
			if _, ok := anatomy.OfSealed(cookie); ok {
				sealed.files = how.files
				return sealed.verify(cmd, cookie, asJSON, &at)
			}
			v, err := verify(signer, cookie, at.now.value, at.maxAge.value)
			if err != nil {
				return refuseCookie(cmd, asJSON, err, cookie, func() []string {
					return advise(err, v.Key, cookie, &how, secrets, at.now.value, at.maxAge.value)
				})
			}
			key := *byID(secrets, v.Key)
			if asJSON {
				id := ""
				if key.state != "" {
					id = fmt.Sprintf(`,"key_id":%q`, v.Key)
				}
				return output(cmd, fmt.Sprintf(`{"valid":true,"issued_at":%d,"key":%d%s,"payload":%s}`+"\n", v.IssuedAt.Unix(), key.index, id, v.Payload))
			}
			return output(cmd, validText(cookie, &v, key, at.now.value))
		},
	}
	how.addFlags(cmd)
	sealed.addFlags(cmd)
	cmd.Flags().Var(&at.maxAge, "max-age", "how many seconds ago it may have been issued, or last used if it is encrypted; 0 is the same second only, negative is never")
	cmd.Flags().Var(&at.now, "now", "verify as of this time, in Unix seconds")
	cmd.Flags().Lookup("now").DefValue = "" // the clock
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// byID returns the secret of an id that a ring of them has.
func byID(secrets []secret, id string) *secret {
	return &secrets[slices.IndexFunc(secrets, func(s secret) bool { return s.id() == id })]
}

// name says which key this is: where it was found, and in the managed form its
// id and state.
func (s *secret) name() string {
	if s.state == "" {
		return printable(s.source)
	}
	return fmt.Sprintf("%s, %s, %s", printable(s.source), s.id(), s.state)
}

func validText(cookie string, v *flask.Verified, key secret, now int64) string {
	var b strings.Builder
	fmt.Fprintln(&b, "valid")
	fmt.Fprintf(&b, "key:        %d (%s)\n", key.index, key.name())
	fmt.Fprintf(&b, "issued at:  %s\n", timeText(v.IssuedAt, now))
	fmt.Fprintf(&b, "size:       %d bytes\n", len(cookie))
	fmt.Fprintf(&b, "compressed: %s\n", yesNo(v.Compressed))
	fmt.Fprintf(&b, "payload:\n%s\n", anatomy.Indent(v.Payload))
	if strings.Contains(v.Payload, `"_sojourn":`) {
		fmt.Fprintln(&b, "Sojourn's own timeouts have not been checked: its idle timeout of 30 minutes is --max-age 1800")
	}
	return b.String()
}
