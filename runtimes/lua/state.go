package lua

import (
	"io/fs"
	"time"

	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// state is one interpreter with a script loaded into it. It runs one call at a time, on one goroutine.
type state struct {
	L     *glua.LState
	meter *meter
	call  *runtimes.Call // the one that runs; nil between calls

	programs *runtimes.Programs[program]
	files    fs.FS
	compiled map[string]*program // by path
	base     *glua.LTable        // what every file has in scope: libraries and config
	fallback *glua.LTable        // metatable that looks into base
	loaded   map[string]*module
	main     *module  // the script itself
	loading  []string // paths, from the script to the file whose top level is running
	opened   []string // paths of all files that were loaded, in order
	source   int      // bytes of them
	needs    []need   // of all of them

	types                     map[*runtimes.Type]*hostType
	events                    map[string]*glua.LFunction // metamethods that all host values share
	readOnlyWrite, fieldWrite *glua.LFunction            // __newindex of lists and maps, and of host objects

	lists *glua.LTable // metatable of the gateway's lists
	maps  *glua.LTable // metatable of the gateway's open maps
	// frozen are the tables that were made read-only, by what they show.
	frozen      map[*glua.LTable]*glua.LTable
	frozenWrite *glua.LFunction // their __newindex
	frozenLen   *glua.LFunction // their __len

	next, ipairsNext *glua.LFunction // what pairs and ipairs step with
	quietly          *glua.LFunction // what pcall and xpcall call the function with

	upstreams map[*engine.Upstream]*candidate
	held      candidates             // of the call that runs
	args      []runtimes.Value       // room for the arguments of a method; nil while one uses it
	text      []byte                 // room to join strings in
	keys      map[string]glua.LValue // of decoded objects, boxed
	allocated int64                  // bytes, by all calls so far
	atLoad    int64                  // bytes of those, by the top level
	took      time.Duration          // of the top level's own time
	asked     int64                  // allocated, when it was asked last whether it keeps anything
	stock     *runtimes.Stock        // holds them while the state is kept
	untouched uint64                 // the digest of locals before the first call; 0 = there is none
	hooks     callHooks
	raised    string // what the script last called error with, cut at engine.MaxErrorMessage
}

// callHooks are the functions that a Call gets from its state, made once.
type callHooks struct {
	position func() (string, int)
	spend    func(int64) error
	allocate func(int64) error
	tick     func() error
	extend   func(int)
}

// argsRoom is how many arguments a method takes without an allocation.
const argsRoom = 8

// stateOptions keep a state small: about a hundred of them may live at once.
var stateOptions = glua.Options{
	SkipOpenLibs:     true,
	CallStackSize:    128,
	RegistrySize:     1024,
	RegistryMaxSize:  32 << 10,
	RegistryGrowStep: 8 << 10, // a larger step than the default, since each one copies all
}

// unguarded makes states whose interpreter asks nobody before an instruction. Only the benchmark of what asking costs sets it.
var unguarded bool

// newState makes an interpreter that has nothing loaded.
func newState(p *runtimes.Programs[program], files fs.FS, config *engine.Object) *state {
	s := &state{L: glua.NewState(stateOptions), meter: newMeter(), programs: p, files: files, compiled: make(map[string]*program),
		loaded: make(map[string]*module), types: make(map[*runtimes.Type]*hostType), upstreams: make(map[*engine.Upstream]*candidate),
		frozen: make(map[*glua.LTable]*glua.LTable), keys: make(map[string]glua.LValue)}
	s.args = make([]runtimes.Value, 0, argsRoom)
	s.meter.vm = peekState(s.L)
	if !unguarded {
		s.L.SetContext(s.meter)
	}
	s.L.Panic = func(L *glua.LState) { panic(&glua.ApiError{Type: glua.ApiErrorRun, Object: L.Get(-1)}) }
	s.hooks = callHooks{s.position, s.meter.spend, s.meter.allocate, s.meter.tick, s.meter.extend}
	s.makeMetatables()
	s.openBase(config)
	return s
}

// begin readies the state for a call that began at a moment. The caller ends it with end.
func (s *state) begin(c *runtimes.Call, b engine.Budget, began time.Time) {
	c.Codec, c.Position, c.Spend, c.Allocate = s, s.hooks.position, s.hooks.spend, s.hooks.allocate
	c.Look, c.Extend = s.hooks.tick, s.hooks.extend
	s.call = c
	s.meter.begin(b, began, c.Watch)
	s.meter.memory = &c.Memory
}

// end closes the call: host values that the script kept answer nothing from now on.
func (s *state) end() {
	s.call.Close()
	s.meter.clock.Stop()
	s.meter.memory, s.meter.followed = nil, nil
	s.call = nil
	s.allocated += s.meter.allocated
}

// function makes a Go function that scripts can call.
func (s *state) function(f glua.LGFunction) *glua.LFunction { return s.L.NewFunction(f) }

// run calls the function that was pushed with n arguments, and returns its first result. An error is a *engine.ScriptError; the state
// must not be used again then. Hook names the function for the stack.
func (s *state) run(hook string, n int) (v glua.LValue, err error) {
	f, _ := s.L.Get(-n - 1).(*glua.LFunction)
	defer func() {
		if p := recover(); p != nil {
			s.meter.done()
			v, err = nil, s.failed(hook, p)
		}
	}()
	s.L.Call(n, 1)
	if s.meter.done() {
		late := s.failed(hook, nil)
		late.File, late.Line = f.Proto.SourceName, f.Proto.LineDefined
		return nil, late
	}
	v = s.L.Get(-1)
	s.L.Pop(1)
	return v, nil
}
