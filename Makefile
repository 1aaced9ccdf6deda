# The two commands of the README: "make run" and "make test". They need Go, make and git, nothing else.
GO          ?= go
STATICCHECK ?= $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT      ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null)$(if $(shell git status --porcelain 2>/dev/null),+)

# The first of these that works here: a docker without its daemon does not, nor one without buildx, which knows no --build-context.
TOOL        ?= $(firstword $(shell docker info >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1 && echo docker; \
                 podman info >/dev/null 2>&1 && echo podman; buildah info >/dev/null 2>&1 && echo buildah))

.PHONY: run build test check bench bench-peers bench-wasm guards hostile image

run: build
	./bin/sluice serve

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION) -X main.revision=$(COMMIT)" -o bin/sluice ./cmd/sluice

# The SDKs are asked in a module of their own, which keeps them out of the product's.
test:
	$(GO) test ./...
	cd testdata/sdk && $(GO) test ./...

# Format, vet, staticcheck, tidy, and every test (import rules among them) under the race detector.
check:
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(STATICCHECK) ./...
	$(GO) mod tidy -diff
	cd testdata/sdk && $(GO) vet ./... && $(GO) mod tidy -diff
	$(GO) test -race ./...

# The benchmarks, in turn with those of the last commit (or of BASE), compared. BENCH, PKG and COUNT narrow it down.
BENCH     ?= .
PKG       ?= ./...
COUNT     ?= 6
BASE      ?= $(if $(shell git status --porcelain 2>/dev/null),HEAD,HEAD~1)
BENCHSTAT ?= $(GO) run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
bench:
	@d=$$(mktemp -d) && trap 'git worktree remove --force '$$d/base' 2>/dev/null; rm -rf '$$d EXIT && \
	git worktree add -q --detach $$d/base $(BASE) && bench="$(GO) test -run ^$$ -bench $(BENCH) -benchmem $(PKG)" && \
	for i in $$(seq $(COUNT)); do (cd $$d/base && $$bench) >>$$d/before.txt; $$bench | tee -a $$d/after.txt; done; \
	$(BENCHSTAT) $$d/before.txt $$d/after.txt

# Sluice beside nginx with LuaJIT and HAProxy with Lua, under one policy: Debian's packages, unpacked into a cache and run from there.
# PEERS="-short" takes a minute; "go run ./testdata/peers -h" tells the rest.
bench-peers: build
	$(GO) run ./testdata/peers $(PEERS)

# A bundled filter in both languages beside the same one as a WebAssembly guest, in a module of its own.
bench-wasm:
	cd testdata/wasm && $(GO) test -run '^$$' -bench . -benchtime 300x .

# What the guards cost the bundled filters, in percent of the time that each takes without them, in both languages. Want 30 at most.
guards:
	$(GO) test -run '^$$' -bench '^BenchmarkGuards$$' -benchtime 400x ./runtimes/starlark
	$(GO) test -run '^$$' -bench '^BenchmarkGuards$$' -benchtime 10x ./runtimes/lua

# What "make test" sees of hostile scripts, and how long others and the offender wait meanwhile.
hostile:
	cd cmd/sluice && $(GO) test -count=1 -run TestNoHostileScriptHurtsAGatewayThatServes -hostile-times

# The container image, from a binary built here, with whichever of docker, podman or buildah is there.
image: build
	@test -n "$(TOOL)" || { echo "image: want docker with buildx, podman or buildah"; exit 1; }
	$(if $(filter buildah,$(TOOL)),buildah --storage-driver vfs bud --isolation chroot --format docker,$(TOOL) build) --build-context build=. --tag sluice .
