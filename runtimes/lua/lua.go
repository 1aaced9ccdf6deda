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
// without what loads code, leaves the sandbox or differs from run to run. Nothing here opens a file or reads a clock for a script.
//
// A call ends when it spent its budget. The interpreter asks a meter before every instruction; native functions tell it what they cost,
// and look at it every few thousand bytes. Memory is counted when it is allocated, whether or not it is kept.
package lua

import (
	"sync"

	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// Runtime compiles Lua and makes plugins of it. It may be used by many goroutines; one serves a whole process, since what it compiled is
// reused by the next generation.
type Runtime struct {
	// Memory is what all calls share; nil = no bound. It is set before the first call.
	Memory *runtimes.Pool

	programs runtimes.Programs[program]
}

var _ runtimes.Language = (*Runtime)(nil)

// maxCount bounds the positions of a table, and so what one assignment can take: t[n] = v fills all places below n, 16 bytes each, and
// a table that grows is copied in one step, which the scheduler cannot stop. The largest list of the API is the 100,000 requests of a
// batch. What is set at a place beyond is found by its key alone.
const maxCount = 1 << 17

// prepare sets what the interpreter has as package variables only, once for the process; nobody reads them before the first file is
// compiled. No function with "..." gets a table "arg", as Lua 5.0 made one for every call.
var prepare = sync.OnceFunc(func() {
	checkLayout()
	glua.MaxArrayIndex = maxCount + 1 // the first one beyond
	glua.CompatVarArg = false
})

// New makes a Runtime.
func New() *Runtime {
	prepare()
	return &Runtime{}
}

// Extension ends the names of Lua scripts.
func (*Runtime) Extension() string { return ".lua" }

// InstantiateSignerFactory refuses: no script sees a credential.
func (*Runtime) InstantiateSignerFactory(*engine.PluginManifest) (engine.SignerFactory, error) {
	return nil, engine.ErrSignersAreBuiltIn
}
