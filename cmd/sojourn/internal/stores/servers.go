package stores

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the one that was measured best, as "pgx"

	"github.com/sojourn-go/sojourn/sqlstore"
)

// A sqlServer is a database server that is named by a URL.
type sqlServer struct {
	name, scheme, port, driver string
	dialect                    sqlstore.Dialect
	source                     func(*url.URL) string // the driver's data source name
}

var sqlServers = map[string]sqlServer{
	"postgres": {"PostgreSQL", "postgres", "5432", "pgx", sqlstore.PostgreSQL, (*url.URL).String},
	"mysql":    {"MariaDB or MySQL", "mysql", "3306", "mysql", sqlstore.MariaDB, mysqlSource},
}

// serverOf finds what a scheme stands for.
func serverOf(scheme string) (sqlServer, bool) {
	switch scheme {
	case "postgresql":
		scheme = "postgres"
	case "mariadb":
		scheme = "mysql"
	}
	s, ok := sqlServers[scheme]
	return s, ok
}

// mysqlSource makes of a URL what the driver takes.
func mysqlSource(u *url.URL) string {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName = "tcp", net.JoinHostPort(u.Hostname(), u.Port()), strings.TrimPrefix(u.Path, "/")
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.TLSConfig = u.Query().Get("tls")
	return c.FormatDSN()
}

// parse reads the URL of a server. Its errors hold nothing of it.
func (s sqlServer) parse(name string) (*url.URL, error) {
	u, err := url.Parse(name)
	if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") == "" || u.Fragment != "" {
		return nil, &FormError{fmt.Sprintf("takes, for %s, %s://[name:password@]host[:port]/database; "+
			"special characters in the password are written as %%XX", s.name, s.scheme)}
	}
	for name := range u.Query() {
		// What is not understood must not be dropped: it may ask for encryption.
		if name == "password" || s.scheme == "mysql" && name != "tls" {
			return nil, &FormError{fmt.Sprintf("takes no %q after the ? for %s", name, s.name)}
		}
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), s.port)
	}
	return u, nil
}

func (s sqlServer) open(ctx context.Context, name string) (*Store, error) {
	u, err := s.parse(name)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open(s.driver, s.source(u))
	if err != nil {
		return nil, &FormError{fmt.Sprintf("takes, for %s, a URL that its driver understands; this one it does not", s.name)}
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	where := fmt.Sprintf("%s, at %s, database %s", s.name, u.Host, strings.Trim(u.Path, "/"))
	records, err := sqlstore.New(db, s.dialect)
	if err == nil {
		err = records.CreateTable(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w; is the server running, are name and password right, is the database there, and may it make tables?",
			where, hide(err, u)), db.Close())
	}
	return &Store{Store: records, Name: where, close: []func() error{records.Close, db.Close}}, nil
}

// hide takes the password out of what a driver says, and puts it on one line.
func hide(err error, u *url.URL) error {
	err = errors.New(strings.Join(strings.Fields(err.Error()), " "))
	password, ok := u.User.Password()
	if !ok || password == "" {
		return err
	}
	text := err.Error()
	for _, spelling := range []string{password, url.QueryEscape(password), url.PathEscape(password)} {
		text = strings.ReplaceAll(text, spelling, "…")
	}
	return errors.New(text)
}

// Schema returns the statements that make the table of the store that name
// stands for. It asks no server.
func Schema(name string) (string, error) {
	scheme, _, _ := strings.Cut(name, ":")
	if scheme == "sqlite" {
		return sqlstore.Schema(sqlstore.SQLite)
	}
	if s, ok := serverOf(scheme); ok {
		return sqlstore.Schema(s.dialect)
	}
	return "", &FormError{"takes the URL, or the scheme alone, of a store that has a schema: sqlite:, postgres: or mysql:; the others make what they need by themselves"}
}
