package redisstore

import (
	"os/exec"
	"testing"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// open opens a store on the server at addr, until the test is over.
func open(t testing.TB, addr string, opts ...Option) *Store {
	t.Helper()
	s, err := Open(t.Context(), "redis://"+addr, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestContract(t *testing.T) {
	// Debian has had Valkey since version 13, so elsewhere it may be missing;
	// Redis may not.
	for _, program := range []string{"redis-server", "valkey-server"} {
		if _, err := exec.LookPath(program); err != nil && program == "valkey-server" {
			t.Log("valkey-server is not installed, so only Redis is tested")
			continue
		}
		t.Run(program, func(t *testing.T) {
			server := engines.Redis(t, engines.Program(program))
			storetest.Run(t, func(t *testing.T) store.Store { return open(t, server.Addr()) })
		})
	}
}
