// Package stores opens the store that a user names on the command line.
package stores

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/memstore"
	"github.com/sojourn-go/sojourn/redisstore"
	"github.com/sojourn-go/sojourn/store"
)

// A Store is an open store, and what people call it.
type Store struct {
	store.Store

	// Name says what it is and where, such as "SQLite, in /tmp/demo.db". It
	// holds no password.
	Name string

	// Brief means that what is kept ends with the process.
	Brief bool

	close []func() error
}

// Close releases what the store holds, once nobody uses it any more.
func (s *Store) Close() error {
	var problems []error
	for _, c := range s.close {
		problems = append(problems, c())
	}
	return errors.Join(problems...)
}

// Forms lists what Open takes, for messages and help.
const Forms = "memory:, sqlite:PATH, postgres://[name:password@]host[:port]/database, mysql://[name:password@]host[:port]/database, " +
	"redis://[name:password@]host[:port][/db] (rediss://… for TLS), or redis+cluster://host:port,host:port,…"

// A FormError is a name of a store that cannot be meant. It does not quote the
// name, which may hold a password.
type FormError struct{ problem string }

func (e *FormError) Error() string { return e.problem }

const patience = 10 * time.Second

// Open opens the store that name stands for; see Forms. It returns when the
// store has answered. Errors hold no password.
func Open(ctx context.Context, name string) (*Store, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	scheme, rest, _ := strings.Cut(name, ":")
	switch {
	case name == "memory:":
		s, err := memstore.New(memstore.Options{})
		return &Store{Store: s, Name: "memory of this process", Brief: true}, err
	case scheme == "sqlite":
		return openSQLite(ctx, rest)
	case scheme == "redis" || scheme == "rediss":
		return openRedis(ctx, name)
	case scheme == "redis+cluster" || scheme == "rediss+cluster":
		return openCluster(ctx, name)
	}
	if s, ok := serverOf(scheme); ok {
		return s.open(ctx, name)
	}
	return nil, &FormError{"takes " + Forms}
}

func openRedis(ctx context.Context, name string) (*Store, error) {
	u, err := url.Parse(name)
	if err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, &FormError{"takes, for Redis, redis://[name:password@]host[:port][/db] and nothing after it; " +
			"special characters in the password are written as %XX"}
	}
	s, err := redisstore.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("%w; is a Redis or Valkey running there (redis-server starts one), and are name and password right?", err)
	}
	return &Store{Store: s, Name: redisName(u), close: []func() error{s.Close}}, nil
}

func openCluster(ctx context.Context, name string) (*Store, error) {
	s, err := redisstore.Open(ctx, name)
	if errors.Is(err, redisstore.ErrURL) {
		return nil, &FormError{"takes, for a Redis Cluster, redis+cluster://[name:password@]host:port,host:port"}
	}
	if err != nil {
		return nil, fmt.Errorf("%w; is a Redis Cluster running there, and are name and password right?", err)
	}
	_, hosts, _ := strings.Cut(name, "://")
	if at := strings.LastIndexByte(hosts, '@'); at >= 0 {
		hosts = hosts[at+1:]
	}
	return &Store{Store: s, Name: "Redis Cluster, at " + hosts, close: []func() error{s.Close}}, nil
}

// redisName is what people may see of a URL: not who signs in there.
func redisName(u *url.URL) string {
	port, db := u.Port(), strings.Trim(u.Path, "/")
	if port == "" {
		port = "6379"
	}
	if db == "" {
		db = "0"
	}
	name := "Redis, at " + net.JoinHostPort(u.Hostname(), port) + ", database " + db
	if u.Scheme == "rediss" {
		name += ", over TLS"
	}
	return name
}
