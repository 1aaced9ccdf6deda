package lua

import (
	"sluice/engine"
	"sluice/runtimes"
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
		return nil, i.missing("shape", "normalize_error")
	}
	return d, nil
}

// Shape lets the script edit the request. An error is a *engine.DialectError.
func (d *dialect) Shape(ctx *engine.RequestContext, u *engine.Upstream, p *engine.Principal,
	b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
	if d.shape == nil {
		return b.Build(engine.DraftOf(ctx, u))
	}
	c, err := d.begin("shape", ctx)
	if err != nil {
		return engine.Shaped{}, dialectError(err)
	}
	defer c.end()
	c.meter.extend(len(ctx.Body))
	request := runtimes.NewRequest(&c.Call, u)
	request.State = lower(c.L.CreateTable(0, 0))
	v, err := c.run(d.shape, c.ctxValue(), c.newHost(&c.Call, runtimes.OfHost(runtimes.TypeUpstream, runtimes.NewUpstream(&c.Call, u))),
		c.principalValue(p), c.newHost(&c.Call, runtimes.OfHost(runtimes.TypeRequest, request)))
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
	c, err := d.begin("normalize_error", nil)
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
		return nil, dialectError(d.normalize.placed(err))
	}
	return out, nil
}

func dialectError(err error) error {
	return &engine.DialectError{Variant: engine.DialectUnsupportedRequest, Reason: reasonOf(err), Cause: err}
}
