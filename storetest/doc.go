// Package storetest holds the contract of package store as rules that run on
// anyone's store.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
//	}
//
//	func BenchmarkStore(b *testing.B) {
//		storetest.Bench(b, func(b *testing.B) store.Store { return open(b) })
//	}
//
// Each rule is a subtest named after it; when it is broken, the failure says
// what was seen, and the sentence of the contract that it breaks. One server
// may serve all rules: handles and owners are random, and what else it holds is
// left alone, but for records that expire within 20 minutes and what is
// remembered of ended ones for no longer: rules sweep that far ahead. Run takes
// times from the clock, so a store that expires records by a clock of its own
// needs one that is right to within a minute. The rules of store.Notifier run if
// the store is one.
//
// [Faulty] is for tests of what uses a store: it makes chosen calls fail, or
// lose their reply, or come late, and counts them.
package storetest
