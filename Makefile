# The two commands of the README: "make run" and "make test". They need Go, make and git, nothing else.
GO          ?= go
STATICCHECK ?= $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT      ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null)$(if $(shell git status --porcelain 2>/dev/null),+)

# The first of these that works here: a docker without its daemon does not, nor one without buildx, which knows no --build-context.
TOOL        ?= $(firstword $(shell docker info >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1 && echo docker; \
                 podman info >/dev/null 2>&1 && echo podman; buildah info >/dev/null 2>&1 && echo buildah))

.PHONY: run build test check bench image

run: build
	./bin/sluice serve

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION) -X main.revision=$(COMMIT)" -o bin/sluice ./cmd/sluice

test:
	$(GO) test ./...

# Format, vet, staticcheck, tidy, and every test (import rules among them) under the race detector.
check:
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(STATICCHECK) ./...
	$(GO) mod tidy -diff
	$(GO) test -race ./...

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# The container image, from a binary built here, with whichever of docker, podman or buildah is there.
image: build
	@test -n "$(TOOL)" || { echo "image: want docker with buildx, podman or buildah"; exit 1; }
	$(if $(filter buildah,$(TOOL)),buildah --storage-driver vfs bud --isolation chroot --format docker,$(TOOL) build) --build-context build=. --tag sluice .
