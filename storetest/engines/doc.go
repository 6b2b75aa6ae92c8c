// Package engines starts private database servers for tests, and a proxy that
// breaks connections to them. A server listens on 127.0.0.1 only, lives in a
// temporary directory and ends with the test. A server program that is
// not installed fails the test, which then says what to install: a store that
// was not run against its engine has not been tested.
package engines
