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
	changesScript     = part("changes")
)

// run runs a script on key. The server knows it by its sum; when it says that
// it does not, nothing has been done, and it is sent the text.
func (s *Store) run(ctx context.Context, sc *script, key string, args ...string) (answer, error) {
	return sc.run(ctx, s.client.do, key, args)
}

// write is run for a verb that replicas have to confirm, if any have to.
func (s *Store) write(ctx context.Context, sc *script, key string, args ...string) (answer, error) {
	if s.client.replicas > 0 {
		return sc.run(ctx, s.client.confirm, key, args)
	}
	return sc.run(ctx, s.client.do, key, args)
}

func (sc *script) run(ctx context.Context, do func(context.Context, command) (answer, error), key string, args []string) (answer, error) {
	a, err := do(ctx, command{"EVALSHA", sc.sum, key, args})
	if strings.HasPrefix(said(err), "NOSCRIPT") {
		a, err = do(ctx, command{"EVAL", sc.text, key, args})
	}
	return a, err
}

// runAll runs a script on each of the keys, in one round trip.
func (s *Store) runAll(ctx context.Context, sc *script, keys []string, args ...string) ([]answer, error) {
	commands := make([]command, len(keys))
	for i, key := range keys {
		commands[i] = command{"EVALSHA", sc.sum, key, args}
	}
	answers, err := s.client.all(ctx, commands)
	if !strings.HasPrefix(said(err), "NOSCRIPT") {
		return answers, err
	}
	for i := range commands { // a server has forgotten the script
		commands[i].name, commands[i].pre = "EVAL", sc.text
	}
	return s.client.all(ctx, commands)
}
