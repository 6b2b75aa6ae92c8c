package redisstore

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"strings"
)

// A script is a verb as the server runs it: as a whole, with nothing between.
// It is given the key of a record or of an index, and finds the others by it:
// they all have the same tag, and so are on the same server.
type script struct {
	sum, text []string // each with the number of keys, as EVALSHA and EVAL want it
}

//go:embed script.lua
var scriptText string

// The text holds one part for all scripts and then the scripts, each behind a
// line that names it.
func part(name string) *script {
	common, rest, _ := strings.Cut(scriptText, "\n--- ")
	for _, p := range strings.Split(rest, "\n--- ") {
		if title, body, _ := strings.Cut(p, "\n"); title == name {
			text := common + "\n" + body
			sum := sha1.Sum([]byte(text))
			return &script{sum: []string{hex.EncodeToString(sum[:]), "1"}, text: []string{text, "1"}}
		}
	}
	panic("redisstore: there is no script " + name)
}

var (
	createScript      = part("create")
	applyScript       = part("apply")
	touchScript       = part("touch")
	deleteScript      = part("delete")
	deleteOwnerScript = part("delete owner")
	listScript        = part("list")
	showScript        = part("show")
)

// run runs a script on key. The server knows it by its sum; when it says that
// it does not, nothing has been done, and it is sent the text.
func (s *Store) run(ctx context.Context, sc *script, key string, args ...string) (answer, error) {
	a, err := s.client.do(ctx, command{"EVALSHA", sc.sum, key, args})
	if strings.HasPrefix(said(err), "NOSCRIPT") {
		a, err = s.client.do(ctx, command{"EVAL", sc.text, key, args})
	}
	return a, err
}
