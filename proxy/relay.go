package proxy

import (
	"errors"
	"io"
	"net"
	"runtime/debug"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
)

// relayBuffer is how much of an answer is passed on at once, in bytes: with the framing of a chunk it fills writeBuffer, so that
// it takes one write.
const relayBuffer = writeBuffer - 64

// relay carries one answer to the client. It is the body stream of the response: the server lets it write, and closes it on every
// exit there is. Closing ends the exchange.
type relay struct {
	x      *exchange
	answer *engine.Answer
	stream *stream // nil: the answer is no event stream
	// transform is the dialect's part in the stream; nil = every event passes as it came.
	transform *transform
	primed    *eventRelay // has begun on the stream while the head waited; nil = nobody has
	kept      []byte      // of an answer whose usage is read at its end
	keep      bool

	whole bool  // the client got all there was
	cut   error // why the answer ended early, nil = it did not, or the client left
	batch chunkBatch
}

// relay makes a the answer to the client, unless its dialect refuses that.
func (x *exchange) relay(ctx *fasthttp.RequestCtx, a *engine.Answer) *engine.Refusal {
	r := &relay{x: x, answer: a}
	if a.TransformsEvents() && x.req.Method != "HEAD" {
		r.stream, r.transform = &stream{x: x}, &transform{answer: a, x: x}
		r.batch.start(x)
		if refusal := r.prime(); refusal != nil {
			_ = a.Body.Close()
			x.served = true
			return refusal
		}
	}
	if a.Status >= 400 && x.head.wire.bedrock() {
		bedrockError(a)
	}
	x.record.Status = a.Status
	x.record.Timings.TTFB = time.Since(x.record.Started)
	x.record.UpstreamReqID = upstreamRequestID(a.Headers)
	ctx.SetStatusCode(a.Status)
	writeHeaders(&ctx.Response.Header, advised(a), x.limitsLeft(), x.req.RequestID)
	x.tellArms(&ctx.Response.Header)
	x.served = a.Status/100 == 2
	length := a.Length
	switch {
	case x.req.Method == "HEAD", a.Status == 204, a.Status == 304:
		r.whole = true
	case a.IsEventStream():
		if length = -1; r.stream == nil {
			r.stream = &stream{x: x}
			r.batch.start(x)
			x.forgetBody()
		}
		if x.head.wire == wireBedrockStream {
			ctx.Response.Header.SetContentType(eventStreamType)
		}
		ctx.Response.ImmediateHeaderFlush = !x.life.pace.begun // else the head goes out with the first events
	case x.req.Path == "/v1/messages" && a.Status == 200:
		r.keep = true
	}
	if length < 0 && !r.whole && !ctx.Request.Header.IsHTTP11() {
		r.pourUnframed(ctx)
		return nil
	}
	ctx.Response.SetBodyStream(r, int(length))
	return nil
}

// advised is the head of an answer, which tells clients not to sit out a wait that is long: they would, in silence.
func advised(a *engine.Answer) engine.Headers {
	if a.Status < 400 {
		return a.Headers
	}
	if wait, _ := a.Headers.RetryAfter(time.Now()); wait <= longRetry {
		return a.Headers
	}
	h := slices.Clone(a.Headers)
	h.Set("x-should-retry", "false")
	return h
}

// prime lets a dialect with on_error: closed begin on the stream while the answer can still be refused.
func (r *relay) prime() *engine.Refusal {
	if r.answer.Dialect.Policy == engine.FailOpen {
		return nil
	}
	r.primed = &eventRelay{relay: r, buf: make([]byte, relayBuffer), sent: time.Now()}
	return r.primed.prime()
}

func upstreamRequestID(h engine.Headers) string {
	if id := h.Get("request-id"); id != "" {
		return id
	}
	return h.Get("x-amzn-requestid")
}

// pourUnframed answers a client that knows no chunks: the end of the connection is the end of the answer. It writes at once,
// since the server would frame it.
func (r *relay) pourUnframed(ctx *fasthttp.RequestCtx) {
	defer r.Close()
	ctx.Response.Header.SetContentLength(-2)
	_, err := ctx.Conn().Write(ctx.Response.Header.Header())
	if err == nil {
		_, err = r.WriteTo(ctx.Conn())
	}
	r.x.conn.reset = err != nil
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(net.Conn) {})
}

var errReadRelay = errors.New("a relay writes itself, it is not read")

// Read is never called: the server sees SupportsBodyWriteTo.
func (r *relay) Read([]byte) (int, error) { return 0, errReadRelay }

// SupportsBodyWriteTo tells the server to call WriteTo. Each write is then one chunk, flushed.
func (r *relay) SupportsBodyWriteTo() bool { return true }

// WriteTo passes the answer on. An error ends the connection without a clean end.
func (r *relay) WriteTo(w io.Writer) (n int64, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.x.server.logf("request %s: panic: %v\n%s", r.x.req.RequestID, p, debug.Stack())
			r.cut, err = errInternal, errInternal
		}
		n = r.x.record.BytesOut
	}()
	if r.stream != nil && r.x.head.wire == wireBedrockStream {
		w = &framer{to: w}
	}
	buf := r.x.server.buffers.Get().(*[]byte)
	defer r.x.server.buffers.Put(buf)
	if r.primed != nil {
		return 0, r.primed.resume(w)
	}
	if r.stream != nil {
		e := eventRelay{relay: r, to: w, buf: *buf, sent: time.Now()}
		return 0, e.pour()
	}
	return 0, r.pour(w, *buf)
}

// pour passes on an answer that is no event stream.
func (r *relay) pour(to io.Writer, buf []byte) error {
	for {
		n, err := r.answer.Body.Read(buf)
		if n > 0 {
			r.keepBytes(buf[:n])
			if err := r.write(to, buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			r.whole = true
			r.countUsage()
			return nil
		case err != nil:
			r.cut = err
			return err
		}
	}
}

// countUsage reads the usage of an answer that is no stream: of what the upstream sent where that is Anthropic's wire, else of what the
// client got.
func (r *relay) countUsage() {
	if r.answer.Original != nil && r.keep && wireIsAnthropics(r.answer) {
		r.kept = r.answer.Original
	}
	r.x.hear(r.answer.Plain(r.kept, maxUsageBody), "")
}

// wireIsAnthropics reports whether an upstream speaks Anthropic's events, however they are framed.
func wireIsAnthropics(a *engine.Answer) bool {
	return a.Upstream != nil && a.Upstream.Kind != engine.KindCustom
}

func (r *relay) keepBytes(b []byte) {
	if !r.keep {
		return
	}
	if len(r.kept)+len(b) > maxUsageBody {
		r.keep, r.kept = false, nil
		return
	}
	if r.kept == nil && r.answer.Length > 0 {
		r.kept = make([]byte, 0, min(r.answer.Length, maxUsageBody))
	}
	r.kept = append(r.kept, b...)
}

func (r *relay) write(to io.Writer, b []byte) error {
	n, err := to.Write(b)
	r.x.record.BytesOut += int64(n)
	return err
}

// Close ends the exchange. Where the answer is not over yet, the upstream's side is cancelled.
func (r *relay) Close() error {
	if r.x.ended {
		return nil
	}
	if r.cut != nil && cutCode(r.cut) != engine.CodeClientGone && r.x.life.Err() == nil {
		r.answer.Broke()
	}
	_ = r.answer.Body.Close()
	rec := r.x.record
	if r.stream != nil {
		r.batch.flush(time.Now())
	}
	switch {
	case r.whole:
	case r.cut == nil:
		rec.Code = engine.CodeClientGone
	default:
		rec.Code = cutCode(r.cut)
	}
	if rec.Code == engine.CodeClientGone {
		rec.Status = statusGone
	}
	r.x.end()
	return nil
}

// cutCode is the code of an answer that ended early.
func cutCode(err error) engine.Code {
	var r *engine.Refusal
	switch {
	case errors.As(err, &r):
		return r.Code
	case errors.Is(err, errIdle):
		return engine.CodeUpstreamTimeout
	}
	return engine.CodeUpstreamUnreachable
}
