# Everything a developer or a CI machine runs. `make test` is the one that counts.

GO       ?= go
BIN      ?= bin/dunning
VERSION  ?= development
RACE     ?= -race
PACKAGES ?= ./...

.PHONY: test deps lint build race bench bench-full bench-guard crash faults kill simulate mutants fuzz fuzz-list clean

# All tests. Installs PostgreSQL, PgBouncer, Postfix and its password checker first where
# they are missing (as root on Debian or Ubuntu); never skips in silence.
test: deps lint
	$(GO) test -timeout 15m $(PACKAGES)

# The tests again under the race detector.
race: deps
	$(GO) test $(RACE) -timeout 30m $(PACKAGES)

# What the tests need besides Go: see deploy/test-deps.
deps:
	@sh deploy/test-deps

# Every boundary of the crash table instead of a sample (minutes).
crash: deps
	DUNNING_CRASHES=all $(GO) test -timeout 60m -run 'R02_CrashTable' -v ./jobs

# Every fault of the database at every place instead of a sample (minutes).
faults: deps
	DUNNING_FAULTS=all $(GO) test -timeout 60m -v ./internal/pgtest ./internal/pgproxy ./internal/store

# Kill the real program N times at random, over eight times as many invoices, and
# see that every letter arrived once, or that somebody is told why not.
N ?= 200
kill: deps
	DUNNING_KILLS=$(N) $(GO) test -timeout 120m -run 'R02_Kills' -v ./cmd/dunning

# Live so many virtual years of trouble, from a seed on; the same seed draws the
# same events again.
SEED  ?= 1
YEARS ?= 1000
simulate:
	$(GO) test -timeout 0 -run Simulate -v ./internal/simulation -seed $(SEED) -years $(YEARS) | awk '/^=== / { next } { print } /^FAIL/ { bad = 1 } END { exit bad }'

# Break the program on purpose, one promise at a time, and see which test
# notices.
mutants: deps
	sh deploy/mutate $(MUTANTS)

# Every fuzz target there is, one after the other, each for FUZZTIME. What one
# finds is written below testdata/fuzz of its package: commit it with the cure.
FUZZTIME ?= 30s
fuzz:
	@GO='$(GO)' sh deploy/fuzz '$(FUZZTIME)' $(PACKAGES)

# The names of the fuzz targets, a package and a target a line.
fuzz-list:
	@GO='$(GO)' sh deploy/fuzz list $(PACKAGES)

# Speed, as ratios against bare loops in the same run, bounded to a few minutes;
# docs/performance.md says what each means. bench-full is the whole, in hours.
bench: deps
	$(GO) test -run '^$$' -bench 'EndToEnd|Latency|Replicas|Start' -benchtime 1x -timeout 30m ./cmd/dunning
	$(GO) test -run '^$$' -bench 'Visit|Growth' -benchtime 1x -timeout 30m ./internal/store
	$(GO) test -run '^$$' -bench . -benchtime 200ms ./invoices ./templates ./mailer ./internal/costplus

bench-full: deps
	DUNNING_BENCH=50000 DUNNING_BENCH_FAR=5000 DUNNING_BENCH_SCRIPT=200 DUNNING_BENCH_REPLICAS=2000 DUNNING_BENCH_MEMORY=1000000 \
		$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 0 ./cmd/dunning
	DUNNING_GROWTH=10000,1000000,10000000 $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 0 ./internal/store
	$(GO) test -run '^$$' -bench . ./invoices ./templates ./mailer ./internal/costplus

# Fails when a ratio has fallen far below what it was.
bench-guard: deps
	DUNNING_BENCH_GUARD=on DUNNING_BENCH=2000 $(GO) test -run '^$$' -bench EndToEnd -benchtime 1x ./cmd/dunning
	DUNNING_BENCH_GUARD=on $(GO) test -run '^$$' -bench Visit/.*/hands=128 -benchtime 1x ./internal/store

lint:
	$(GO) vet $(PACKAGES)
	$(GO) tool staticcheck $(PACKAGES)
	@test -z "$$($(GO) tool gofumpt -l . | tee /dev/stderr)" || { echo 'run: go tool gofumpt -w .'; exit 1; }

# The program as it is delivered: static, without symbols, one file for any Linux.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/dunning

clean:
	rm -rf bin dunning-demo
