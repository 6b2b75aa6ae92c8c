package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/anatomy"
)

func newInspect() *cobra.Command {
	var lenient, asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect [COOKIE]",
		Short: "Take a cookie apart without its key",
		Long: `Take a cookie apart without its key: what the visitor and everybody else who
holds it can read. COOKIE, an argument or standard input, is the cookie's value
alone, without its name. It is a signed one, in Flask's form, an encrypted one,
of which nothing can be read, or the token of a session that is kept in a store,
whose secret is not printed. Nothing is verified.`,
		Example: "  sojourn cookie inspect eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cookie, err := input(cmd, args, "cookie")
			if err != nil {
				return inputRefused(cmd, "cookie", asJSON, err)
			}
			if done, err := explain(cmd, cookie, asJSON); done {
				return err
			}
			parts, err := anatomy.Of(cookie, lenient)
			if err != nil {
				return refuseCookie(cmd, asJSON, err, cookie, func() []string { return []string{lookedFor} })
			}
			if asJSON {
				return inspectJSON(cmd, cookie, &parts)
			}
			if err := output(cmd, inspectText(cookie, &parts)); err != nil {
				return err
			}
			if err := errors.Join(parts.TimestampErr, parts.PayloadErr); err != nil {
				return &failure{err: errors.New("not every part of the cookie can be read")}
			}
			return nil
		},
	}
	addLenient(cmd, &lenient)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func inspectText(cookie string, p *anatomy.Parts) string {
	issued := timeText(p.IssuedAt, time.Now().Unix())
	if p.TimestampErr != nil {
		issued = "unreadable: " + anatomy.Detail(p.TimestampErr)
	}
	payload := anatomy.Indent(p.JSON)
	if p.PayloadErr != nil {
		payload = "unreadable: " + anatomy.Detail(p.PayloadErr)
		if p.JSON != "" {
			payload += "\n" + printable(p.JSON)
		}
	}
	var b strings.Builder
	fmt.Fprintln(&b, "nothing of this has been verified: anybody can write such a cookie")
	fmt.Fprintf(&b, "issued at:  %s\n", issued)
	fmt.Fprintf(&b, "signature:  %s\n", signatureText(p.Signature))
	fmt.Fprintf(&b, "size:       %d bytes\n", len(cookie))
	fmt.Fprintf(&b, "compressed: %s\n", yesNo(p.Compressed))
	fmt.Fprintf(&b, "payload:\n%s\n", payload)
	return b.String()
}

// inspectJSON has "verified" where verify has "valid": nobody may take the one
// for the other.
func inspectJSON(cmd *cobra.Command, cookie string, p *anatomy.Parts) error {
	for _, err := range []error{p.TimestampErr, p.PayloadErr} {
		if err != nil {
			return refuse(cmd, "cookie", true, err)
		}
	}
	return output(cmd, fmt.Sprintf(`{"verified":false,"issued_at":%d,"signature":%s,"size":%d,"compressed":%t,"payload":%s}`+"\n",
		p.IssuedAt.Unix(), escaped(quote(p.Signature)), len(cookie), p.Compressed, escaped(p.JSON)))
}

// escaped writes what a terminal might obey as JSON escapes. In JSON text such
// characters stand in strings only, and mean the same. Nobody has verified
// them, unlike those that verify prints as they are.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r < 0x7f || strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
