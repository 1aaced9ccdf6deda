module wasm

go 1.26.0

require (
	github.com/google/uuid v1.6.0
	github.com/tetratelabs/wazero v1.12.0
	sluice v0.0.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/yuin/gopher-lua v1.1.2 // indirect
	go.starlark.net v0.0.0-20260908191801-89a6a09411d5 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace sluice => ../..
