// Package drivertest tests package sqlstore with real drivers and engines, in a
// module of its own so that nobody else requires them.
package drivertest
