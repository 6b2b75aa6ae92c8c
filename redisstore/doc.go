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
// There is a channel beside, sojourn:changes; see below.
//
// All of them expire. A record's key does so a minute after the record's
// deadline: it is the application's clock that ends a session, and a server
// whose clock is fast by less than that ends none too soon.
// An index lasts as long as the last record in it; what has expired there is
// removed when it is met, and by and by when new records are made. Owners share
// indexes, 65,536 in all, because small sorted sets take a third of the memory
// that a key for each owner would. Changes are kept for six minutes.
//
// # Clusters
//
// [Open] takes a cluster, or what sentinels watch, in place of a server. A verb
// that writes is sent once. Where the server says that another one has the
// slot, it has done nothing, and the other one is asked. A connection that
// breaks under a verb makes that an error, and the verb may have been done or
// not.
//
// While a slot moves key by key (CLUSTER SETSLOT, redis-cli --cluster reshard),
// a script cannot tell a key that is not there from one that is still, or
// already, on the other server. So a verb that needs more than the record waits
// until the slot has moved, if its time lasts, and has otherwise done nothing:
// Delete, and with an owner all but Load and most of Apply and Touch. A slot
// holds one of 256 parts of all records. (Servers that move slots as a
// whole, as Valkey 9 and Redis 8.4 can, have no such time.)
//
// When a master fails, what it holds cannot be used until a replica has taken
// its place: the cluster's cluster-node-timeout, an election of about a second,
// and up to a second until this package has asked who has which slot. Unless
// cluster-require-full-coverage is no, the cluster refuses all the rest in the
// meantime. Changes fails too (see there for how long), and then tells what was
// ended meanwhile; it is never behind when it answers. Scan has to begin again.
//
// A failover loses what the replica did not have yet, which was acknowledged
// all the same: sessions, changes, and ends. [Replicas] acknowledges only what
// replicas have, and says what that is worth.
//
// # Notification
//
// A script that notes a change publishes one empty message, however much it
// ended, on the channel of which [Store.Notify] hears: the prefix and
// "changes". Whoever may listen there learns that something was ended, and
// nothing of what. Databases of one server share channels, so that
// applications with the same prefix wake each other for nothing.
//
// It costs the server between one and two microseconds beside the twenty of an
// end, and each replica a command in its stream. Nobody's listening costs as much. On a cluster, where
// any server may be listened to, each end also goes from its master to all
// other servers over the bus, as a message of 2.3 KB: of 1000 ends a second in
// a cluster of six, 11 MB a second.
//
// A user with an ACL needs, beside keys and scripts, the commands PUBLISH and
// SUBSCRIBE and the channel: +publish +subscribe &sojourn:changes, or
// &sojourn:* . (Redis 7 gives new users no channel, Redis 6.2 all.) Without,
// everything works but that: ends are not published, which ACL LOG and INFO
// errorstats on the server count, and Notify of a user who may not subscribe
// says so. Changes tells all the same.
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
// always it does not. A master of a cluster that comes back empty, before its
// replica has taken its place, has its replica emptied too: let it come back
// later than cluster-node-timeout, or write to disk.
//
// Clocks of a cluster's servers, replicas included, must agree to within five
// seconds, or Changes may miss some; in the first seconds after it began, to
// within the time that a failover takes.
package redisstore
