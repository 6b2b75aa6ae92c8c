package drivertest

import (
	"testing"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

// contract has every rule kept by one store and by two that
// know of each other only by the server.
func contract(t *testing.T, e *engine) {
	s := e.store(t, e.open(t))
	t.Run("One", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store { return s })
	})
	other := e.store(t, e.open(t))
	t.Run("Two", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store { return &pair{stores: [2]store.Store{s, other}} })
	})
}
