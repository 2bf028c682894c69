# Everything a developer or a CI machine runs. `make test` is the one that counts.

GO       ?= go
BIN      ?= bin/dunning
RACE     ?= -race
PACKAGES ?= ./...

.PHONY: test deps lint build race bench kill fuzz clean

# All tests. Installs PostgreSQL, Postfix and its password checker first where
# they are missing (as root on Debian or Ubuntu); never skips in silence.
test: deps lint
	$(GO) test -timeout 15m $(PACKAGES)

# The tests again under the race detector.
race: deps
	$(GO) test $(RACE) -timeout 30m $(PACKAGES)

# What the tests need besides Go: see deploy/test-deps.
deps:
	@sh deploy/test-deps

lint:
	$(GO) vet $(PACKAGES)
	$(GO) tool staticcheck $(PACKAGES)
	@test -z "$$($(GO) tool gofumpt -l . | tee /dev/stderr)" || { echo 'run: go tool gofumpt -w .'; exit 1; }

build:
	$(GO) build -trimpath -o $(BIN) ./cmd/dunning

clean:
	rm -rf bin dunning-demo
