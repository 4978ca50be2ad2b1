# make demo    builds Relais and shows its main job, start to end
# make test    installs what the tests need (Debian), then runs all of them
# Everything else: make help

GO         ?= go
PACKAGES   ?= ./...
TIMEOUT    ?= 8m
FUZZTIME   ?= 10s
COUNT      ?= 1
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

.PHONY: help build demo test tools check crash clients soak fuzz bench generate lint clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

build: ## one static binary: bin/relais
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/relais ./cmd/relais

demo: build ## the main job, explained step by step
	./bin/relais demo

# -count=1: tests that build the program or run gpg and Redis depend on more
# than Go's cache of results knows.
test: tools check ## all tests, with the race detector
	$(GO) test -race -count=1 -timeout $(TIMEOUT) $(PACKAGES)

tools:
	@scripts/install-test-tools.sh

check: ## vet and formatting
	$(GO) vet $(PACKAGES)
	@scripts/check-format.sh

crash: tools ## kill -9 of gateway and Redis while mail comes in; COUNT=100 for longer
	scripts/only.sh -race -count=$(COUNT) -timeout 120m -run 'Crash|Kill'

clients: tools ## real mail clients and gpg against the gateway
	scripts/only.sh -race -count=$(COUNT) -timeout 30m -run 'Client|Swaks|Curl|GPG|Imaplib|Interoperability'

soak: tools ## overload for a long time, with bounded memory
	scripts/only.sh -count=$(COUNT) -timeout 120m -run 'Soak|Overload|Bounded'

fuzz: ## every fuzz target, or those named like FUZZ, for FUZZTIME (10s) each
	scripts/fuzz.sh $(FUZZTIME) $(FUZZ)

bench: build ## messages per second, and what they cost
	./bin/relais bench

generate: ## the files that are made from the code
	$(GO) generate ./...

lint: check ## further checks, with the tools that are installed
	scripts/lint.sh

clean: ## remove what was built
	rm -rf bin
