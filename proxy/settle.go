package proxy

import (
	"strings"
	"time"

	"sluice/engine"
)

// emitStart tells the observers that the request is there, and who asks.
func (x *exchange) emitStart() {
	feed := x.gen.Observers
	if feed == nil {
		return
	}
	h := engine.EventHead{RequestID: x.req.RequestID, At: x.req.Now}
	feed.Emit(engine.RequestStarted{EventHead: h, Method: brief(x.head.method, engine.MaxEventText), Path: brief(x.head.path, engine.MaxEventPath),
		UserAgent: brief(x.req.Headers.Get("user-agent"), engine.MaxEventText)})
	if p := x.head.principal; p != nil {
		feed.Emit(engine.AuthnComplete{EventHead: h, Principal: p.Name, PrincipalKind: p.Kind})
	}
}

// brief is a client's text as an event has it: cut, and a copy, so that an event that waits holds no more of the request.
func brief(text string, most int) string { return strings.Clone(engine.Cut(text, most)) }

// emitError tells the observers why the request was refused, or its answer is not whole.
func (x *exchange) emitError(at time.Time, code engine.Code, message string, source engine.InternalErrorStage) {
	if x.gen == nil || x.gen.Observers == nil {
		return
	}
	h := engine.EventHead{RequestID: x.req.RequestID, At: at}
	x.gen.Observers.Emit(engine.ErrorEvent{EventHead: h, Code: string(code), Message: engine.Cut(message, engine.MaxErrorMessage), Source: string(source)})
}

// emitSurvived tells the observers what went wrong on the way and did not end the request.
func (x *exchange) emitSurvived(at time.Time) {
	for _, e := range x.flow.Trace.Survived(x.failure) {
		x.emitError(at, e.Code, e.Message, e.Stage)
	}
}

// sourceOf is the stage at which a code arises.
func sourceOf(code engine.Code) engine.InternalErrorStage {
	switch code {
	case engine.CodeDeniedByFilter, engine.CodeFilterFailed, engine.CodeNoUpstreamAfterFilter:
		return engine.StageFilter
	case engine.CodeRouterFailed, engine.CodeNoUpstreamAvailable:
		return engine.StageRouter
	case engine.CodeDialectFailed:
		return engine.StageShape
	case engine.CodeSignerFailed, engine.CodeUpstreamCredential:
		return engine.StageSigner
	case engine.CodeUpstreamUnreachable, engine.CodeUpstreamTimeout, engine.CodeClientGone, engine.CodeInternal:
		return engine.StageRelay
	}
	return engine.StageAuthn
}

// settle makes the row of the request and tells whoever wants to know.
func (x *exchange) settle() {
	now := time.Now()
	r := x.record
	r.SessionID, r.Model, r.Stream, r.Trace = x.req.SessionID, x.req.Model, x.req.Stream, x.flow.Trace
	r.Arms = x.flow.ArmLabels()
	if x.flow.Upstream != nil {
		r.Upstream, r.Dialect = x.flow.Upstream.Name, x.flow.Upstream.Dialect.Serving(&x.flow).Version
	}
	if x.counted { // else the address may hold a key
		in := &r.Inputs
		in.Query, in.MaxTokens, in.ServiceTier, in.Headers = x.req.Query, x.req.MaxTokens, x.req.ServiceTier, x.req.HeadersRead()
	}
	r.Timings.Duration = now.Sub(r.Started)
	if !x.flow.Dispatched.IsZero() {
		r.Timings.Decide = x.flow.Dispatched.Sub(r.Started) - r.Timings.Body
	}
	x.settleLimits(r, now)
	x.learn(r, now)
	if x.gen != nil && x.gen.Observers != nil {
		x.emitSurvived(now)
		x.gen.Observers.Emit(engine.RequestFinished{EventHead: engine.EventHead{RequestID: r.RequestID, At: now}, Status: r.Status,
			Code: r.Code, Model: brief(r.Model, engine.MaxEventText), Upstream: r.Upstream, Usage: r.Usage, CostUSD: float64(r.CostMicroUSD) / 1e6, TTFB: r.Timings.TTFB, Duration: r.Timings.Duration,
			Attempts: len(r.Trace.Attempts)})
	}
	for _, c := range x.flow.Arms {
		c.Experiment.Settle(c, r)
	}
	x.server.enter(r)
}

// armsHeader tells a client the arms that its request had, if it had any.
const armsHeader = "x-sluice-experiment"

// enter counts a request that ended, and gives its row to the ledger.
func (s *Server) enter(r *engine.Record) {
	s.Metrics.observe(r)
	if s.Ledger != nil {
		s.Ledger.Record(r)
	}
}
