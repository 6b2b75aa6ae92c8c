// Package bench measures Sojourn's encrypted cookies beside its peers, and beside
// what no implementation can save, in one run:
//
//	go test -run '^$' -bench . -benchmem -count 6
//
// Open is the way from the text of a cookie to the value of one field; Seal is the
// way back. All hold the same fields, of 113 and of 1,300 bytes as JSON, and
// bench_test.go has tests that each peer does the whole job.
//
//   - floor: HKDF-Expand with a key at hand, AES-256-GCM, base64; no parsing.
//   - gorilla: securecookie, encrypted, with its JSON and with its default serializer.
//   - fiber: encryptcookie, and encoding/json. Its cookie is AES-256-GCM too, under
//     one key for all, bound to the cookie's name.
//   - sojourn: a keeper is opaque, so whole requests are measured: untouched, one
//     that reads a field, one that writes one too. What a cookie costs is the
//     difference. The root's BenchmarkEncryptedOpen has the form alone.
//
// This module is by itself because nothing else imports the peers.
package bench
