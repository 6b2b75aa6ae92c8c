package redisstore

import (
	"cmp"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// An Option changes how a [Store] is opened.
type Option func(*settings)

type settings struct {
	addrs          []string
	name, password string
	db             int
	tls            *tls.Config
	prefix         string
	timeout        time.Duration
	cluster        bool
	master         string // of a sentinel
	replicas       int
}

const (
	defaultPrefix  = "sojourn:"
	defaultTimeout = 2 * time.Second
)

// Prefix is what all keys begin with; "sojourn:" if it is not given. It holds
// no braces. Applications that share a server need different ones.
func Prefix(prefix string) Option { return func(s *settings) { s.prefix = prefix } }

// Timeout is how long one call may take, connecting included, when its context
// leaves it more; 2 seconds if it is not given. A connection on which nothing
// arrives for twice as long is given up.
func Timeout(d time.Duration) Option { return func(s *settings) { s.timeout = d } }

// Replicas has n replicas confirm each write, in the round trip in which it is
// made: after the script of Create, Apply, Delete or DeleteOwner the server is
// sent WAIT n, on the same connection. (Touch, which moves a clock, does not
// wait.) The server waits for three quarters of the time that the call has left,
// less a tenth of a second, and at least for one quarter: 1.4 s of 2 s. If fewer
// have confirmed it by then the error is [ErrUnconfirmed]. 0, the default, waits
// for none.
//
// What it gives: n replicas had the write, in memory, when it was acknowledged.
// A master that has failed is replaced by one of its replicas; when n is the
// number that it has, by one that has the write. With fewer, the one that is
// elected may lack it, though those that have more of the master's writes are
// preferred. A master that is cut off from its replicas cannot acknowledge: its
// writes are reported as unconfirmed, and vanish when it finds that it has been
// replaced.
//
// What it does not give: a replica's disk (with appendfsync everysec, master
// and replicas that lose their power together lose up to a second); a write
// that is undone when it is not confirmed (it stays on the master, is seen by
// other processes' reads, and reaches replicas later or never: the caller finds
// out by Load, as after a lost reply, and Load of this Store does not answer
// before what it shows is confirmed too); nor a master that stops writing. For
// the last, min-replicas-to-write on the server is the complement: it refuses
// writes beforehand when too few replicas have been heard of lately.
//
// Each write takes a connection of its own meanwhile, of up to 32 to a server,
// and as long as the slowest of the n replicas takes to answer. While fewer are
// connected nothing can be confirmed: more replicas than n let one of them fail.
func Replicas(n int) Option { return func(s *settings) { s.replicas = n } }

// TLS is the configuration for rediss://, in place of the system's authorities
// and the name of the host.
func TLS(config *tls.Config) Option { return func(s *settings) { s.tls = config } }

// ErrURL is what Open says of a URL that is of none of the forms. It does not
// quote the URL, which may hold a password.
var ErrURL = errors.New("redisstore: the URL is of none of the forms redis://[name:password@]host[:port][/db] for one server, " +
	"redis+cluster://[name:password@]host[:port][,host[:port]…] for a cluster, " +
	"redis+sentinel://[name:password@]host[:port][,host[:port]…]/master for what sentinels watch; " +
	"rediss in place of redis for TLS; special characters in the password are written as %XX")

// newSettings reads the URL and the options. No complaint quotes the URL, which
// may hold a password.
func newSettings(text string, opts []Option) (settings, error) {
	s := settings{prefix: defaultPrefix, timeout: defaultTimeout}
	scheme, rest, _ := strings.Cut(text, "://")
	secure := strings.HasPrefix(scheme, "rediss")
	port := "6379"
	switch strings.Replace(scheme, "rediss", "redis", 1) {
	case "redis":
	case "redis+cluster":
		s.cluster = true
	case "redis+sentinel":
		port = "26379"
	default:
		return s, ErrURL
	}
	u, err := s.hosts(rest, port)
	if err != nil {
		return s, err
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return s, errors.New("redisstore: the URL has parameters; give them as options")
	}
	s.name = u.User.Username()
	s.password, _ = u.User.Password()
	path := strings.TrimPrefix(u.Path, "/")
	switch {
	case port == "26379":
		if s.master = path; path == "" || strings.Contains(path, "/") {
			return s, ErrURL
		}
	case len(s.addrs) > 1 && !s.cluster:
		return s, ErrURL
	case path != "":
		if s.db, err = strconv.Atoi(path); err != nil || s.db < 0 {
			return s, errors.New("redisstore: the URL's path is not the number of a database")
		}
	}
	for _, o := range opts {
		if o != nil {
			o(&s)
		}
	}
	return s, s.check(secure)
}

// hosts reads what stands behind the scheme: hosts, with commas between them,
// are not for package url.
func (s *settings) hosts(rest, port string) (*url.URL, error) {
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@') + 1
	var first *url.URL
	for i, host := range strings.Split(rest[at:end], ",") {
		text := "redis://" + host
		if i == 0 {
			text = "redis://" + rest[:at] + host + rest[end:]
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" {
			return nil, ErrURL
		}
		if i == 0 {
			first = u
		}
		s.addrs = append(s.addrs, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port)))
	}
	return first, nil
}

func (s *settings) check(secure bool) error {
	switch {
	case strings.ContainsAny(s.prefix, "{}"):
		return errors.New("redisstore: the prefix holds a brace, which says where a key is kept in a cluster; choose another one")
	case s.timeout <= 0:
		return errors.New("redisstore: the timeout is not positive")
	case s.replicas < 0:
		return errors.New("redisstore: the number of replicas is negative")
	case s.cluster && s.db != 0:
		return errors.New("redisstore: a cluster has no database but 0")
	case s.tls != nil && !secure:
		return errors.New("redisstore: a TLS configuration is given, but the URL does not begin with rediss")
	case s.tls == nil && secure:
		s.tls = &tls.Config{} // each host is checked by its own name
	}
	return nil
}
