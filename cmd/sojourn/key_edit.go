package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-go/sojourn/keys"
)

// editHelp ends what the commands that change a key file say of themselves.
const editHelp = `
The file is replaced as a whole, with its mode and owner; two edits at once
exclude each other, by a file FILE.new beside it. No key is ever printed, only
its id.`

func newKeyAdd() *cobra.Command {
	return &cobra.Command{
		Use:   "add FILE",
		Short: "Add a new key to a key file, as the next one",
		Long: `Add a new key to a key file, as the next one: every process that reads the file
knows it, and none writes with it until it is activated. A FILE that does not
exist is made, with mode 0600 and an active key. One with a key on each line is
rewritten, with the state of each key.
` + editHelp,
		Example: "  sojourn key add session.keys",
		Args:    fileArguments(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := args[0]
			added, err := keys.File(file).Add(time.Now())
			if err != nil {
				return editError(file, err)
			}
			if added.State == keys.Active {
				return output(cmd, fmt.Sprintf("made %s with the active key %s\nlet the program read it with keys.FromFile, as a user who owns it\n", printable(file), added.ID))
			}
			return output(cmd, fmt.Sprintf("added key %s, as the next one\nlet every process read it (they reload within a minute), then:\n  sojourn key activate %s %s\n",
				added.ID, shellWord(file), added.ID))
		},
	}
}

func newKeyActivate() *cobra.Command {
	return &cobra.Command{
		Use:   "activate FILE ID",
		Short: "Let another key of a key file write",
		Long: `Let another key of a key file write. The one that was active only reads from
then on. Every process must know the key before: one that does not refuses what
the others write.
` + editHelp,
		Example: "  sojourn key activate session.keys 3f2a9c01",
		Args:    fileArguments(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, id := args[0], args[1]
			now := time.Now()
			early := addedJustNow(file, id, now)
			former, err := keys.File(file).Activate(id, now)
			if err != nil {
				return editError(file, err)
			}
			if former.ID == "" {
				return output(cmd, fmt.Sprintf("key %s is active already; nothing was changed\n", id))
			}
			return output(cmd, fmt.Sprintf("key %s is active, and key %s only reads\n"+early+
				"when the absolute timeout has passed since now, and the processes count no reads of it:\n  sojourn key retire %s %s\n",
				id, former.ID, shellWord(file), former.ID))
		},
	}
}

// reloadTime is how long processes may take to read a key file again.
const reloadTime = time.Minute

// addedJustNow warns of a key that is to be made active and was added so
// recently that some process may not have read it.
func addedJustNow(file, id string, now time.Time) string {
	list, err := keys.File(file).List()
	if err != nil {
		return "" // the edit says it too
	}
	for _, k := range list {
		if k.ID == id && k.State == keys.Next && ago(k.Since, now) < reloadTime {
			return fmt.Sprintf("key %s was added %s ago: a process that has not read the file since refuses what it writes; until it has, its visitors are not signed in\n",
				id, spanText(int64(ago(k.Since, now)/time.Second)))
		}
	}
	return ""
}

// usualLife is how long people are signed in, for want of a program's timeouts.
const usualLife = 12 * time.Hour

// wroteJustNow says what it means to retire a key that still wrote recently.
func wroteJustNow(before keys.Info, now time.Time) string {
	if since := ago(before.Since, now); before.State == keys.ReadOnly && since < usualLife {
		return fmt.Sprintf("it wrote until %s ago: whoever has such a cookie and no newer one is signed out\n", spanText(int64(since/time.Second)))
	}
	return ""
}

// ago is how long before now t was: a very long time if it is not known, and
// nothing if the clock has been put back since.
func ago(t, now time.Time) time.Duration { return max(now.Sub(t), 0) }

func newKeyRetire() *cobra.Command {
	return &cobra.Command{
		Use:   "retire FILE ID",
		Short: "Refuse what a key of a key file wrote",
		Long: `Refuse what a key of a key file wrote: whoever still has such a cookie is signed
out. It cannot be undone. The active key cannot be retired: activate another
first. The key stays in the file, so that refusals tell their true reason.
` + editHelp,
		Example: "  sojourn key retire session.keys 3f2a9c01",
		Args:    fileArguments(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, id := args[0], args[1]
			now := time.Now()
			before, err := keys.File(file).Retire(id, now)
			if err != nil {
				return editError(file, err)
			}
			if before.State == keys.Retired {
				return output(cmd, fmt.Sprintf("key %s is retired already; nothing was changed\n", id))
			}
			return output(cmd, fmt.Sprintf("key %s is retired\n"+wroteJustNow(before, now)+"processes follow within a minute; what it wrote is then refused with the reason \"key\"\n"+
				"when no such refusals come any more, its line may be removed from %s\n", id, printable(file)))
		},
	}
}

func newKeyList() *cobra.Command {
	return &cobra.Command{
		Use:     "list FILE",
		Short:   "List the keys of a key file: id, state and times",
		Long:    `List the keys of a key file: id, state, when each was made and since when it is in its state. No key is ever printed.`,
		Example: "  sojourn key list session.keys",
		Args:    fileArguments(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := keys.File(args[0]).List()
			if err != nil {
				return editError(args[0], err)
			}
			return output(cmd, keyTable(list, time.Now().Unix()))
		},
	}
}

func keyTable(list []keys.Info, now int64) string {
	known := func(t time.Time) string {
		if t.IsZero() {
			return "not known"
		}
		return timeText(t, now)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tCREATED\tSINCE")
	for _, k := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.ID, k.State, known(k.Created), known(k.Since))
	}
	w.Flush()
	return b.String()
}

// fileArguments wants n arguments: a file, and perhaps the id of a key. What was
// given may be a key by mistake, so none is repeated.
func fileArguments(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) != n:
			return fmt.Errorf("%s needs %s, and nothing else; a key is never an argument: other users of this machine can see arguments, and the shell keeps them",
				cmd.CommandPath(), strings.TrimPrefix(cmd.Use, cmd.Name()+" "))
		case n == 2 && !keys.IsID(args[1]):
			return errors.New("ID is the id of a key: 8 hex digits, as sojourn key list prints them, and never the key itself")
		}
		return nil
	}
}

// mayBeKey reports whether an argument that should name a file could be a key.
func mayBeKey(arg string) bool {
	return !strings.ContainsAny(arg, "./\\") && keys.Check([]byte(arg)).OK()
}

// editError says why a key file could not be edited or listed, and does not
// repeat a name that may be a key.
func editError(file string, err error) error {
	if !strings.Contains(err.Error(), file) && errors.Is(err, fs.ErrNotExist) { // the library takes the name for a key
		return errors.New("key file: there is no such file, and what was given may be a key: give the name of a file, with ./ in front if it looks like a key")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "keys: "))
}

// shellWord returns a name as a shell takes it.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+:@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
