package lua

import (
	"errors"

	"sluice/engine"
	"sluice/runtimes"
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
		return nil, handshakeFailed(f.drop.at("defines both filter and drop, want one of them"))
	}
	return f, nil
}

// Filter asks the script. An error is a *engine.FilterError.
func (f *filter) Filter(ctx *engine.RequestContext, p *engine.Principal,
	candidates []engine.UpstreamCandidate) (engine.FilterOutput, error) {
	c, err := f.begin("filter", ctx, ctx.Watch)
	if err != nil {
		return engine.FilterOutput{}, filterError(err)
	}
	defer c.end()
	watched := f.Watch(&c.Call, candidates)
	if watched && !c.asLoaded() {
		f.Off()
	}
	out, err := f.decide(c, p, candidates)
	switch {
	case err != nil || !watched:
	case c.asLoaded():
		f.Keep(&c.Call, p, out)
	default:
		f.Off()
	}
	return out, err
}

func (f *filter) decide(c *call, p *engine.Principal, candidates []engine.UpstreamCandidate) (engine.FilterOutput, error) {
	if f.drop != nil {
		return f.each(c, p, candidates)
	}
	v, err := c.run(f.filter, c.ctxValue(), c.principalValue(p), c.listValue(candidates))
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
func (f *filter) each(c *call, p *engine.Principal, candidates []engine.UpstreamCandidate) (engine.FilterOutput, error) {
	ctx, principal, held := c.ctxValue(), c.principalValue(p), *c.hold(candidates)
	out, err := runtimes.Dropping(candidates, func(i int) (runtimes.Value, error) {
		return c.run(f.drop, ctx, principal, held[i].value())
	})
	if err != nil {
		return engine.FilterOutput{}, filterError(f.drop.placed(err))
	}
	return out, nil
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
