package starlark

import (
	"sluice/engine"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
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
func (r *router) Route(
	ctx *engine.RequestContext, p *engine.Principal, candidates []engine.UpstreamCandidate) (engine.RouteDecision, error) {
	c := r.begin("route", ctx, p, ctx.Watch)
	defer r.rt.end(c.runner)
	c.room = [...]sky.Value{&c.ctx, &c.principal, c.list(r.instance, candidates), nil}
	v, err := c.run(r.route, c.room[:3])
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
