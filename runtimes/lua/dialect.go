package lua

import (
	"slices"

	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
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
	d.paths = i.paths
	return d, nil
}

// Serves reports whether the script's wire has a path.
func (d *dialect) Serves(path string) bool { return d.paths == nil || slices.Contains(d.paths, path) }

// Shape lets the script edit the request. An error is a *engine.DialectError.
func (d *dialect) Shape(ctx *engine.RequestContext, u *engine.Upstream, p *engine.Principal,
	b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
	if d.shape == nil {
		return b.Build(engine.DraftOf(ctx, u))
	}
	c, err := d.begin("shape", ctx, ctx.Watch)
	if err != nil {
		return engine.Shaped{}, dialectError(err)
	}
	defer c.end()
	c.meter.extend(len(ctx.Body))
	request := runtimes.NewRequest(&c.Call, u)
	state := c.kept(b.State())
	request.State = lower(state)
	v, err := c.run(d.shape, c.ctxValue(), c.newHost(&c.Call, runtimes.OfHost(runtimes.TypeUpstream, runtimes.NewUpstream(&c.Call, u))),
		c.principalValue(p), c.newHost(&c.Call, runtimes.OfHost(runtimes.TypeRequest, request)))
	if err != nil {
		return engine.Shaped{}, request.Failed(reasonOf(err), err)
	}
	if err := runtimes.DecodeNothing("shape", v); err != nil {
		return engine.Shaped{}, c.unkept(d.shape, err)
	}
	draft := request.Draft()
	if err := c.leave(b.State(), state, len(draft.Body)-len(ctx.Body)); err != nil {
		return engine.Shaped{}, c.unkept(d.shape, err)
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
	c, err := d.begin("normalize_error", nil, d.watch)
	if err != nil {
		return nil, dialectError(err)
	}
	defer c.end()
	c.meter.extend(len(body))
	v, err := c.run(d.normalize, number(float64(status)),
		c.newHost(&c.Call, runtimes.OfHost(runtimes.TypeBody, runtimes.NewBody(&c.Call, body))),
		c.newHost(&c.Call, runtimes.OfHost(runtimes.TypeHeaders, runtimes.NewHeaders(&c.Call, headers))))
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
	c, err := d.begin("transform_response", ctx, ctx.Watch)
	if err != nil {
		return nil, dialectError(err)
	}
	defer c.end()
	c.meter.extend(len(r.Body))
	response, state := runtimes.NewResponse(&c.Call, r), c.kept(s)
	response.State = lower(state)
	v, err := c.run(d.response, c.ctxValue(), c.newHost(&c.Call, runtimes.OfHost(runtimes.TypeResponse, response)))
	if err != nil {
		return nil, dialectError(err)
	}
	out, err := runtimes.DecodeReply(response, v)
	if err == nil {
		err = c.leave(s, state, response.Made())
	}
	if err != nil {
		return nil, c.unkept(d.response, err)
	}
	return out, nil
}

// TransformEvent lets the script translate one event of a stream. An error is a *engine.DialectError.
func (d *dialect) TransformEvent(ctx *engine.RequestContext, s *engine.State, e engine.StreamEvent) ([]engine.StreamEvent, error) {
	c, err := d.begin("transform_event", ctx, ctx.Watch)
	if err != nil {
		return nil, dialectError(err)
	}
	defer c.end()
	event := runtimes.NewStreamEvent(&c.Call, e)
	args := []glua.LValue{c.ctxValue(), c.newHost(&c.Call, runtimes.OfHost(runtimes.TypeStreamEvent, event)), nil}[:d.event.args]
	var state *glua.LTable
	if len(args) == 3 {
		state = c.kept(s)
		args[2] = state
	}
	v, err := c.run(d.event, args...)
	if err != nil {
		return nil, dialectError(err)
	}
	out, err := runtimes.DecodeEvents(event, v)
	if err == nil {
		err = c.leave(s, state, runtimes.Made(out))
	}
	if err != nil {
		return nil, c.unkept(d.event, err)
	}
	return out, nil
}

// unkept is the error of a call that keeps nothing, though it had the state of its attempt: what it left that leads there goes with its
// interpreter.
func (c *call) unkept(h *hook, err error) error {
	c.failed = true
	return dialectError(c.returned(h, err))
}

func dialectError(err error) error {
	return &engine.DialectError{Variant: engine.DialectUnsupportedRequest, Reason: reasonOf(err), Cause: err}
}
