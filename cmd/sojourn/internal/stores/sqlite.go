package stores

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/ncruces/go-sqlite3/driver" // the one that was measured best, as "sqlite3"

	"github.com/sojourn-go/sojourn/sqlstore"
)

// openSQLite opens the database that stands behind "sqlite:". A new file can be
// read by its owner only: it says who is signed in.
func openSQLite(ctx context.Context, path string) (*Store, error) {
	if strings.HasPrefix(path, "//") { // the form of a URL, whose host is empty
		if path = path[2:]; !strings.HasPrefix(path, "/") {
			return nil, &FormError{"takes, for SQLite, sqlite:PATH, or sqlite:///PATH for one that begins at the root"}
		}
	}
	switch path {
	case "":
		return nil, &FormError{"takes, for SQLite, the path of a file: sqlite:PATH"}
	case ":memory:":
		return nil, &FormError{"has a store in memory of its own: memory:"}
	}
	if err := makeFile(path); err != nil {
		return nil, fmt.Errorf("SQLite: %w; name a file that can be written, in a directory that is there", err)
	}
	return openFile(ctx, path, "name another file if this one is not a database of SQLite's")
}

// makeFile makes sure that path is a file that can be written.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func openFile(ctx context.Context, path, remedy string) (*Store, error) {
	// SQLite gives the files beside this one its mode; this driver has to be
	// told. (It gives the one that ends in -shm another, but that holds only
	// numbers of pages.)
	modeOf := strings.ReplaceAll(url.QueryEscape(path), "+", "%20")
	db, err := sql.Open("sqlite3", sqlstore.SQLiteDSN(path)+"&modeof="+modeOf)
	if err != nil {
		return nil, fmt.Errorf("SQLite, in %s: %w", path, err)
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	s, err := sqlstore.New(db, sqlstore.SQLite)
	if err == nil {
		err = s.CreateTable(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("SQLite, in %s: %w; %s", path, err, remedy), db.Close())
	}
	return &Store{Store: s, Name: "SQLite, in " + path, close: []func() error{s.Close, db.Close}}, nil
}

// OpenDefault opens the file called name in the user's directory for what
// programs keep, which survives a restart. Where there is no such place, or it
// cannot be written, it opens a store in memory, and why says what was wrong.
func OpenDefault(ctx context.Context, name string) (s *Store, why error, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	path, why := defaultFile(name)
	if why != nil {
		s, err = Open(ctx, "memory:")
		return s, why, err
	}
	s, err = openFile(ctx, path, "remove the file, or choose another store")
	return s, nil, err
}

// defaultFile makes the file if it is not there. Nobody but its owner can read
// it.
func defaultFile(name string) (path string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path = filepath.Join(cache, "sojourn", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	if err := makeFile(path); err != nil {
		return "", err
	}
	return path, os.Chmod(path, 0o600)
}
