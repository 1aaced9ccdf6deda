package starlark

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/engine"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// instance is a script that serves a binding. Others may have the same script.
type instance struct {
	*script
	fixed map[*engine.Upstream]map[string]sky.Value // what a script reads of the generation's upstreams, made in advance
}

// instantiate loads a manifest's script. The error is a *engine.RuntimeError.
func (rt *Runtime) instantiate(m *engine.PluginManifest) (*instance, error) {
	s, err := engine.Load(m, func() (*script, error) { return rt.serving(m) })
	if err != nil {
		return nil, err
	}
	return &instance{script: s, fixed: rt.fixed.of(m.Upstreams)}, nil
}

// serving loads a manifest's script and holds the memory of what its top level leaves. The error is a *engine.RuntimeError.
func (rt *Runtime) serving(m *engine.PluginManifest) (*script, error) {
	s, err := rt.load(m.Files, m.Artifact, m.Config, m.Budget.ForLoad(m.Restart), m.Log)
	if err != nil {
		return nil, err
	}
	s.budget = m.Budget
	s.stock = runtimes.NewStock(rt.Memory, s)
	if err := s.stock.HoldTopLevel(m.Artifact, s.held); err != nil {
		return nil, loadFailed(err)
	}
	return s, nil
}

// TopLevel is what the script's top level allocated, in bytes, as it counts.
func (s *script) TopLevel() int64 { return runtimes.Counted(s.held) }

// fixed is what scripts read of upstreams, made in advance: once for all bindings that have the same ones.
type fixed struct {
	mu        sync.Mutex
	upstreams []*engine.Upstream                        // of the latest binding; guarded by mu
	made      map[*engine.Upstream]map[string]sky.Value // of those, not written any more; guarded by mu
}

func (f *fixed) of(upstreams []*engine.Upstream) map[*engine.Upstream]map[string]sky.Value {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.made != nil && slices.Equal(f.upstreams, upstreams) {
		return f.made
	}
	f.upstreams, f.made = upstreams, make(map[*engine.Upstream]map[string]sky.Value, len(upstreams))
	for _, u := range upstreams {
		f.made[u] = fixedFields(u)
	}
	return f.made
}

// fixedFields reads the fields of an upstream that no call changes.
func fixedFields(u *engine.Upstream) map[string]sky.Value {
	fixed := make(map[string]sky.Value)
	receiver := &runtimes.Candidate{UpstreamCandidate: &engine.UpstreamCandidate{Upstream: u, Vitals: new(engine.Vitals)}}
	for i := range runtimes.TypeCandidate.Fields {
		if f := &runtimes.TypeCandidate.Fields[i]; f.Static {
			fixed[f.Name] = lift(nil, f.Get(receiver))
		}
	}
	return fixed
}

// hook is a function of a script that the gateway calls; nil where the script has none.
type hook struct {
	*sky.Function
	args int // how many arguments it takes of those there are
}

// hook finds a hook. Its parameters must be as many as the gateway gives, or fewer.
func (s *script) hook(name string) (*hook, error) {
	f, ok := s.globals[name].(*sky.Function)
	if !ok {
		return nil, nil
	}
	h, _ := runtimes.FindHook(name)
	if err := h.CheckParams(f.NumParams()); err != nil {
		return nil, handshakeFailed(at(f.Position(), err.Error()))
	}
	args := f.NumParams() - f.NumKwonlyParams()
	if f.HasVarargs() {
		args = len(h.Params)
	}
	return &hook{f, args}, nil
}

// missing is the error of a script that has no hook for its slot.
func (s *script) missing(binding string, names ...string) error {
	message := fmt.Sprintf("defines no %s, want one for binding %q", strings.Join(names, " or "), binding)
	e := &engine.ScriptError{File: s.path, Message: message}
	return &engine.RuntimeError{Variant: engine.RuntimeInstantiateFailed, Reason: e.Error(), Cause: e}
}

// call is one run of one hook.
type call struct {
	runtimes.Call
	*runner
	ctx, principal object
	room           [4]sky.Value // for the arguments of one hook
}

// begin starts a call, which somebody may bound from outside. The caller ends it with s.rt.end.
func (s *script) begin(name string, ctx *engine.RequestContext, p *engine.Principal, watch engine.Watch) *call {
	c := &call{Call: runtimes.Call{Hook: name, Request: ctx, Watch: watch, Log: s.log, Patterns: s.patterns, Memory: runtimes.Share{By: s.holder}}}
	if ctx != nil {
		c.Now = ctx.Now
	} else {
		c.Now = time.Now()
	}
	c.ctx = object{of: runtimes.TypeCtx, receiver: &c.Call, call: &c.Call}
	c.principal = object{of: runtimes.TypePrincipal, receiver: p, call: &c.Call}
	c.runner = s.rt.begin(&c.Call, s.path, s.budget, s.leftover)
	return c
}

// run calls h with as many of the arguments as it takes.
func (c *call) run(h *hook, args sky.Tuple) (runtimes.Value, error) {
	v, err := c.runner.run(h.Function, args[:min(h.args, len(args))])
	if err != nil {
		return runtimes.Value{}, err
	}
	return lower(v), nil
}

// placed puts a complaint about what the hook returned, an *engine.OutputError, at the hook's definition. Any other error is returned
// as it is.
func (h *hook) placed(err error) error {
	var out *engine.OutputError
	if !errors.As(err, &out) {
		return err
	}
	placed := at(h.Position(), out.Reason)
	return &engine.OutputError{Variant: out.Variant, Reason: placed.Error(), Cause: placed}
}

// returned is what was wrong with what h returned: a budget that was spent while it was read, or as placed tells it.
func (c *call) returned(h *hook, err error) error {
	if c.overrun == "" {
		return h.placed(err)
	}
	return c.overran(at(h.Position(), ""))
}
