package engine

import "strings"

// Passthrough is the dialect "none": the request goes as it came, to the same path below the upstream's base address.
type Passthrough struct{}

// Shape sends the request as it came.
func (Passthrough) Shape(ctx *RequestContext, u *Upstream, _ *Principal, b *ShapedRequestBuilder) (Shaped, error) {
	if to, ok := u.below(ctx.Path, ctx.Query); ok {
		d := asItCame(ctx, u)
		return b.build(to, &d)
	}
	return b.Build(DraftOf(ctx, u))
}

// NormalizeError passes every error as it is.
func (Passthrough) NormalizeError(int, Headers, []byte) (*NormalizedError, error) { return nil, nil }

// DraftOf is a request as it came, addressed to u: what a dialect begins with.
func DraftOf(ctx *RequestContext, u *Upstream) Draft {
	d := asItCame(ctx, u)
	d.URL = addressOf(ctx, u)
	return d
}

// asItCame is a draft without its address.
func asItCame(ctx *RequestContext, u *Upstream) Draft {
	d := Draft{Method: ctx.Method, Headers: ctx.Headers, Body: ctx.Body}
	if n := ctx.NativeTo(u); n != nil {
		d.Headers, d.Body = n.Headers, n.Body
	}
	return d
}

func addressOf(ctx *RequestContext, u *Upstream) string {
	base := u.BaseURL.Scheme + "://" + u.BaseURL.Host + strings.TrimSuffix(u.BaseURL.EscapedPath(), "/")
	if ctx.Query == "" {
		return base + ctx.Path
	}
	return base + ctx.Path + "?" + ctx.Query
}
