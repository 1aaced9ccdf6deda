package starlark

import (
	"sluice/engine"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// dialect is an upstream's dialect. What its script does not define stays as it is.
type dialect struct {
	*instance
	shape, normalize *hook
}

// InstantiateDialect makes a dialect of a script that defines shape, normalize_error or both.
func (rt *Runtime) InstantiateDialect(m *engine.PluginManifest) (engine.Dialect, error) {
	i, err := rt.instantiate(m)
	if err != nil {
		return nil, err
	}
	d := &dialect{instance: i}
	if d.shape, err = i.hook("shape"); err != nil {
		return nil, err
	}
	if d.normalize, err = i.hook("normalize_error"); err != nil {
		return nil, err
	}
	if d.shape == nil && d.normalize == nil {
		return nil, i.missing(m.Name, "shape", "normalize_error")
	}
	return d, nil
}

// Shape lets the script edit the request. An error is a *engine.DialectError.
func (d *dialect) Shape(
	ctx *engine.RequestContext, u *engine.Upstream, p *engine.Principal, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
	if d.shape == nil {
		return b.Build(engine.DraftOf(ctx, u))
	}
	c := d.begin("shape", ctx, p, d.budget)
	defer d.rt.end(c.runner)
	c.extend(len(ctx.Body))
	request := runtimes.NewRequest(&c.Call, u)
	request.State = lower(new(sky.Dict))
	upstream := &object{of: runtimes.TypeUpstream, receiver: runtimes.NewUpstream(&c.Call, u), call: &c.Call, fixed: d.fixed[u]}
	c.room = [...]sky.Value{&c.ctx, upstream, &c.principal, newObject(&c.Call, runtimes.TypeRequest, request)}
	v, err := c.run(d.shape, c.room[:])
	if err != nil {
		return engine.Shaped{}, request.Failed(reasonOf(err), err)
	}
	if err := runtimes.DecodeNothing("shape", v); err != nil {
		return engine.Shaped{}, dialectError(d.shape.placed(err))
	}
	return b.Build(request.Draft())
}

// NormalizeError lets the script translate an error answer. An error is a *engine.DialectError.
func (d *dialect) NormalizeError(status int, headers engine.Headers, body []byte) (*engine.NormalizedError, error) {
	if d.normalize == nil {
		return nil, nil
	}
	c := d.begin("normalize_error", nil, nil, d.budget)
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
		return nil, dialectError(d.normalize.placed(err))
	}
	return out, nil
}

func dialectError(err error) error {
	return &engine.DialectError{Variant: engine.DialectUnsupportedRequest, Reason: reasonOf(err), Cause: err}
}
