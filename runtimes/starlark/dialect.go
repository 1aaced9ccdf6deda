package starlark

import (
	"slices"

	"sluice/engine"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// dialect is an upstream's dialect. What its script does not define stays as it is.
type dialect struct {
	*instance
	shape, normalize, response, event *hook
	paths                             []string     // nil = all
	watch                             engine.Watch // who bounds an error's normalization from outside; nil = nobody does
}

var (
	_ engine.AnswerDialect  = (*dialect)(nil)
	_ engine.PathDialect    = (*dialect)(nil)
	_ engine.WatchedDialect = (*dialect)(nil)
)

// InstantiateDialect makes a dialect of a script that defines at least one of a dialect's hooks.
func (rt *Runtime) InstantiateDialect(m *engine.PluginManifest) (engine.Dialect, error) {
	i, err := rt.instantiate(m)
	if err != nil {
		return nil, err
	}
	d := &dialect{instance: i}
	names := []string{"shape", "normalize_error", "transform_response", "transform_event"}
	none := true
	for n, to := range []**hook{&d.shape, &d.normalize, &d.response, &d.event} {
		if *to, err = i.hook(names[n]); err != nil {
			return nil, err
		}
		none = none && *to == nil
	}
	if none {
		return nil, i.missing(m.Name, names...)
	}
	plugin, _ := i.Global("plugin")
	d.paths = runtimes.PluginList(plugin, "paths")
	return d, nil
}

// Serves reports whether the script's wire has a path.
func (d *dialect) Serves(path string) bool { return d.paths == nil || slices.Contains(d.paths, path) }

// Shape lets the script edit the request. An error is a *engine.DialectError.
func (d *dialect) Shape(
	ctx *engine.RequestContext, u *engine.Upstream, p *engine.Principal, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
	if d.shape == nil {
		return b.Build(engine.DraftOf(ctx, u))
	}
	c := d.begin("shape", ctx, p, ctx.Watch)
	defer d.rt.end(c.runner)
	c.extend(len(ctx.Body))
	request := runtimes.NewRequest(&c.Call, u)
	state := kept(b.State())
	request.State = lower(&state.Dict)
	upstream := &object{of: runtimes.TypeUpstream, receiver: runtimes.NewUpstream(&c.Call, u), call: &c.Call, fixed: d.fixed[u]}
	c.room = [...]sky.Value{&c.ctx, upstream, &c.principal, newObject(&c.Call, runtimes.TypeRequest, request)}
	v, err := c.run(d.shape, c.room[:])
	if err != nil {
		return engine.Shaped{}, request.Failed(reasonOf(err), err)
	}
	if err := runtimes.DecodeNothing("shape", v); err != nil {
		return engine.Shaped{}, dialectError(c.returned(d.shape, err))
	}
	draft := request.Draft()
	if err := c.leave(b.State(), state, c.allocated(), len(draft.Body)-len(ctx.Body)); err != nil {
		return engine.Shaped{}, dialectError(c.returned(d.shape, err))
	}
	return b.Build(draft)
}

// WatchedBy returns the dialect for one error that it normalizes.
func (d *dialect) WatchedBy(w engine.Watch) engine.Dialect {
	watched := *d
	watched.watch = w
	return &watched
}

// NormalizeError lets the script translate an error answer. An error is a *engine.DialectError.
func (d *dialect) NormalizeError(status int, headers engine.Headers, body []byte) (*engine.NormalizedError, error) {
	if d.normalize == nil {
		return nil, nil
	}
	c := d.begin("normalize_error", nil, nil, d.watch)
	defer d.rt.end(c.runner)
	c.extend(len(body))
	c.room = [...]sky.Value{
		sky.MakeInt(status),
		newObject(&c.Call, runtimes.TypeBody, runtimes.NewBody(&c.Call, body)),
		newObject(&c.Call, runtimes.TypeHeaders, runtimes.NewHeaders(&c.Call, headers)),
		nil,
	}
	v, err := c.run(d.normalize, c.room[:3])
	if err != nil {
		return nil, dialectError(err)
	}
	out, err := runtimes.DecodeNormalized(&c.Call, v)
	if err != nil {
		return nil, dialectError(c.returned(d.normalize, err))
	}
	return out, nil
}

// Transforms tells which hooks there are for answers.
func (d *dialect) Transforms() (responses, events bool) { return d.response != nil, d.event != nil }

// TransformResponse lets the script translate an answer. An error is a *engine.DialectError.
func (d *dialect) TransformResponse(ctx *engine.RequestContext, s *engine.State, r *engine.Reply) (*engine.Reply, error) {
	c := d.begin("transform_response", ctx, nil, ctx.Watch)
	defer d.rt.end(c.runner)
	c.extend(len(r.Body))
	response, state := runtimes.NewResponse(&c.Call, r), kept(s)
	response.State = lower(&state.Dict)
	c.room = [...]sky.Value{&c.ctx, newObject(&c.Call, runtimes.TypeResponse, response), nil, nil}
	v, err := c.run(d.response, c.room[:2])
	if err != nil {
		return nil, dialectError(err)
	}
	out, err := runtimes.DecodeReply(response, v)
	if err == nil {
		err = c.leave(s, state, c.allocated(), response.Made())
	}
	if err != nil {
		return nil, dialectError(c.returned(d.response, err))
	}
	return out, nil
}

// TransformEvent lets the script translate one event of a stream. An error is a *engine.DialectError.
func (d *dialect) TransformEvent(ctx *engine.RequestContext, s *engine.State, e engine.StreamEvent) ([]engine.StreamEvent, error) {
	c := d.begin("transform_event", ctx, nil, ctx.Watch)
	defer d.rt.end(c.runner)
	event, state := runtimes.NewStreamEvent(&c.Call, e), kept(s)
	c.room = [...]sky.Value{&c.ctx, newObject(&c.Call, runtimes.TypeStreamEvent, event), &state.Dict, nil}
	v, err := c.run(d.event, c.room[:3])
	if err != nil {
		return nil, dialectError(err)
	}
	out, err := runtimes.DecodeEvents(event, v)
	if err == nil {
		err = c.leave(s, state, c.allocated()+int64(len(e.Data)), runtimes.Made(out))
	}
	if err != nil {
		return nil, dialectError(c.returned(d.event, err))
	}
	return out, nil
}

func dialectError(err error) error {
	return &engine.DialectError{Variant: engine.DialectUnsupportedRequest, Reason: reasonOf(err), Cause: err}
}
