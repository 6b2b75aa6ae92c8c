package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// This file is the only one that knows the client library. The library sends
// the commands of all callers over one connection a server. Its repeating of
// commands is off: a command whose answer was lost fails, and is not sent again.

// A command is what is sent: a name, one key, or none for any server, and
// arguments.
type command struct {
	name string
	pre  []string // arguments before the key
	key  string
	args []string
}

// An answer is what a server says: a number, a text, a list, or nothing.
type answer struct {
	number int64
	text   string
	list   []answer
	null   bool
}

type client struct {
	lib     rueidis.Client
	timeout time.Duration
	cluster bool

	// The library looks at a caller's context while it waits for an answer,
	// but not while another caller connects, nor for a place in a full queue.
	// So there is a second way, through a goroutine, which is taken unless
	// the connection is known to be good and the queue to have room.
	epoch   atomic.Int64  // counts connections made and lost
	good    atomic.Int64  // the epoch in which a call was answered last
	direct  atomic.Int64  // calls under way on the first way
	guarded chan struct{} // room for those on the second
}

// The library's queue has 1024 places.
const (
	maxDirect  = 512
	maxGuarded = 256
)

func newClient(s settings) (*client, error) {
	c := &client{timeout: s.timeout, cluster: s.cluster, guarded: make(chan struct{}, maxGuarded)}
	c.good.Store(-1)
	lib, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: s.addrs, Username: s.name, Password: s.password, SelectDB: s.db, TLSConfig: s.tls,
		ClientName: "sojourn", ClientSetInfo: rueidis.DisableClientSetInfo,
		ForceSingleClient: !s.cluster, PipelineMultiplex: -1,
		DisableRetry: true, DisableCache: true,
		AlwaysPipelining: true, // there is always a reader, who notices when the server goes
		DialCtxFn:        c.dial,
		// A connection that was idle for so long is asked for a sign of life.
		Dialer:           net.Dialer{Timeout: s.timeout, KeepAlive: s.timeout},
		ConnWriteTimeout: s.timeout,
	})
	if err != nil {
		if lib != nil {
			lib.Close()
		}
		return nil, err
	}
	c.lib = lib
	return c, nil
}

// dial connects as the library would, and keeps count.
func (c *client) dial(ctx context.Context, addr string, d *net.Dialer, config *tls.Config) (net.Conn, error) {
	c.epoch.Add(1)
	var conn net.Conn
	var err error
	if config != nil {
		conn, err = (&tls.Dialer{NetDialer: d, Config: config}).DialContext(ctx, "tcp", addr)
	} else {
		conn, err = d.DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		return nil, err
	}
	return &counted{conn, c}, nil
}

type counted struct {
	net.Conn
	c *client
}

func (n *counted) Close() error {
	n.c.epoch.Add(1)
	return n.Conn.Close()
}

func (c *client) close() { c.lib.Close() }

// do sends one command.
func (c *client) do(ctx context.Context, cmd command) (answer, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	m, err := guard(ctx, c, func() (rueidis.RedisMessage, error) {
		return c.lib.Do(ctx, c.build(&cmd)).ToMessage()
	})
	return read(m, err)
}

// all sends commands in one round trip, to each server of a cluster. An error
// of one of them is an error of all.
func (c *client) all(ctx context.Context, commands []command) ([]answer, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	built := make([]rueidis.Completed, len(commands))
	for i := range commands {
		built[i] = c.build(&commands[i])
	}
	results, err := guard(ctx, c, func() ([]rueidis.RedisResult, error) {
		results := c.lib.DoMulti(ctx, built...)
		for _, r := range results {
			if err := r.NonRedisError(); err != nil {
				return nil, err
			}
		}
		return results, nil
	})
	if err != nil {
		return nil, err
	}
	answers := make([]answer, len(results))
	for i, r := range results {
		if answers[i], err = read(r.ToMessage()); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// at sends one command to the server with the given address of a cluster.
func (c *client) at(ctx context.Context, addr string, cmd command) (answer, error) {
	lib, ok := c.lib.Nodes()[addr]
	if !ok {
		return answer{}, errors.New("a server of the cluster has gone meanwhile; begin again")
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	m, err := guard(ctx, c, func() (rueidis.RedisMessage, error) {
		return lib.Do(ctx, c.build(&cmd)).ToMessage()
	})
	return read(m, err)
}

// servers are the addresses of the servers that there are.
func (c *client) servers() []string {
	var addrs []string
	for addr := range c.lib.Nodes() {
		addrs = append(addrs, addr)
	}
	slices.Sort(addrs)
	return addrs
}

func (c *client) build(cmd *command) rueidis.Completed {
	b := c.lib.B().Arbitrary(cmd.name).Args(cmd.pre...)
	if cmd.key != "" {
		b = b.Keys(cmd.key)
	}
	return b.Args(cmd.args...).Build()
}

// bounded gives a call no more than its time.
func (c *client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= c.timeout {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.timeout)
}

// guard runs a call so that it ends with its context.
func guard[T any](ctx context.Context, c *client, call func() (T, error)) (T, error) {
	epoch := c.epoch.Load()
	defer c.direct.Add(-1)
	if c.direct.Add(1) <= maxDirect && c.good.Load() == epoch && !c.cluster {
		v, err := call()
		c.judge(epoch, err)
		return v, err
	}
	var none T
	select {
	case c.guarded <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-c.guarded }()
		v, err := call()
		c.judge(epoch, err)
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// judge remembers whether the connection is good.
func (c *client) judge(epoch int64, err error) {
	var answered *rueidis.RedisError
	if err == nil || errors.As(err, &answered) {
		c.good.Store(epoch)
	} else {
		c.good.Store(-1)
	}
}

// read takes over what the library understood.
func read(m rueidis.RedisMessage, err error) (answer, error) {
	if err != nil {
		if rueidis.IsRedisNil(err) {
			return answer{null: true}, nil
		}
		return answer{}, err
	}
	switch {
	case m.IsInt64():
		n, err := m.ToInt64()
		return answer{number: n}, err
	case m.IsArray():
		list, err := m.ToArray()
		if err != nil {
			return answer{}, err
		}
		a := answer{list: make([]answer, len(list))}
		for i := range list {
			if list[i].IsNil() {
				a.list[i].null = true
			} else if a.list[i], err = read(list[i], list[i].Error()); err != nil {
				return answer{}, err
			}
		}
		return a, nil
	}
	text, err := m.ToString()
	return answer{text: text}, err
}

// said is the text of a server's refusal, "" if err is none. What an unknown
// command was given is left out: it may be a session.
func said(err error) string {
	var refusal *rueidis.RedisError
	if !errors.As(err, &refusal) {
		return ""
	}
	text, _, _ := strings.Cut(refusal.Error(), ", with args")
	return text
}
