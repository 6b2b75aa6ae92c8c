module github.com/sojourn-go/sojourn/cmd/sojourn

go 1.26.0

require (
	github.com/ncruces/go-sqlite3 v0.37.0
	github.com/rogpeppe/go-internal v1.16.0
	github.com/sojourn-go/sojourn v0.0.0
	github.com/sojourn-go/sojourn/redisstore v0.0.0
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.0.9
)

require (
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/ncruces/go-sqlite3-wasm/v6 v6.5.35401 // indirect
	github.com/ncruces/julianday v1.0.0 // indirect
	github.com/redis/rueidis v1.0.79 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/tools v0.52.0 // indirect
)

// Dropped by the release, since go install refuses it: see docs/release.md.
replace (
	github.com/sojourn-go/sojourn => ../../
	github.com/sojourn-go/sojourn/redisstore => ../../redisstore
)
