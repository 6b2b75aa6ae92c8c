package drivertest

import (
	"testing"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return newStore(t) })
}

// TestSQLiteTwice has every rule kept by two stores that know of each other only
// by the file.
func TestSQLiteTwice(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		path := newFile(t)
		return &pair{stores: [2]store.Store{storeOn(t, open(t, path)), storeOn(t, open(t, path))}}
	})
}

func BenchmarkSQLite(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Store { return newStore(b) })
}
