package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// ErrUnconfirmed is what a write says that was made on the master, and that
// fewer replicas than [Replicas] asks for confirmed in time. It may be lost in a
// failover, or last. Load says it too, of a record that such a write may have
// made what it is.
var ErrUnconfirmed = errors.New("written on the master, but not confirmed by enough replicas; " +
	"see that as many as Replicas asks for are connected")

// confirm is do for a write that replicas have to confirm. WAIT confirms what
// the server had written when it ran the command before it on the same
// connection, by whomever that was. So a command that writes nothing, as Load's
// or the repetition of an end, confirms what went before.
func (c *client) confirm(ctx context.Context, cmd command) (answer, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	doubt := &c.doubts[bucketOf(cmd.key)]
	before := doubt.Load()
	a, confirmed, err := c.pair(ctx, &cmd)
	switch {
	case err != nil && said(err) == "": // its answer was lost
		doubt.Store(c.lastDoubt.Add(1))
	case err == nil && confirmed < int64(c.replicas):
		doubt.Store(c.lastDoubt.Add(1))
		err = ErrUnconfirmed
	case err == nil:
		doubt.CompareAndSwap(before, 0) // not what began meanwhile
	}
	return a, err
}

// inDoubt reports whether key may hold what was not confirmed.
func (c *client) inDoubt(key string) bool {
	return c.replicas > 0 && c.doubts[bucketOf(key)].Load() != 0
}

// pair sends cmd and WAIT to the server that has cmd's key, and returns how many
// replicas confirmed. The library would send cmd alone to another server when it
// is told to, and leave WAIT behind; so here that is done by hand.
func (c *client) pair(ctx context.Context, cmd *command) (a answer, confirmed int64, err error) {
	addr, asking, redirected := c.master(cmd.key), false, 0
	for pause := time.Millisecond; ; {
		a, confirmed, err = c.pairAt(ctx, addr, asking, cmd)
		moved, ask := redirection(err)
		asking = false
		switch {
		case moved != "" && redirected < maxRedirections:
			c.masters[bucketOf(cmd.key)].Store(&moved)
			addr = moved
			redirected++
		case ask != "" && redirected < maxRedirections:
			addr, asking = ask, true
			redirected++
		case unsettled(err) && rest(ctx, pause):
			addr, redirected = c.master(cmd.key), 0
			pause = min(2*pause, maxPause)
		default:
			if err != nil && said(err) == "" { // it may be dead: another one will say
				c.masters[bucketOf(cmd.key)].Store(nil)
			}
			return a, confirmed, err
		}
	}
}

// master is the address of key's master on a cluster, "" if it is not known.
func (c *client) master(key string) string {
	if addr := c.masters[bucketOf(key)].Load(); addr != nil {
		return *addr
	}
	return ""
}

// redirection returns where a cluster said that the key is, or is going.
func redirection(err error) (moved, ask string) {
	var refusal *rueidis.RedisError
	if errors.As(err, &refusal) {
		moved, _ = refusal.IsMoved()
		ask, _ = refusal.IsAsk()
	}
	return moved, ask
}

// pairAt sends cmd and WAIT in one round trip, on a connection that nobody else
// has meanwhile.
func (c *client) pairAt(ctx context.Context, addr string, asking bool, cmd *command) (a answer, confirmed int64, err error) {
	room := c.confirming.of(cmd.key)
	lib, err := c.node(ctx, addr, cmd.key)
	if err != nil {
		return answer{}, 0, err
	}
	var commands []rueidis.Completed
	if asking {
		commands = append(commands, c.lib.B().Arbitrary("ASKING").Build())
	}
	wait := patience(ctx)
	commands = append(commands, c.build(cmd),
		c.lib.B().Arbitrary("WAIT").Args(strconv.Itoa(c.replicas), strconv.FormatInt(wait.Milliseconds(), 10)).Blocking())
	results, err := aside(ctx, c, room, func() ([]rueidis.RedisResult, error) {
		results := lib.DoMulti(ctx, commands...)
		for _, r := range results {
			if err := r.NonRedisError(); err != nil {
				return nil, err
			}
		}
		return results, nil
	})
	if err != nil {
		return answer{}, 0, err
	}
	results = results[len(results)-2:]
	a, err = read(results[0].ToMessage())
	if err != nil {
		return answer{}, 0, err
	}
	if confirmed, err = results[1].AsInt64(); err != nil {
		return a, 0, fmt.Errorf("%w: the server says to WAIT: %s", ErrUnconfirmed, said(err))
	}
	return a, confirmed, nil
}

// patience is how long replicas may take to confirm: so long that the server's
// answer, which it may give a tenth of a second late, comes before ctx ends.
func patience(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline() // there is one; see bounded
	left := time.Until(deadline)
	return max(left*3/4-100*time.Millisecond, left/4, time.Millisecond) // 0 would be for ever
}

// node is what speaks to the server at addr of a cluster; any if addr is "".
func (c *client) node(ctx context.Context, addr, key string) (rueidis.Client, error) {
	if !c.cluster {
		return c.lib, nil
	}
	for range 2 {
		for at, lib := range c.lib.Nodes() {
			if addr == "" || at == addr {
				return lib, nil
			}
		}
		// The library has not heard of it yet. A command that is redirected
		// there tells it.
		if _, err := c.do(ctx, command{name: "EXISTS", key: key}); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("the cluster names a server that is not to be found; call again")
}
