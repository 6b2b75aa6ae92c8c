package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/anatomy"
)

// advise says what to try about a refused cookie, a line each. keyID is the id
// of the key that signed it, where one did.
func advise(refusal error, keyID, cookie string, how *signing, secrets []secret, now, maxAge int64) []string {
	switch sojourn.ReasonOf(refusal) {
	case sojourn.ReasonSignature:
		if found := diagnose(cookie, how, secrets); found != "" {
			return []string{found}
		}
		return append(malformedAdvice(cookie),
			"either it was changed or cut off, or another key signed it: try the key of every application that writes it",
			"in Flask every byte of SECRET_KEY counts; an application may also have changed --salt, --digest or --derivation")
	case sojourn.ReasonKey:
		key := byID(secrets, keyID)
		text := fmt.Sprintf("key %s of %s signed it", keyID, printable(key.source))
		if !key.since.IsZero() {
			text += ", and was retired at " + timeText(key.since, now)
		}
		return []string{text, "whoever sends it is signed out; a browser gets another cookie at the next sign-in"}
	case sojourn.ReasonExpired:
		return []string{
			"issued at " + issuedText(cookie, how.lenient, now) + fmt.Sprintf("; the most allowed is %d seconds", maxAge),
			"give the application's PERMANENT_SESSION_LIFETIME as --max-age, or an earlier time as --now",
		}
	case sojourn.ReasonFuture:
		return []string{
			"issued at " + issuedText(cookie, how.lenient, now),
			"Flask makes no allowance for clocks that differ, not even a second; compare the servers' clocks, or give --now",
		}
	case sojourn.ReasonPayload:
		lenient := *how
		lenient.lenient = true
		if signer, err := lenient.signer(secrets); err == nil && !how.lenient {
			if _, err := verify(signer, cookie, now, maxAge); err == nil {
				return []string{"Flask would read it, though it never writes such a cookie: --lenient reads it too"}
			}
		}
		return []string{"a key fits, but this is no session: perhaps another program signs with the same key, or a tag of the application's own is in it"}
	}
	return nil
}

func issuedText(cookie string, lenient bool, now int64) string {
	p, err := anatomy.Of(cookie, lenient)
	if err != nil || p.TimestampErr != nil {
		return "an unreadable time"
	}
	return timeText(p.IssuedAt, now)
}

// refuseCookie answers that a cookie is not accepted. If it is of no form at all,
// what was recognised comes first, and in JSON alone; what Flask's form lacks in
// it comes second, for people, if that is any help.
func refuseCookie(cmd *cobra.Command, asJSON bool, refusal error, cookie string, advice func() []string) error {
	if sojourn.ReasonOf(refusal) != sojourn.ReasonMalformed {
		if asJSON { // advice may take long to find
			return refuse(cmd, "cookie", true, refusal)
		}
		return refuse(cmd, "cookie", false, refusal, advice()...)
	}
	if cookie == "" {
		return refuse(cmd, "cookie", asJSON, malformed("it is empty: give it as an argument or on standard input"))
	}
	if _, ok := anatomy.OfToken(cookie); ok {
		return refuse(cmd, "cookie", asJSON, malformed("it is the token of a session that is kept in a store: a handle and a secret, and nothing in it to read or to verify"),
			"whether there is such a session, only the store knows; sojourn cookie inspect shows the handle")
	}
	if found := malformedAdvice(cookie); len(found) > 0 {
		return refuse(cmd, "cookie", asJSON, malformed(found[0]), append([]string{"as one in Flask's form: " + anatomy.Detail(refusal)}, advice()...)...)
	}
	return refuse(cmd, "cookie", asJSON, refusal, advice()...)
}

func malformed(detail string) error {
	return &sojourn.RefusedError{Reason: sojourn.ReasonMalformed, Detail: detail}
}

// malformedAdvice recognises what people paste for the value of a cookie.
func malformedAdvice(cookie string) []string {
	switch {
	case strings.Contains(cookie, "="), strings.Contains(cookie, ";"):
		return []string{"give the value alone, without the name, the = and the attributes"}
	case strings.HasPrefix(cookie, `"`), strings.Contains(cookie, "%"):
		return []string{"give the value as the server sends it, without quotes or percent signs"}
	case len(cookie) == 68 && strings.IndexByte(cookie, '.') == 24:
		return []string{"it looks like the token of a session that is kept in a store, but is none: it was changed"}
	case strings.Count(cookie, ".") < 2:
		return []string{"a cookie of Flask's has three parts joined by dots; this one is cut off, or of another kind"}
	}
	return nil
}

// diagnose looks for what a wrong signature is most often about: it tries the
// other settings, and the same keys as people mistake them.
func diagnose(cookie string, how *signing, secrets []secret) string {
	variants, notes := keyVariants(secrets)
	note := func(id string) string {
		return notes[slices.IndexFunc(variants, func(s secret) bool { return s.id() == id })]
	}
	for _, lenient := range distinct(how.lenient, true) {
		for _, salt := range distinct(how.salt, defaultSalt) {
			for _, derivation := range distinct(how.derivation, derivationNames...) {
				for _, digest := range distinct(how.digest, digestNames...) {
					try := signing{salt: salt, digest: digest, derivation: derivation, lenient: lenient}
					signer, err := try.signer(variants)
					if err != nil {
						continue
					}
					v, err := verify(signer, cookie, 0, 0)
					if r := sojourn.ReasonOf(err); err == nil || r != sojourn.ReasonSignature && r != sojourn.ReasonMalformed && r != sojourn.ReasonTooLarge {
						return "its signature is right with " + difference(&try, how, note(v.Key))
					}
				}
			}
		}
	}
	return ""
}

// distinct returns first and those of the others that differ from it.
func distinct[T comparable](first T, others ...T) []T {
	list := []T{first}
	for _, o := range others {
		if !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	return list
}

// difference lists in what try differs from how.
func difference(try, how *signing, key string) string {
	var parts []string
	if key != "" {
		parts = append(parts, key)
	}
	for _, f := range []struct{ name, try, how string }{
		{"salt", try.salt, how.salt}, {"derivation", try.derivation, how.derivation}, {"digest", try.digest, how.digest},
	} {
		if f.try != f.how {
			parts = append(parts, "--"+f.name+" "+f.try)
		}
	}
	if try.lenient != how.lenient {
		parts = append(parts, "--lenient")
	}
	return strings.Join(parts, " and ")
}

// keyVariants returns the secrets and what they may have been meant to be,
// with a note on each that says what it is.
func keyVariants(secrets []secret) (variants []secret, notes []string) {
	add := func(source string, key []byte, note string) {
		same := func(s secret) bool { return bytes.Equal(s.bytes, key) }
		if len(key) > 0 && !slices.ContainsFunc(variants, same) {
			variants = append(variants, secret{source: source, bytes: key})
			notes = append(notes, note)
		}
	}
	for _, s := range secrets {
		add(s.source, s.bytes, "")
	}
	for _, s := range secrets {
		from := "the key of " + printable(s.source)
		add(s.source, bytes.TrimSpace(s.bytes), from+" without the white space around it")
		add(s.source, append(bytes.Clone(s.bytes), '\n'), from+" and a newline behind it")
		add(s.source, bytes.Trim(s.bytes, `"'`), from+" without the quotes around it")
		text := strings.TrimSpace(string(s.bytes))
		if key, err := hex.DecodeString(text); err == nil {
			add(s.source, key, from+" decoded from hex")
		}
		if key, err := decodeBase64(strings.TrimPrefix(text, "base64:")); err == nil {
			add(s.source, key, from+" decoded from base64")
		}
		if n := bytes.Count(s.bytes, []byte("\n")); 0 < n && n < 20 {
			for i, line := range bytes.Split(s.bytes, []byte("\n")) {
				add(s.source, bytes.TrimSuffix(line, []byte("\r")), fmt.Sprintf("line %d of %s as a key of its own", i+1, printable(s.source)))
			}
		}
	}
	return variants, notes
}
