package engine

import "strings"

// Passthrough is the dialect "none": the request goes as it came, to the same path below the upstream's base address.
type Passthrough struct{}

// Shape sends the request as it came.
func (Passthrough) Shape(ctx *RequestContext, u *Upstream, _ *Principal, b *ShapedRequestBuilder) (Shaped, error) {
	var d Draft
	d.pass(ctx, u)
	if uri, ok := u.below(ctx.Path, ctx.Query); ok {
		r := b.room()
		r.to.scheme, r.to.host, r.to.uri = u.BaseURL.Scheme, u.BaseURL.Host, uri
		return b.build(r, &d)
	}
	d.URL = addressOf(ctx, u)
	return b.Build(d)
}

// NormalizeError passes every error as it is.
func (Passthrough) NormalizeError(int, Headers, []byte) (*NormalizedError, error) { return nil, nil }

// DraftOf is a request as it came, addressed to u: what a dialect begins with.
func DraftOf(ctx *RequestContext, u *Upstream) Draft {
	var d Draft
	d.pass(ctx, u)
	d.URL = addressOf(ctx, u)
	return d
}

// pass makes d a request as it came, without its address.
func (d *Draft) pass(ctx *RequestContext, u *Upstream) {
	d.Method, d.Headers, d.Body = ctx.Method, ctx.Headers, ctx.Body
	if n := ctx.NativeTo(u); n != nil {
		d.Headers, d.Body = n.Headers, n.Body
	}
}

func addressOf(ctx *RequestContext, u *Upstream) string {
	base := u.BaseURL.Scheme + "://" + u.BaseURL.Host + strings.TrimSuffix(u.BaseURL.EscapedPath(), "/")
	if ctx.Query == "" {
		return base + ctx.Path
	}
	return base + ctx.Path + "?" + ctx.Query
}
