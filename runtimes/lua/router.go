package lua

import (
	"sluice/engine"
	"sluice/runtimes"
)

// router is the bound router.
type router struct {
	*instance
	route *hook
}

// InstantiateRouter makes a router of a script that defines route.
//
// Deprecated: as engine.Router.
func (rt *Runtime) InstantiateRouter(m *engine.PluginManifest) (engine.Router, error) {
	i, err := rt.instantiate(m)
	if err != nil {
		return nil, err
	}
	r := &router{instance: i}
	if r.route, err = i.hook("route"); err != nil {
		return nil, err
	}
	if r.route == nil {
		return nil, i.missing(m.Name, "route")
	}
	return r, nil
}

// Route asks the script. An error is a *engine.RouteError.
func (r *router) Route(ctx *engine.RequestContext, p *engine.Principal,
	candidates []engine.UpstreamCandidate) (engine.RouteDecision, error) {
	c, err := r.begin("route", ctx, ctx.Watch)
	if err != nil {
		return engine.RouteDecision{}, routeError(engine.RouteRuntime, err)
	}
	defer c.end()
	v, err := c.run(r.route, c.ctxValue(), c.principalValue(p), c.listValue(candidates))
	if err != nil {
		return engine.RouteDecision{}, routeError(engine.RouteRuntime, err)
	}
	out, err := runtimes.DecodeRoute(v, candidates)
	if err != nil {
		return engine.RouteDecision{}, routeError(engine.RouteNoRoute, r.route.placed(err))
	}
	return out, nil
}

func routeError(v engine.RouteVariant, err error) error {
	return &engine.RouteError{Variant: v, Reason: reasonOf(err), Cause: err}
}
