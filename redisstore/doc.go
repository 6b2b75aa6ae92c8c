// Package redisstore keeps sessions in Redis or Valkey, on one server or on a
// cluster. It needs Redis 6.2 or any Valkey.
//
// Every verb that writes is one script, one round trip and one slot. All keys
// of a verb have the same tag in braces, the first two digits of the handle,
// which follow from the owner (see store.Bucket):
//
//	sojourn:{ab}r:HANDLE  a record, or what is remembered of an ended one
//	sojourn:{ab}o:cd      the handles of some owners' records
//	sojourn:{ab}c         what was ended lately
//
// All of them expire. A record's key does so a minute after the record's
// deadline: it is the application's clock that ends a session, and a server
// whose clock is fast by less than that ends none too soon.
// An index lasts as long as the last record in it; what has expired there is
// removed when it is met, and by and by when new records are made. Owners share
// indexes, 65,536 in all, because small sorted sets take a third of the memory
// that a key for each owner would. Changes are kept for six minutes.
//
// # What the server must do
//
// Evict nothing of this (maxmemory-policy noeviction, or a volatile one with
// room enough that it never acts): an evicted session is a visitor who is
// signed out, and an evicted index hides an owner's sessions from "log out
// everywhere". With noeviction a full server refuses new sessions and changes
// (store.ErrFull), while ending and touching go on working.
//
// Write to disk what must not be lost (appendonly yes). With appendfsync
// everysec a crash may undo the last second, ends of sessions included; with
// always it does not. The same goes for replicas, which follow a little later.
//
// Clocks of a cluster's servers must agree to within five seconds, or Changes
// may miss some.
package redisstore
