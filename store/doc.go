// Package store is the contract between sessions and what keeps them: the
// record, and the verbs of a [Store]. Applications need little of it: they hand a
// finished store to sojourn.InStore, and read [Listed] records page by page. Those who write a store run it through
// package storetest, which has every sentence of this contract as a rule.
//
// Four verbs (get, set, delete, exists) cannot say "only if unchanged", "only if
// it still exists" or "only the clock". Lost updates, sessions that come back
// after a logout and writes for every read all come from there. So there are
// more verbs here, and each is one step: it has happened as a whole or not at
// all, whatever happens beside it.
package store
