// Package starlark runs Starlark scripts behind the engine's boundary:
//
//	rt := starlark.New()
//	filter, err := rt.InstantiateFilter(manifest) // compile, or reuse; run the top level; freeze its globals
//	out, err := filter.Filter(ctx, principal, candidates)
//
// A script whose top level has run is immutable, so one instance serves any number of goroutines and no call sees what another did:
// isolation by call is what Starlark gives anyway, and a manifest's Fresh changes nothing. Host values are read lazily from the tables
// of package runtimes. print is log. Nothing here opens a file or reads a clock for a script.
//
// A file is rewritten before it is compiled, so that every step of it is bounded: see guard. A call ends when its time, its steps or its
// memory are spent, at the next step or inside the function that would spend them.
package starlark

import (
	"sync"

	"sluice/engine"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// Runtime compiles Starlark and makes plugins of it. It may be used by many goroutines; one serves a whole process, since what it
// compiled is reused by the next generation.
type Runtime struct {
	// Memory is what all calls share; nil = no bound. It is set before the first call.
	Memory *runtimes.Pool

	programs  runtimes.Programs[program]
	unguarded bool           // leaves files as they are written, for a benchmark
	libraries sky.StringDict // what every script has in scope besides config; immutable
	log       *runtimes.Method
	idle      sync.Pool // of *runner
	fixed     fixed
}

var _ runtimes.Language = (*Runtime)(nil)

// New makes a Runtime.
func New() *Runtime {
	libs := libraries()
	return &Runtime{libraries: libs, log: libs["log"].(*method).of}
}

// Extension ends the names of Starlark scripts.
func (*Runtime) Extension() string { return ".star" }

// InstantiateSignerFactory refuses: no script sees a credential.
func (*Runtime) InstantiateSignerFactory(*engine.PluginManifest) (engine.SignerFactory, error) {
	return nil, engine.ErrSignersAreBuiltIn
}
