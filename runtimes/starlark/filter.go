package starlark

import (
	"errors"

	"sluice/engine"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// filter is a binding's filter. It is one script, or its short form.
type filter struct {
	engine.Identity
	*instance
	runtimes.Memo
	filter, drop *hook // one of them is nil
}

// InstantiateFilter makes a filter of a script that defines filter or drop.
func (rt *Runtime) InstantiateFilter(m *engine.PluginManifest) (engine.Filter, error) {
	i, err := rt.instantiate(m)
	if err != nil {
		return nil, err
	}
	f := &filter{Identity: engine.NewIdentity(m.Principal, m.Name), instance: i}
	if f.filter, err = i.hook("filter"); err != nil {
		return nil, err
	}
	if f.drop, err = i.hook("drop"); err != nil {
		return nil, err
	}
	switch {
	case f.filter == nil && f.drop == nil:
		return nil, i.missing(m.Name, "filter", "drop")
	case f.filter != nil && f.drop != nil:
		return nil, handshakeFailed(at(f.drop.Position(), "defines both filter and drop, want one of them"))
	}
	return f, nil
}

// Filter asks the script. An error is a *engine.FilterError.
func (f *filter) Filter(
	ctx *engine.RequestContext, p *engine.Principal, candidates []engine.UpstreamCandidate) (engine.FilterOutput, error) {
	c := f.begin("filter", ctx, p, ctx.Watch)
	defer f.rt.end(c.runner)
	f.Watch(&c.Call, candidates)
	out, err := f.decide(c, candidates)
	if err == nil {
		f.Keep(&c.Call, p, out)
	}
	return out, err
}

func (f *filter) decide(c *call, candidates []engine.UpstreamCandidate) (engine.FilterOutput, error) {
	if f.drop != nil {
		return f.each(c, candidates)
	}
	c.room = [...]sky.Value{&c.ctx, &c.principal, c.list(f.instance, candidates), nil}
	v, err := c.run(f.filter, c.room[:3])
	if err != nil {
		return engine.FilterOutput{}, filterError(err)
	}
	out, err := runtimes.DecodeFilter(v, candidates)
	if err != nil {
		return engine.FilterOutput{}, filterError(f.filter.placed(err))
	}
	return out, nil
}

// each asks drop about one candidate after the other, within one budget.
func (f *filter) each(c *call, candidates []engine.UpstreamCandidate) (engine.FilterOutput, error) {
	hosts := c.hosts(f.instance, candidates)
	out, err := runtimes.Dropping(candidates, func(i int) (runtimes.Value, error) {
		c.room = [...]sky.Value{&c.ctx, &c.principal, &hosts[i].object, nil}
		return c.run(f.drop, c.room[:3])
	})
	if err != nil {
		return engine.FilterOutput{}, filterError(f.drop.placed(err))
	}
	return out, nil
}

// candidate is the host value of a candidate. All of a call lie in one slice.
type candidate struct {
	object
	runtimes.Candidate
}

func (c *call) hosts(i *instance, candidates []engine.UpstreamCandidate) []candidate {
	hosts := make([]candidate, len(candidates))
	for n := range hosts {
		h := &hosts[n]
		h.Candidate = runtimes.Candidate{UpstreamCandidate: &candidates[n], Call: &c.Call}
		h.object = object{of: runtimes.TypeCandidate, receiver: &h.Candidate, call: &c.Call, fixed: i.fixed[candidates[n].Upstream]}
	}
	return hosts
}

// list is the candidates as a script gets them.
func (c *call) list(i *instance, candidates []engine.UpstreamCandidate) *sky.List {
	hosts := c.hosts(i, candidates)
	elems := make([]sky.Value, len(hosts))
	for n := range hosts {
		elems[n] = &hosts[n].object
	}
	l := sky.NewList(elems)
	l.Freeze()
	return l
}

// filterError wraps what a script did wrong. A budget that ran out, like a panic, is a trap.
func filterError(err error) error {
	out := &engine.FilterError{Variant: engine.FilterRuntime, Reason: reasonOf(err), Cause: err}
	var script *engine.ScriptError
	if errors.As(err, &script) && (script.Trap || script.Budget != "") {
		out.Variant = engine.FilterTrap
	}
	return out
}
