// Package lua runs Lua 5.1 scripts behind the engine's boundary:
//
//	rt := lua.New()
//	filter, err := rt.InstantiateFilter(manifest) // compile, or reuse; run the top level in a first state
//	out, err := filter.Filter(ctx, principal, candidates)
//
// An interpreter state serves one call at a time, so a plugin keeps a few of them, makes one more when all are busy, and throws one away
// after any error. What a file defines at its top level cannot be assigned to afterwards; its local variables live as long as the state,
// and are a cache at best, since nobody knows which state serves a call. A manifest's Fresh runs the top level again for every call.
//
// Host values are userdata over the tables of package runtimes, read as they are asked for. Scripts reach base, string, table and math
// without what loads code, leaves the sandbox or differs from run to run. Nothing here opens a file, reads a clock for a script or bounds
// memory beyond the size of one string.
package lua

import (
	"sync"

	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// Runtime compiles Lua and makes plugins of it. It may be used by many goroutines; one serves a whole process, since what it compiled is
// reused by the next generation.
type Runtime struct{ programs programs }

var _ runtimes.Language = (*Runtime)(nil)

// maxArrayIndex bounds what one assignment to a table can take: t[n] = v fills all places below n, 16 bytes each.
const maxArrayIndex = 1 << 20

// boundArrays sets the bound once for the process. The interpreter has it as a package variable only; nobody reads it before the first
// state is made.
var boundArrays = sync.OnceFunc(func() { glua.MaxArrayIndex = maxArrayIndex })

// New makes a Runtime.
func New() *Runtime {
	boundArrays()
	return &Runtime{}
}

// Extension ends the names of Lua scripts.
func (*Runtime) Extension() string { return ".lua" }

// InstantiateSignerFactory refuses: no script sees a credential.
func (*Runtime) InstantiateSignerFactory(*engine.PluginManifest) (engine.SignerFactory, error) {
	return nil, engine.ErrSignersAreBuiltIn
}
