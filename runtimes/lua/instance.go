package lua

import (
	"runtime"
	"time"

	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// script is a file with the config it serves: what each of its states is made of.
type script struct {
	rt       *Runtime
	manifest engine.PluginManifest
	patterns *runtimes.Patterns
	holder   *runtimes.Holder
}

// start makes a state and loads the script into it, as loadInto does.
func (s *script) start(memory *runtimes.Share, watch engine.Watch, b engine.Budget) (*state, error) {
	st := newState(&s.rt.programs, s.manifest.Files, s.manifest.Config)
	if err := s.loadInto(st, memory, watch, b); err != nil {
		return nil, err
	}
	st.asked, st.stock = st.atLoad, runtimes.NewStock(s.rt.Memory, st)
	st.untouched, _ = st.locals()
	return st, nil
}

// loadInto runs the script's top level in a state, as if nothing had been loaded. What that allocates is held by memory, for a call that the caller
// begins next; nil: by nobody. The error is a *engine.ScriptError.
func (s *script) loadInto(st *state, memory *runtimes.Share, watch engine.Watch, b engine.Budget) (err error) {
	call := s.call("the top level")
	call.Watch = watch
	st.begin(&call, b, time.Now())
	defer st.end()
	clear(st.loaded)
	clear(st.frozen)
	if st.main, err = st.load(s.manifest.Artifact); err != nil {
		return err
	}
	st.atLoad, st.took = st.meter.allocated, time.Since(st.meter.clock.Began())
	if memory != nil {
		*memory, call.Memory = call.Memory, runtimes.Share{}
		st.meter.clock.Keep()
	}
	return nil
}

func (s *script) call(hook string) runtimes.Call {
	return runtimes.Call{Hook: hook, Log: s.manifest.Log, Patterns: s.patterns, Memory: runtimes.Share{Pool: s.rt.Memory, By: s.holder}}
}

// loadFailed is a script that could not be compiled, whose top level failed, or for which there is no memory.
func loadFailed(err error) error {
	return &engine.RuntimeError{Variant: engine.RuntimeLoadFailed, Reason: err.Error(), Cause: err}
}

// instance is a script that serves: one binding, or all those that share what they load.
type instance struct {
	script
	atLoad        int64                          // bytes that the top level allocated
	took          time.Duration                  // for which that ran, of its own time
	hooks         map[string]*glua.FunctionProto // that the script defines, by name
	paths, events []string                       // what its plugin lists
	programs      map[string]*program            // of its files, by path: a further state finds them compiled
	idle          idle
}

// instantiate returns what serves a manifest's script. The error is a *engine.RuntimeError.
func (rt *Runtime) instantiate(m *engine.PluginManifest) (*instance, error) {
	return engine.Load(m, func() (*instance, error) { return rt.newInstance(m) })
}

// newInstance loads a manifest's script into a first state. The error is a *engine.RuntimeError.
func (rt *Runtime) newInstance(m *engine.PluginManifest) (*instance, error) {
	i := &instance{script: script{rt, *m, new(runtimes.Patterns), rt.Memory.Holder(m.Artifact)}}
	first, err := i.start(nil, nil, m.Budget.ForLoad(m.Restart))
	if err == nil {
		err = runtimes.NewStock(rt.Memory, i).HoldTopLevel(m.Artifact, first.atLoad)
	}
	if err != nil {
		return nil, loadFailed(err)
	}
	i.atLoad, i.took, i.programs, i.hooks = first.atLoad, first.took, first.compiled, first.main.hooks()
	plugin, _ := first.main.global("plugin")
	i.paths, i.events = runtimes.PluginList(plugin, "paths"), runtimes.PluginList(plugin, "events")
	i.idle.states, i.idle.heir, i.idle.most = []*state{first}, first, 2*runtime.GOMAXPROCS(0)
	i.idle.bound(m.Budget, first)
	return i, nil
}

// TopLevel is what the script's top level allocated, in bytes, as it counts.
func (i *instance) TopLevel() int64 { return runtimes.Counted(i.atLoad) }

// take returns a state that nobody else uses, and whether its top level ran for this call: since no state was idle, or since each call is to have it
// run (isolation: call). Memory holds what that allocated: states that are idle are bounded, but not how many calls start one.
func (i *instance) take(memory *runtimes.Share, watch engine.Watch) (s *state, ran bool, err error) {
	idle := i.idle.take(watch)
	if idle != nil && !i.manifest.Fresh {
		return idle, false, nil
	}
	if s, err = i.load(idle, memory, watch); err != nil {
		i.idle.lost(idle)
		if idle != nil {
			idle.stock.Free()
		}
	}
	return s, true, err
}

// slower is by how much a later run of the top level may be slower than the first.
const slower = 4

// load runs the top level in a state, nil = a new one, and returns that. The call's own time begins behind it.
func (i *instance) load(s *state, memory *runtimes.Share, watch engine.Watch) (_ *state, err error) {
	b := i.manifest.Budget
	if b.Time > 0 {
		b.Time = max(b.Time, slower*i.took)
	}
	watched := watch != nil && watch.Pause()
	if watched {
		watch.Resume(b.Time)
	}
	if s == nil {
		s, err = i.start(memory, watch, b)
	} else {
		err = i.loadInto(s, memory, watch, b)
	}
	if err == nil && watched && watch.Pause() {
		watch.Resume(s.took - b.Time)
	}
	return s, err
}

// lifetime is the part of a call's memory that the calls of a state that keeps something may have allocated.
const lifetime = 8

// give takes a state back. What its file keeps in local variables is never more than what the state has allocated: when its calls have
// allocated a part of what one may, or there is no memory to hold it in, and anything is kept, it goes, and all of that with it. So idle states
// hold little, however many there are; and where the top level has allocated much, there are few.
func (i *instance) give(s *state) {
	switch {
	case !i.keeps(s):
		i.idle.lost(s)
	case i.idle.put(s):
		return
	}
	s.stock.Free()
}

// much is how many bytes the calls of a state allocate until it is asked whether it keeps anything.
const much = 1 << 20

// keeps holds the memory of a state that is to be idle, and reports whether it may be.
func (i *instance) keeps(s *state) bool {
	most := i.manifest.Budget.Memory / lifetime
	over := most > 0 && s.allocated-s.atLoad > most
	if over || s.allocated-s.asked > much || !i.holds(s) {
		if i.manifest.Fresh || s.asLoaded() {
			s.allocated, over = s.atLoad, false
		}
		s.asked = s.allocated
	}
	return !over && i.holds(s)
}

// holds sees that what a state may keep is held: that of one top level is for as long as the script serves.
func (i *instance) holds(s *state) bool {
	bytes := s.allocated
	if i.idle.inherits(s) {
		bytes -= i.atLoad
	}
	return s.stock.Hold(bytes)
}

// call is one run of one hook in one state.
type call struct {
	runtimes.Call
	*state
	of             *instance
	ctx, principal host
	list           host
	failed         bool // the state must not be used again
}

// begin takes a state for a call, which somebody may bound from outside. The caller ends it with end. The error is a *engine.ScriptError.
func (i *instance) begin(name string, ctx *engine.RequestContext, watch engine.Watch) (*call, error) {
	var memory runtimes.Share
	s, ran, err := i.take(&memory, watch)
	if err != nil {
		return nil, err
	}
	c := &call{Call: i.script.call(name), state: s, of: i}
	began := time.Now()
	c.Request, c.Watch, c.Now = ctx, watch, began
	if ctx != nil {
		c.Now = ctx.Now
	}
	s.begin(&c.Call, i.manifest.Budget, began)
	if ran {
		c.Memory, s.meter.before = memory, s.atLoad
	}
	return c, nil
}

// end gives the state back, unless something went wrong in it.
func (c *call) end() {
	c.release()
	if c.failed {
		c.discard()
		return
	}
	c.state.end()
	c.allocated += lent(c.Request)
	c.of.give(c.state)
}

// lent is how much memory the texts of a request take, in bytes: all of it, for a script that keeps one of them.
func lent(r *engine.RequestContext) int64 {
	if r == nil {
		return 0
	}
	n := len(r.Path) + len(r.Query)
	for i := range r.Headers {
		n += len(r.Headers[i].Name) + len(r.Headers[i].Value)
	}
	return int64(n)
}

// discard ends the call and forgets its state. The memory counts as free once nothing leads to it, since it is collected then.
func (c *call) discard() {
	memory, stock := c.Memory, c.state.stock
	c.Memory = runtimes.Share{}
	c.state.end()
	*c.state.meter, *c.state = meter{}, state{}
	c.ctx, c.principal, c.list = host{}, host{}, host{}
	memory.Free()
	stock.Free()
	c.of.idle.lost(c.state)
}

// run calls h with as many of the arguments as it takes. The error is a *engine.ScriptError.
func (c *call) run(h *hook, args ...glua.LValue) (runtimes.Value, error) {
	c.L.Push(c.main.globals.RawGetString(h.name))
	args = args[:min(h.args, len(args))]
	for _, a := range args {
		c.L.Push(a)
	}
	v, err := c.state.run(h.name, len(args))
	if err != nil {
		c.failed = true
		return runtimes.Value{}, err
	}
	return lower(v), nil
}

// ctxValue is the request as the hook gets it.
func (c *call) ctxValue() glua.LValue {
	c.initHost(&c.ctx, &c.Call, runtimes.OfHost(runtimes.TypeCtx, &c.Call))
	return &c.ctx.LUserData
}

// principalValue is who asks.
func (c *call) principalValue(p *engine.Principal) glua.LValue {
	c.initHost(&c.principal, &c.Call, runtimes.OfHost(runtimes.TypePrincipal, p))
	return &c.principal.LUserData
}

// listValue is the candidates.
func (c *call) listValue(candidates []engine.UpstreamCandidate) glua.LValue {
	c.initHost(&c.list, &c.Call, runtimes.OfList(c.hold(candidates)))
	return &c.list.LUserData
}
