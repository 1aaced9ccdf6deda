package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// Answer is what the pipeline found for a request: an upstream's answer, of whatever status, and who gave it. The caller closes it.
type Answer struct {
	*Response
	Upstream *UpstreamSlot
	Dialect  *DialectSlot
	// Original is the body that the upstream sent, where the dialect replaced it; nil = it did not.
	Original []byte
	// Withheld: the body is an error of ours, in the place of one that the dialect could not look at.
	Withheld bool

	visit Visit // nil: no upstream gave it
	body  visited
}

// Broke notes that the answer ended too early, which its upstream's health is told once.
func (a *Answer) Broke() {
	if a.visit != nil {
		a.visit.Broke()
	}
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
	return g.search(ctx, x, t, left)
}

// Ask is Serve for one more question of a request that was decided, to the upstream that answered it.
func (g *Generation) Ask(ctx context.Context, x *Exchange, t Transport, u *UpstreamSlot) (*Answer, error) {
	a := x.account(u)
	return g.search(ctx, x, t, []UpstreamCandidate{{Upstream: u.Upstream, Vitals: g.health().Look(&a, time.Now())}})
}

// search asks those that are left, one after the other.
func (g *Generation) search(ctx context.Context, x *Exchange, t Transport, left []UpstreamCandidate) (*Answer, error) {
	var s search
	s.g, s.x, s.transport, s.health, s.left = g, x, t, g.health(), left
	attempts := len(left)
	if g.Retry.Attempts > 0 {
		attempts = min(attempts, g.Retry.Attempts)
	}
	if wait := g.Timeouts.ResponseHeader; wait > 0 && wait <= math.MaxInt64/time.Duration(attempts) { // each attempt's, and so many times that of all
		s.until = time.Now().Add(wait * time.Duration(attempts))
	}
	return s.run(ctx)
}

// attempt shapes, signs and sends the request to one upstream; where that refuses the credential it gets one more try with a fresher one,
// shaped anew. The visit is the answer's from then on, or over. An error is a *Refusal.
func (s *search) attempt(ctx context.Context, u *UpstreamSlot, d *DialectSlot, visit Visit) (*Answer, Verdict, error) {
	d = d.Serving(s.x)
	var answer *Answer
	defer func() {
		if answer == nil { // or a script panics
			visit.Leave()
		}
	}()
	signer, err := s.x.signer(ctx, u)
	if err != nil {
		return nil, Verdict{Elsewhere: true}, err
	}
	resp, o, err := s.send(ctx, u, d, signer)
	if err == nil && o.RefusesCredential() {
		retry := signer.OnUnauthorized(ctx, &UpstreamError{Variant: UpstreamUnauthorized, Status: resp.Status, Body: o.Body})
		if retry.Refreshed == nil && ctx.Err() != nil { // nobody waited to see whether a fresher one is to be had
			resp.Body.Close()
			return nil, Verdict{}, gone(context.Cause(ctx))
		}
		if retry.Refreshed != nil {
			s.judge(ctx, visit, o)
			resp.Body.Close()
			s.x.Request.Attempt++
			resp, o, err = s.send(ctx, u, d, retry.Refreshed)
		}
		o.Fresh, o.Again = true, retry.Again
	}
	if o.Status == 0 && o.Err == nil { // it never went out
		return nil, Verdict{Elsewhere: true}, err
	}
	verdict := s.judge(ctx, visit, o)
	if err != nil {
		return nil, verdict, s.x.noAnswer(u, err)
	}
	answer = s.x.room()
	answer.Response, answer.Upstream, answer.Dialect, answer.visit = resp, u, d, visit
	answer.body = visited{resp.Body, resp, visit, ctx}
	resp.Body = &answer.body
	return answer, verdict, nil
}

// room is where an answer lies that nobody has yet: the first one within x.
func (x *Exchange) room() *Answer {
	if x.first.Response != nil {
		return new(Answer)
	}
	return &x.first
}

func (x *Exchange) signer(ctx context.Context, u *UpstreamSlot) (Signer, error) {
	x.Upstream = u
	factory := u.Signers
	if aware, ok := factory.(KeyAwareSignerFactory); ok {
		factory = aware.WithRouterChoice(x.Client, u.Name)
	}
	signer, err := factory.Build(ctx, u.Upstream)
	if err != nil {
		return nil, x.signerFailed(ctx, u, err)
	}
	return signer, nil
}

// signerFailed is the end of an attempt, or of the request if the client left while a credential was renewed.
func (x *Exchange) signerFailed(ctx context.Context, u *UpstreamSlot, err error) error {
	if ctx.Err() != nil {
		return gone(context.Cause(ctx))
	}
	x.Trace.fail(InternalError{Stage: StageSigner, Kind: InternalUnavailable, Message: err.Error(), Code: CodeSignerFailed, cause: err})
	return &Refusal{Code: CodeSignerFailed, Message: fmt.Sprintf("upstream %q: its credential could not be applied", u.Name), Cause: err}
}

// gone is why a request ended that nobody waits for.
func gone(cause error) *Refusal {
	if told, ok := errors.AsType[*Refusal](cause); ok {
		return told
	}
	return &Refusal{Code: CodeClientGone, Message: "the client left", Cause: cause}
}

// send makes one round trip: shape, sign, send. The outcome is empty if nothing was sent.
func (s *search) send(ctx context.Context, u *UpstreamSlot, d *DialectSlot, signer Signer) (*Response, *Outcome, error) {
	g, x := s.g, s.x
	o := &x.outcome
	*o = Outcome{Theirs: u.ForwardsClient}
	x.meet(u, &o.To)
	x.Request.Vitals = s.vitals(u)
	shaped, err := g.shape(x, u, d)
	if err != nil {
		return nil, o, err
	}
	signed, err := signRequest(ctx, signer, shaped)
	if err != nil {
		return nil, o, x.signerFailed(ctx, u, err)
	}
	if ctx.Err() != nil { // nobody waits any more, since scripts or the signer ran
		return nil, o, gone(context.Cause(ctx))
	}
	start := time.Now()
	if x.Dispatched.IsZero() {
		x.Dispatched = start
	}
	if g.Observers != nil {
		g.Observers.Emit(UpstreamChosen{EventHead{x.Request.RequestID, start}, u.Name, x.Request.Attempt})
	}
	x.veil.cover(signed)
	resp, err := s.transport.RoundTrip(ctx, signed)
	x.sent()
	o.Now = time.Now()
	o.TTFB = o.Now.Sub(start)
	a := x.Trace.attempt(u.Name)
	if err != nil {
		o.Err, a.Error = err, Cut(err.Error(), MaxErrorMessage)
	} else {
		a.Status, a.TTFB, o.Status, o.Headers = resp.Status, o.TTFB, resp.Status, x.veil.headers(resp.Headers)
		if resp.Status/100 == 4 {
			o.Body = x.veil.text(resp.Plain(resp.Peek(UpstreamErrorBody), UpstreamErrorBody))
		}
		if renewed, ok := signer.(RenewedSigner); ok && resp.Status/100 == 2 {
			renewed.OnAccepted()
		}
	}
	return resp, o, err
}

// judge tells the upstream's health what came of the last round trip, and the trace what that means. What a client's leaving cut off
// means nothing.
func (s *search) judge(ctx context.Context, visit Visit, o *Outcome) Verdict {
	if o.Err != nil && ctx.Err() != nil {
		return Verdict{}
	}
	v := visit.Judge(o)
	a := &s.x.Trace.Attempts[len(s.x.Trace.Attempts)-1]
	a.Class, a.Cooling = v.Class, v.Cool
	return v
}

func (g *Generation) shape(x *Exchange, u *UpstreamSlot, d *DialectSlot) (Shaped, error) {
	x.become(State{})
	var start time.Time
	if d.Script != "" {
		start = time.Now()
	}
	shaped, dropped, err := d.shape(x, u.Upstream)
	if d.Script != "" {
		d.Meter.observe(start, err)
	}
	for _, name := range dropped {
		x.Trace.fail(notItsHeader(StageShape, name))
	}
	if err != nil {
		x.become(State{})
		x.Trace.failed(StageShape, CodeDialectFailed, d.Meter, err)
		return Shaped{}, &Refusal{Code: CodeDialectFailed, Message: fmt.Sprintf("the request could not be shaped for upstream %q%s", u.Name, raised(err)),
			Cause: err}
	}
	return shaped, nil
}

// notItsHeader is the record of a header that a dialect set in vain.
func notItsHeader(stage InternalErrorStage, name string) InternalError {
	return InternalError{Stage: stage, Kind: InternalInvalidOutput, Code: CodeDialectFailed,
		Message: fmt.Sprintf("dialect set header %q, which is not its to set: dropped", name)}
}

// raised is what a script tells who asked: the words that it failed with on purpose. Its other errors are for the log.
func raised(err error) string {
	var script *ScriptError
	if !errors.As(err, &script) || script.Raised == "" {
		return ""
	}
	return ": " + Visible(Cut(script.Raised, MaxReason))
}

// noAnswer is the refusal of a request that an upstream gave no answer to, which is recorded: another upstream may have one.
func (x *Exchange) noAnswer(u *UpstreamSlot, err error) *Refusal {
	r := x.unanswered(u, err)
	if r.Code == CodeClientGone {
		return r
	}
	e := InternalError{Stage: StageRelay, Kind: InternalUnavailable, Message: err.Error(), Code: r.Code, cause: err}
	if r.Code == CodeUpstreamTimeout {
		e.Kind = InternalTimeout
	}
	if errors.Is(err, r) {
		e.Message = r.Message
	}
	x.Trace.fail(e)
	return r
}

func (x *Exchange) unanswered(u *UpstreamSlot, err error) *Refusal {
	var refusal *Refusal
	what := "could not be reached"
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.Is(err, ErrUpstreamTimeout):
		return &Refusal{Code: CodeUpstreamTimeout, Message: fmt.Sprintf("upstream %q sent no answer in time", u.Name), Cause: err}
	case errors.Is(err, context.Canceled):
		return gone(err)
	case errors.Is(err, ErrBegun):
		what = "began an answer that cannot be read"
	}
	return &Refusal{Code: CodeUpstreamUnreachable, Message: fmt.Sprintf("upstream %q %s", u.Name, what), Cause: err}
}

// visited is an answer's body that tells the upstream's health how it ends.
type visited struct {
	io.ReadCloser
	of    *Response
	visit Visit
	ctx   context.Context
}

// Read notes an answer that broke off. That the client left is not its upstream's failure, and whether an event stream was whole by then its
// relay knows.
func (v *visited) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	if err != nil && err != io.EOF && v.ctx.Err() == nil && !v.of.IsEventStream() {
		v.visit.Broke()
	}
	return n, err
}

// Close ends the visit.
func (v *visited) Close() error {
	defer v.visit.Leave()
	return v.ReadCloser.Close()
}
