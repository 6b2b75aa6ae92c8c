package redisstore

import (
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// openCluster opens a store on a cluster, until the test is over.
func openCluster(t testing.TB, c *engines.Cluster, opts ...Option) *Store {
	t.Helper()
	s, err := Open(t.Context(), "redis+cluster://"+strings.Join(c.Addrs(), ","), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// The cluster is the same for all of these: it takes two seconds to form. Each
// leaves it whole.
func TestCluster(t *testing.T) {
	c := engines.RedisCluster(t)
	onCluster(t, c, "contract", contractOnCluster)
	onCluster(t, c, "slot moves", slotMovesUnderLoad)
	onCluster(t, c, "slot moves beside a scan", scanWhileSlotMoves)
	onCluster(t, c, "WAIT is redirected", waitIsRedirected)
	onCluster(t, c, "close", closeOnCluster)
}

func TestClusterBehindProxies(t *testing.T) {
	c := engines.RedisClusterBehindProxies(t)
	onCluster(t, c, "WAIT follows its script", waitFollowsItsScript)
	onCluster(t, c, "black hole", blackHoleOnCluster)
	onCluster(t, c, "lost reply", lostReplyOnCluster)
}

func onCluster(t *testing.T, c *engines.Cluster, name string, f func(*testing.T, *engines.Cluster)) {
	t.Run(name, func(t *testing.T) {
		c.Await()
		f(t, c)
	})
}

func contractOnCluster(t *testing.T, c *engines.Cluster) {
	for name, opts := range map[string][]Option{"plain": nil, "Replicas(1)": {Replicas(1)}} {
		t.Run(name, func(t *testing.T) {
			s := openCluster(t, c, opts...)
			storetest.Run(t, func(t *testing.T) store.Store { return s })
		})
	}
}
