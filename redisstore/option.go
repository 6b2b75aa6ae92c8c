package redisstore

import (
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

// Cluster says that the server is one of a Redis Cluster or Valkey cluster.
// The others are found by it; addrs, host:port, are asked when it does not
// answer.
func Cluster(addrs ...string) Option {
	return func(s *settings) { s.cluster, s.addrs = true, append(s.addrs, addrs...) }
}

// TLS is the configuration for rediss://, in place of the system's authorities
// and the name of the host.
func TLS(config *tls.Config) Option { return func(s *settings) { s.tls = config } }

// newSettings reads the URL and the options. No complaint quotes the URL, which
// may hold a password.
func newSettings(text string, opts []Option) (settings, error) {
	s := settings{prefix: defaultPrefix, timeout: defaultTimeout}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "" || u.Opaque != "" {
		return s, errors.New("redisstore: the URL is not of the form redis://[name:password@]host[:port][/db], or rediss:// for TLS; " +
			"special characters in the password are written as %XX")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return s, errors.New("redisstore: the URL has parameters; give them as options")
	}
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	s.addrs = []string{net.JoinHostPort(u.Hostname(), port)}
	s.name = u.User.Username()
	s.password, _ = u.User.Password()
	if db := strings.TrimPrefix(u.Path, "/"); db != "" {
		if s.db, err = strconv.Atoi(db); err != nil || s.db < 0 {
			return s, errors.New("redisstore: the URL's path is not the number of a database")
		}
	}
	for _, o := range opts {
		if o != nil {
			o(&s)
		}
	}
	return s, s.check(u)
}

func (s *settings) check(u *url.URL) error {
	switch {
	case strings.ContainsAny(s.prefix, "{}"):
		return errors.New("redisstore: the prefix holds a brace, which says where a key is kept in a cluster; choose another one")
	case s.timeout <= 0:
		return errors.New("redisstore: the timeout is not positive")
	case s.cluster && s.db != 0:
		return errors.New("redisstore: a cluster has no database but 0")
	case s.tls != nil && u.Scheme != "rediss":
		return errors.New("redisstore: a TLS configuration is given, but the URL does not begin with rediss://")
	case s.tls == nil && u.Scheme == "rediss":
		s.tls = &tls.Config{ServerName: u.Hostname()}
	}
	return nil
}
