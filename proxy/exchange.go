package proxy

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"sluice/engine"
	"sluice/engine/promptcache"
)

// exchange is one request from its head to its last byte. It belongs to the goroutine that serves the connection; only its
// life may be ended by others.
type exchange struct {
	server *Server
	gen    *engine.Generation // leased to the end; nil = there is none
	conn   *conn
	head   *head
	judged judgement // of head; zero = the gate did not see it
	req    engine.RequestContext
	flow   engine.Exchange
	record *engine.Record // the ledger's once the exchange ended

	life     life
	reserved int64              // of bodies_total, in bytes
	spending engine.Reservation // nil = the key has no limits, or nothing is held of them yet
	served   bool               // an upstream answered with a success
	broke    bool               // its stream ended in an error: its usage was not told to the end
	forecast *promptcache.Forecast
	counted  bool          // among the open streams
	watched  bool          // the client's leaving cancels it
	seen     atomic.Uint64 // the headers that scripts read, for req
	relaying relay
	failure  error  // what ended it, nil = nothing did
	ranIn    []byte // what the body said of its container, which is gone
	ended    bool
}

// noHead is the head of a request that nobody read.
var noHead head

// handle serves one request. When it returns an upstream's answer has gone out; an error of our own is left for the HTTP server to write.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	_ = ctx.SetWriteDeadline(time.Time{}) // has the server flush the answer even if the next request is here already
	if s.probe(ctx) {
		return
	}
	if s.draining.Load() {
		ctx.SetConnectionClose()
	}
	x := s.begin(ctx)
	defer x.rescue(ctx)
	if refusal := x.serve(ctx); refusal != nil {
		x.refuse(ctx, refusal)
	}
}

// serve is the outer order of a request: everything that may refuse it, one after the other. Its inner order is engine's.
func (x *exchange) serve(ctx *fasthttp.RequestCtx) *engine.Refusal {
	if r := x.admit(&ctx.Request.Header); r != nil {
		return r
	}
	if r := x.readBody(ctx); r != nil {
		return r
	}
	if r := x.head.translate(&x.req); r != nil {
		return r
	}
	if r := understand(&x.req, x.head.principal); r != nil {
		return r
	}
	if r := checkModelPath(&x.req, x.head.principal); r != nil {
		return r
	}
	x.foresee()
	x.watch()
	if r := x.reserveLimits(); r != nil {
		return r
	}
	answer, err := x.gen.Serve(&x.life, &x.flow, x)
	if err == nil {
		answer, err = x.cutModels(answer)
	} else {
		answer, err = x.modelsFromConfig(err)
	}
	if err != nil {
		x.bill(x.flow.Withheld)
		return refusalOf(causeOr(&x.life, err))
	}
	x.awaitWords(answer)
	x.bind(answer)
	x.nearResults(answer)
	return x.relay(ctx, answer)
}

// begin takes over what the gate let in, leases the world and gives the request its id.
func (s *Server) begin(ctx *fasthttp.RequestCtx) *exchange {
	x := s.judged.take(&ctx.Request.Header)
	if x == nil {
		x = &exchange{server: s, head: &noHead}
	}
	x.conn = connOf(ctx.Conn())
	x.conn.call.Store(&x.life) // now: it waits until all that was written before is through
	x.gen = s.World.Lease()
	id := newRequestID()
	x.req = engine.RequestContext{RequestID: id, Now: ctx.Time(), Seed: engine.SeedOf(id)}
	x.req.Seen, x.flow.Request = &x.seen, &x.req
	x.record = &engine.Record{RequestID: id, Started: ctx.Time()}
	if x.gen != nil {
		x.conn.waits = x.gen.Timeouts
		x.record.Generation = x.gen.Number
	}
	return x
}

func newRequestID() string { return uuid.Must(uuid.NewV7()).String() }

// admit lets the request in on the strength of its head, and counts it.
func (x *exchange) admit(h *fasthttp.RequestHeader) *engine.Refusal {
	s := x.server
	if x.gen == nil {
		return errDraining
	}
	var refusal *engine.Refusal
	if x.judged.gen != x.gen.Number || x.req.Now.Sub(x.judged.at) >= stillGood {
		x.head, refusal = s.judge(x.gen, h, x.req.Now)
	}
	x.describe()
	if refusal != nil && x.head.key != "" && holdsKey(x.record.Path, x.head.key) {
		x.record.Path = "" // a row holds no credential, not even one that was misplaced
	}
	if hidden := verdict(h); hidden != nil {
		return hidden
	}
	if refusal != nil {
		return refusal
	}
	x.req.MaxBody = bodyLimit(x.gen, x.req.Path)
	x.counted = true
	open := s.Metrics.streams.Add(1)
	switch {
	case s.draining.Load(): // said after the count: who waits for it to fall sees every request that was let in
		return errDraining
	case full(open, x.gen.Limits.Streams):
		return errTooManyStreams
	}
	return nil
}

// describe puts what the head said where scripts, observers and the ledger find it.
func (x *exchange) describe() {
	h, r := x.head, &x.req
	r.Method, r.Path, r.Query = h.method, h.path, h.query
	r.Headers, r.Checked, r.SessionID = h.shown, h.checked, h.session
	x.record.Method, x.record.Path = h.method, h.path
	x.record.ClientRequestID = h.clientID
	x.flow.Principal, x.flow.Client = h.principal, h.client
	if h.principal != nil {
		x.record.Principal, x.record.KeyID = h.principal.Name, h.keyID
	}
	x.emitStart()
}

// watch lets the client's leaving cancel the exchange from here on.
func (x *exchange) watch() {
	x.watched = true
	x.conn.watch.start(&x.life)
}

var (
	errClientGone = &engine.Refusal{Code: engine.CodeClientGone, Message: "the client left"}
	// errHungUp is what a client that left is told: one that only ended its side of the connection may listen still.
	errHungUp = refuse(engine.CodeBadRequest, "the connection was closed by its client before there was an answer")
)

// RoundTrip passes an attempt on, until the drain is over.
func (x *exchange) RoundTrip(ctx context.Context, s engine.Signed) (*engine.Response, error) {
	if x.server.over.Load() {
		x.life.end(errDraining)
		return nil, errDraining
	}
	x.life.pace.once = x.req.Method == "POST" && engine.AccountBound(x.req.Path)
	resp, err := x.server.Transport.RoundTrip(ctx, s)
	u := x.flow.Upstream
	if x.life.pace.twice {
		x.life.pace.twice = false
		x.flow.Trace.Attempts = append(x.flow.Trace.Attempts, engine.Attempt{Upstream: u.Name, Error: errStale.Error(), Class: engine.ClassReset})
	}
	if err != nil {
		return nil, err
	}
	if u.Kind == engine.KindBedrockRuntime || u.Dialect.Script != "" {
		unframe(resp)
	}
	if u.Kind.IsCloud() {
		if refusal := x.noStream(resp); refusal != nil {
			_ = resp.Body.Close()
			return nil, refusal
		}
	}
	if err := x.await(resp); err != nil {
		_ = resp.Body.Close()
		return nil, causeOr(ctx, err)
	}
	return resp, nil
}

// noStream refuses an answer that is no stream where the client waits for one: it would read it as an empty message.
func (x *exchange) noStream(resp *engine.Response) *engine.Refusal {
	kind := resp.Headers.Get("content-type")
	plain, _, _ := strings.Cut(kind, ";")
	if !x.req.Stream || x.req.Path != messagesPath || resp.Status != 200 || engine.EqualFold(strings.TrimSpace(plain), "text/event-stream") {
		return nil
	}
	return &engine.Refusal{Code: engine.CodeUpstreamUnreachable,
		Message: fmt.Sprintf("upstream %q answered %q to a request for a stream, want an event stream", x.flow.Upstream.Name, engine.Cut(x.flow.Hide(kind), 80))}
}

// refusalOf finds the refusal in an error. Any other error is our own fault.
func refusalOf(err error) *engine.Refusal {
	var r *engine.Refusal
	if errors.As(err, &r) {
		return r
	}
	return &engine.Refusal{Code: engine.CodeInternal, Message: errInternal.Message, Cause: err}
}

var errInternal = &engine.Refusal{Code: engine.CodeInternal, Message: "the gateway failed"}

// refuse answers with an error of our own and ends the exchange.
func (x *exchange) refuse(ctx *fasthttp.RequestCtx, r *engine.Refusal) {
	told := r
	if r.Code == engine.CodeClientGone {
		told = errHungUp
	}
	writeRefusal(&ctx.Response, told, x.req.RequestID)
	x.head.wire.reword(&ctx.Response, told.Message)
	if told.Code == engine.CodeBadRequest || verdict(&ctx.Request.Header) != nil || !x.bodyRead(ctx) {
		ctx.SetConnectionClose()
		x.conn.linger = true
	}
	if x.server.draining.Load() {
		ctx.SetConnectionClose()
	}
	x.record.Status, x.record.Code = ctx.Response.StatusCode(), r.Code
	if r.Code == engine.CodeClientGone {
		x.record.Status = statusGone
	}
	x.record.BytesOut = int64(len(ctx.Response.Body()))
	if len(x.flow.Arms) > 0 {
		ctx.Response.Header.Set(armsHeader, x.flow.ArmLabels())
	}
	x.failure = r
	x.emitError(time.Now(), r.Code, r.Message, sourceOf(r.Code))
	x.end()
	for _, line := range x.limitsLeft() { // what was held is given back
		ctx.Response.Header.Set(line.Name, line.Value)
	}
}

// bodyRead reports whether nothing of the request is left on the wire.
func (x *exchange) bodyRead(ctx *fasthttp.RequestCtx) bool {
	n := ctx.Request.Header.ContentLength()
	return n == 0 || n == -2 || x.req.Body != nil
}

// rescue makes a panic an answer, and the end of the exchange one like any other.
func (x *exchange) rescue(ctx *fasthttp.RequestCtx) {
	if p := recover(); p != nil {
		x.server.logf("request %s: panic: %v\n%s", x.req.RequestID, p, debug.Stack())
		if !x.ended {
			x.refuse(ctx, errInternal)
		}
		ctx.SetConnectionClose() // of an answer that was under way the rest is lost
	}
}

// end settles the exchange, once, whatever brought it here. The client's last bytes may still be on their way.
func (x *exchange) end() {
	if x.ended {
		return
	}
	x.ended = true
	x.conn.call.Store(nil)
	if x.watched {
		x.conn.watch.stop()
	}
	x.life.end(nil)
	defer x.giveBack() // also if a ledger panics
	x.settle()
}

// giveBack returns what the exchange held of what all share.
func (x *exchange) giveBack() {
	s := x.server
	s.Metrics.bodies.Add(-x.reserved)
	x.flow.Free()
	if x.gen != nil {
		x.gen.Release()
	}
	if x.counted && s.Metrics.streams.Add(-1) == 0 && s.draining.Load() {
		s.poke()
	}
}
