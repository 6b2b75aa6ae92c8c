package storetest

import (
	"testing"

	"github.com/sojourn-go/sojourn/store"
)

func TestModel(t *testing.T) {
	Run(t, func(*testing.T) store.Store { return newModel() })
}

func BenchmarkModel(b *testing.B) {
	Bench(b, func(*testing.B) store.Store { return newModel() })
}
