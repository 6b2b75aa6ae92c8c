// Package promises holds the tests of what Sojourn promises of stored sessions,
// on real engines, through real HTTP, from one process and from several. It has
// no code but tests: engine_test.go says which engines there are, site_test.go
// what they serve, process_test.go how other processes serve it, and each other
// file shows one promise.
package promises
