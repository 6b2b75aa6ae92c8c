# `make` checks everything that a change must pass; `make help` lists the rest.
# Each part says how long it may take on two cores: the sum must stay well
# under 20 minutes, for what is still to come.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
MODULES     = . bench cmd/sojourn examples/routers interop promises redisstore sqlstore/drivertest
GO         ?= go

.PHONY: check
check: setup format vet lint test ## everything a change must pass
	@echo "all is well"

.PHONY: setup
setup: ## install what the tests need (Debian packages, when root)
	@sh .ci/setup

.PHONY: format
format: ## gofmt (seconds)
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; fi

.PHONY: vet
vet: ## go vet, all modules (half a minute)
	$(GO) vet work

.PHONY: lint
lint: ## staticcheck, pinned (2 minutes)
	@for m in $(MODULES); do echo "staticcheck $$m"; (cd $$m && $(GO) run $(STATICCHECK) ./...) || exit 1; done

.PHONY: test
test: ## all tests of all modules, with the race detector (8 minutes)
	$(GO) test -race -timeout 20m work

.PHONY: long
long: fuzz ## what takes long: 5 minutes of each fuzz target, 20 rounds of the rest
	$(GO) test -race -count=20 . ./flask ./keys ./internal/...
	SOJOURN_LONG=1 $(GO) test -run Million -v -timeout 30m ./memstore ./redisstore ./internal/revoked ./promises ./sqlstore/drivertest

T ?= 5m
.PHONY: fuzz
fuzz: ## each fuzz target for T (make fuzz T=30s)
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(T) $$p || exit 1; \
		done; \
	done

.PHONY: bench
bench: ## benchmarks, with the floor in the same run
	$(GO) test -run '^$$' -bench . -benchmem -count 6 . ./flask
	$(GO) test -run '^$$' -bench . -benchmem ./memstore ./redisstore ./sqlstore/drivertest

.PHONY: demo
demo: ## the demo, on http://127.0.0.1:8080
	$(GO) run ./cmd/sojourn demo

.PHONY: golden
golden: ## rewrite the list of exported names after a deliberate change
	$(GO) test -run TestAPI -update .

.PHONY: help
help:
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' Makefile
