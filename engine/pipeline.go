package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Answer is what the pipeline found for a request: an upstream's answer, of whatever status, and who gave it. The caller closes it.
type Answer struct {
	*Response
	Upstream *UpstreamSlot
	Dialect  *DialectSlot
}

// Serve finds an upstream for x, sends it the request through t and returns its answer. An error is a *Refusal: nothing of an answer
// has reached the client, and nothing is left open.
func (g *Generation) Serve(ctx context.Context, x *Exchange, t Transport) (*Answer, error) {
	candidates, err := g.Candidates(x)
	if err != nil {
		return nil, err
	}
	left, err := g.Filter(x, candidates)
	if err != nil {
		return nil, err
	}
	for {
		upstream, dialect, err := g.Pick(x, left)
		if err != nil {
			return nil, err
		}
		answer, err := g.attempt(ctx, x, upstream, dialect, t)
		if err == nil {
			return answer, nil
		}
		left = without(left, upstream)
		if len(left) == 0 || !mayTryNext(err) {
			return nil, err
		}
	}
}

// mayTryNext reports whether another candidate may be asked: only where nothing was sent to this one.
func mayTryNext(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && (r.Code == CodeDialectFailed || r.Code == CodeSignerFailed)
}

func without(c []UpstreamCandidate, u *UpstreamSlot) []UpstreamCandidate {
	out := make([]UpstreamCandidate, 0, len(c))
	for i := range c {
		if c[i].ID != u.ID {
			out = append(out, c[i])
		}
	}
	return out
}

// attempt shapes, signs and sends the request to one upstream; a 401 gets one more try with a refreshed credential, shaped anew.
func (g *Generation) attempt(ctx context.Context, x *Exchange, u *UpstreamSlot, d *DialectSlot, t Transport) (*Answer, error) {
	signer, err := x.signer(ctx, u)
	if err != nil {
		return nil, err
	}
	resp, err := g.send(ctx, x, u, d, signer, t)
	if err != nil || resp.Status != 401 {
		return g.answer(x, u, d, resp, err)
	}
	refused := unauthorized(resp)
	retry := signer.OnUnauthorized(ctx, refused)
	if retry.Refreshed == nil {
		return g.refused(x, u, d, resp, refused)
	}
	resp.Body.Close()
	resp, err = g.send(ctx, x, u, d, retry.Refreshed, t)
	if err == nil && resp.Status == 401 {
		return g.refused(x, u, d, resp, unauthorized(resp))
	}
	return g.answer(x, u, d, resp, err)
}

func (x *Exchange) signer(ctx context.Context, u *UpstreamSlot) (Signer, error) {
	x.Upstream = u
	factory := u.Signers
	if aware, ok := factory.(KeyAwareSignerFactory); ok {
		factory = aware.WithRouterChoice(x.Client, u.Name)
	}
	signer, err := factory.Build(ctx, u.Upstream)
	if err != nil {
		return nil, x.signerFailed(u, err)
	}
	return signer, nil
}

func (x *Exchange) signerFailed(u *UpstreamSlot, err error) error {
	x.Trace.fail(StageSigner, InternalUnavailable, err.Error())
	return &Refusal{Code: CodeSignerFailed, Message: fmt.Sprintf("upstream %q: its credential could not be applied", u.Name), Cause: err}
}

// send makes one attempt: shape, sign, round trip.
func (g *Generation) send(ctx context.Context, x *Exchange, u *UpstreamSlot, d *DialectSlot, signer Signer, t Transport) (*Response, error) {
	x.Request.Attempt++
	shaped, err := g.shape(x, u, d)
	if err != nil {
		return nil, err
	}
	signed, err := signRequest(ctx, signer, shaped)
	if err != nil {
		return nil, x.signerFailed(u, err)
	}
	start := time.Now()
	if g.Observers != nil {
		g.Observers.Emit(UpstreamChosen{EventHead{x.Request.RequestID, start}, u.Name, x.Request.Attempt})
	}
	resp, err := t.RoundTrip(ctx, signed)
	a := Attempt{Upstream: u.Name, TTFB: time.Since(start)}
	if err != nil {
		a.Error, a.TTFB = Cut(err.Error(), MaxErrorMessage), 0
	} else {
		a.Status = resp.Status
	}
	x.Trace.Attempts = append(x.Trace.Attempts, a)
	return resp, err
}

func (g *Generation) shape(x *Exchange, u *UpstreamSlot, d *DialectSlot) (Shaped, error) {
	start := time.Now()
	x.Request.Vitals = g.Vitals.Vitals(u.Upstream, start)
	shaped, dropped, err := d.shape(x, u.Upstream)
	if d.Script != "" {
		d.Meter.observe(start, err)
	}
	for _, name := range dropped {
		x.Trace.fail(StageShape, InternalInvalidOutput, fmt.Sprintf("dialect set header %q, which is not its to set: dropped", name))
	}
	if err != nil {
		x.Trace.failed(StageShape, d.Meter, err)
		return Shaped{}, &Refusal{Code: CodeDialectFailed, Message: fmt.Sprintf("the request could not be shaped for upstream %q", u.Name), Cause: err}
	}
	return shaped, nil
}

// answer wraps what a round trip gave.
func (g *Generation) answer(x *Exchange, u *UpstreamSlot, d *DialectSlot, resp *Response, err error) (*Answer, error) {
	if err == nil {
		a := &Answer{resp, u, d}
		if resp.Status/100 != 2 {
			a.normalize(x)
		}
		return a, nil
	}
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		return nil, refusal
	case errors.Is(err, ErrUpstreamTimeout):
		return nil, &Refusal{Code: CodeUpstreamTimeout, Message: fmt.Sprintf("upstream %q sent no answer in time", u.Name), Cause: err}
	case errors.Is(err, context.Canceled):
		return nil, &Refusal{Code: CodeClientGone, Message: "the client left", Cause: err}
	}
	x.Trace.fail(StageRelay, InternalUnavailable, err.Error())
	return nil, &Refusal{Code: CodeUpstreamUnreachable, Message: fmt.Sprintf("upstream %q could not be reached", u.Name), Cause: err}
}

// unauthorized looks at what a 401 says. The answer can still be read from its beginning, to wherever it ends or breaks off.
func unauthorized(resp *Response) *UpstreamError {
	body, err := io.ReadAll(io.LimitReader(resp.Body, UpstreamErrorBody))
	resp.unread(body, err)
	return &UpstreamError{Variant: UpstreamUnauthorized, Status: resp.Status, Body: body}
}

// refused ends an exchange that an upstream answered with 401. The client sees it only where the credential was its own.
func (g *Generation) refused(x *Exchange, u *UpstreamSlot, d *DialectSlot, resp *Response, e *UpstreamError) (*Answer, error) {
	if u.ForwardsClient {
		return g.answer(x, u, d, resp, nil)
	}
	resp.Body.Close()
	x.Trace.fail(StageSigner, InternalUnavailable, fmt.Sprintf("upstream %q refused our credential", u.Name))
	return nil, &Refusal{Code: CodeUpstreamCredential, Message: fmt.Sprintf("upstream %q refused the gateway's credential", u.Name), Cause: e}
}
