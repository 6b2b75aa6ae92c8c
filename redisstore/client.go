package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// This file, confirm.go and notify.go are the only ones that know the client library. The
// library sends the commands of all callers over one connection a server. Its
// repeating of commands is off: a command whose answer was lost fails, and is
// not sent again. What a server of a cluster refuses because another one has
// the slot, it has not done: the library sends that to the other one.

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
	lib      rueidis.Client
	timeout  time.Duration
	cluster  bool
	replicas int           // that have to confirm a write
	maxHeard time.Duration // see maxHeard; tests have less
	life     context.Context
	die      context.CancelFunc // which closing is

	// The library looks at a caller's context while it waits for an answer,
	// but not while another caller connects, nor for a place in a full queue.
	// So there is a second way, through a goroutine, which is taken unless
	// the connection is known to be good and the queue to have room. On a
	// cluster, where there are several connections, it is always taken.
	epoch   atomic.Int64 // counts connections made and lost
	good    atomic.Int64 // the epoch in which a call was answered last
	direct  atomic.Int64 // calls under way on the first way
	guarded rooms        // for those on the second

	confirming rooms                       // for writes that replicas have to confirm
	masters    [256]atomic.Pointer[string] // the address of each bucket's master, where it is known; see confirm
	doubts     [256]atomic.Int64           // not 0 while a bucket has a write that may be unconfirmed
	lastDoubt  atomic.Int64
}

// The library's queue has 1024 places.
const (
	maxDirect  = 512
	maxGuarded = 256

	// On a cluster each bucket has so many: one server that does not answer
	// does not take the places of the others.
	maxOfBucket = 64

	// maxConfirming is how many connections a server has for writes that
	// replicas have to confirm. They last a minute longer than they are needed.
	maxConfirming = 32

	// maxListening is how many calls of Notify have a connection beside those.
	maxListening = 8
)

// Rooms bound the calls that are under way: one for all, or one for each bucket
// and one for what goes to all buckets.
type rooms []chan struct{}

func newRooms(cluster bool, places int) rooms {
	if !cluster {
		return rooms{make(chan struct{}, places)}
	}
	r := make(rooms, 257)
	for i := range r {
		r[i] = make(chan struct{}, maxOfBucket)
	}
	return r
}

func (r rooms) of(key string) chan struct{} {
	if len(r) > 1 && key != "" {
		return r[bucketOf(key)]
	}
	return r[len(r)-1]
}

// bucketOf is the number of the bucket of one of our keys, which is in braces.
func bucketOf(key string) int {
	at := strings.IndexByte(key, '{') + 1
	n, _ := strconv.ParseUint(key[at:min(at+2, len(key))], 16, 8)
	return int(n)
}

func newClient(s settings) (*client, error) {
	c := &client{
		timeout: s.timeout, cluster: s.cluster, replicas: s.replicas, maxHeard: maxHeard,
		guarded: newRooms(s.cluster, maxGuarded), confirming: newRooms(s.cluster, 4*maxConfirming),
	}
	c.life, c.die = context.WithCancel(context.Background())
	c.good.Store(-1)
	// A connection that was idle for so long is asked for a sign of life.
	dialer := net.Dialer{Timeout: s.timeout, KeepAlive: s.timeout}
	buffer := 0 // for one connection, the library's own size
	if s.replicas > 0 {
		buffer = 64 << 10
	}
	lib, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: s.addrs, Username: s.name, Password: s.password, SelectDB: s.db, TLSConfig: s.tls,
		ClientName: "sojourn", ClientSetInfo: rueidis.DisableClientSetInfo,
		ForceSingleClient: !s.cluster, PipelineMultiplex: -1,
		DisableRetry: true, DisableCache: true,
		AlwaysPipelining: true, // there is always a reader, who notices when the server goes
		DialCtxFn:        c.dial,
		Dialer:           dialer,
		ConnWriteTimeout: s.timeout,
		BlockingPoolSize: maxConfirming + maxListening, BlockingPoolCleanup: time.Minute,
		ReadBufferEachConn: buffer, WriteBufferEachConn: buffer,
		Sentinel:      rueidis.SentinelOption{MasterSet: s.master, Dialer: dialer, TLSConfig: s.tls, ClientName: "sojourn"},
		ClusterOption: rueidis.ClusterOption{MaxMovedRedirections: maxRedirections},
	})
	if err != nil {
		if lib != nil {
			lib.Close()
		}
		return nil, err
	}
	if s.cluster && lib.Mode() != rueidis.ClientModeCluster {
		lib.Close()
		return nil, errors.New("the server is not one of a cluster; name it as redis://")
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

// close closes the connections, of a cluster's a little later.
func (c *client) close() {
	c.die()
	c.lib.Close()
}

var errClosed = errors.New("the store is closed")

// do sends one command.
func (c *client) do(ctx context.Context, cmd command) (answer, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, maxPause) {
		m, err := guard(ctx, c, cmd.key, func() (rueidis.RedisMessage, error) {
			return c.lib.Do(ctx, c.build(&cmd)).ToMessage()
		})
		a, err := read(m, err)
		if !unsettled(err) || !rest(ctx, pause) {
			return a, err
		}
	}
}

const maxPause = 32 * time.Millisecond

// unsettled reports whether a command was refused because its slot is on the
// way to another server. Nothing was done, so it may be sent again.
func unsettled(err error) bool { return err != nil && strings.Contains(said(err), "TRYAGAIN") }

// rest waits, and reports whether there is time left.
func rest(ctx context.Context, pause time.Duration) bool {
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}

// all sends commands in one round trip, to each server of a cluster. An error
// of one of them is an error of all. Commands without a key go where those with
// one go, which then are of one bucket.
func (c *client) all(ctx context.Context, commands []command) ([]answer, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	built := make([]rueidis.Completed, len(commands))
	for i := range commands {
		built[i] = c.build(&commands[i])
	}
	results, err := guard(ctx, c, "", func() ([]rueidis.RedisResult, error) {
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

func (c *client) build(cmd *command) rueidis.Completed {
	b := c.lib.B().Arbitrary(cmd.name).Args(cmd.pre...)
	if cmd.key != "" {
		b = b.Keys(cmd.key)
	}
	return b.Args(cmd.args...).Build()
}

// slot is where a cluster keeps key.
func (c *client) slot(key string) int {
	exists := c.lib.B().Arbitrary("EXISTS").Keys(key).Build()
	return int(exists.Slot())
}

// bounded gives a call no more than its time.
func (c *client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= c.timeout {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.timeout)
}

// guard runs a call for key so that it ends with its context.
func guard[T any](ctx context.Context, c *client, key string, call func() (T, error)) (T, error) {
	epoch := c.epoch.Load()
	judged := func() (T, error) {
		v, err := call()
		c.judge(epoch, err)
		return v, err
	}
	defer c.direct.Add(-1)
	if c.direct.Add(1) <= maxDirect && c.good.Load() == epoch && !c.cluster {
		return judged()
	}
	return aside(ctx, c, c.guarded.of(key), judged)
}

// aside runs a call in a goroutine, when there is room, and ends with its
// context.
func aside[T any](ctx context.Context, c *client, room chan struct{}, call func() (T, error)) (T, error) {
	var none T
	select {
	case room <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	if c.life.Err() != nil {
		<-room
		return none, errClosed
	}
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-room }()
		v, err := call()
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
