package proxy

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
	"sluice/proxy/eventstream"
)

// relayBuffer is how much of an answer is passed on at once, in bytes: with the framing of a chunk it fills writeBuffer, so that
// it takes one write.
const relayBuffer = writeBuffer - 64

// relay carries one answer to the client. Its end is that of the exchange, in whose memory it lies.
type relay struct {
	x      *exchange
	answer *engine.Answer
	down   downstream
	stream *stream // nil: the answer is no event stream
	// transform is the dialect's part in the stream; nil = every event passes as it came.
	transform *transform
	primed    *eventRelay // has begun on the stream while the head waited; nil = nobody has
	kept      []byte      // of an answer whose usage is read at its end
	keep      bool

	bare  bool  // the answer has no body
	whole bool  // the client got all there was
	cut   error // why the answer ended early, nil = it did not, or the client left
	batch chunkBatch
}

// relay answers the client with a, unless its dialect refuses that. The HTTP server then has nothing more to send.
func (x *exchange) relay(ctx *fasthttp.RequestCtx, a *engine.Answer) *engine.Refusal {
	r := &x.relaying
	*r = relay{x: x, answer: a}
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
	now := time.Now()
	x.record.Status = a.Status
	x.record.Timings.TTFB = now.Sub(x.record.Started)
	x.record.UpstreamReqID = x.flow.Hide(upstreamRequestID(a.Headers))
	told := a.Original != nil && wireIsAnthropics(a) // a 2xx of the upstream, whatever its dialect made of it
	x.served = a.Status/100 == 2 || told
	r.down = downstream{to: ctx.Conn(), left: a.Length}
	switch {
	case x.req.Method == "HEAD", a.Status == 204, a.Status == 304:
		r.bare, r.whole = true, true
	case a.IsEventStream():
		if r.down.left = inChunks; r.stream == nil {
			r.stream = &stream{x: x}
			r.batch.start(x)
			x.forgetBody()
		}
	case x.req.Path == "/v1/messages" && x.served:
		r.keep = true
	}
	r.writeHead(ctx, now)
	r.send(ctx)
	return nil
}

// writeHead puts the head of the answer where it waits for the first bytes of the body.
func (r *relay) writeHead(ctx *fasthttp.RequestCtx, now time.Time) {
	d, h := &r.down, &ctx.Request.Header
	if d.left < 0 && !h.IsHTTP11() { // the client knows no chunks
		d.left = untilEnd
		if !r.bare {
			ctx.SetConnectionClose()
		}
	}
	b := appendStatus(*d.room(), r.answer.Status, now)
	switch status := r.answer.Status; {
	case d.left >= 0 && status != 204 && status != 304:
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), d.left, 10), "\r\n"...)
	case d.left == inChunks && status != 204 && status != 304:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case ctx.Response.ConnectionClose(), h.ConnectionClose():
		b = append(b, "Connection: close\r\n"...)
	case !h.IsHTTP11():
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	lines := advised(r.answer)
	if r.stream != nil && r.x.head.wire == wireBedrockStream {
		lines = lines.Clone(1)
		lines.Set("content-type", eventStreamType)
	}
	b = appendHeaders(b, lines, r.x.limitsLeft(), r.x.req.RequestID)
	if r.answer.Withheld {
		b = appendLine(b, "x-sluice-error", string(engine.CodeDialectFailed))
	}
	if len(r.x.flow.Arms) > 0 {
		b = appendLine(b, armsHeader, r.x.flow.ArmLabels())
	}
	*d.out = append(b, "\r\n"...)
}

// send sends the answer to its end. The exchange is over before the last bytes go out: whoever has them may ask again at once, and finds its
// limits settled.
func (r *relay) send(ctx *fasthttp.RequestCtx) {
	defer func() { r.x.conn.mute = true }()
	if r.bare {
		r.down.left = 0
	}
	err := r.pass()
	r.end()
	if err == nil {
		err = r.down.end()
	}
	if err != nil {
		ctx.SetConnectionClose()
		r.x.conn.reset = r.down.left == untilEnd // else it would look like the end
	}
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

// pass passes the body on. After an error the client gets no clean end.
func (r *relay) pass() (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.x.server.logf("request %s: panic: %v\n%s", r.x.req.RequestID, p, debug.Stack())
			r.cut, err = errInternal, errInternal
		}
	}()
	if r.bare {
		return nil
	}
	var to io.Writer = &r.down
	if r.stream != nil && r.x.head.wire == wireBedrockStream {
		to = &framer{to: to}
	}
	if r.primed != nil {
		return r.primed.resume(to)
	}
	if r.stream != nil && !r.x.life.pace.begun { // else the head goes out with the first events
		if _, err := r.down.flush(); err != nil {
			return err
		}
	}
	buf := r.x.server.buffers.Get().(*[]byte)
	defer r.x.server.buffers.Put(buf)
	if r.stream != nil {
		e := eventRelay{relay: r, to: to, buf: *buf, sent: time.Now()}
		return e.pour()
	}
	return r.pour(*buf)
}

// pour passes on an answer that is no event stream.
func (r *relay) pour(buf []byte) error {
	for {
		n, err := r.answer.Body.Read(buf)
		if n > 0 {
			r.keepBytes(buf[:n], err == io.EOF)
			r.down.hold = err == io.EOF
			if err := r.write(&r.down, buf[:n]); err != nil {
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
	text := r.answer.Plain(r.kept, maxUsageBody)
	r.x.hear(text)
	r.x.keepMade(text)
}

// wireIsAnthropics reports whether an upstream speaks Anthropic's events, however they are framed.
func wireIsAnthropics(a *engine.Answer) bool {
	return a.Upstream != nil && a.Upstream.Kind != engine.KindCustom
}

// keepBytes keeps b, which is good until the last one was counted.
func (r *relay) keepBytes(b []byte, last bool) {
	if !r.keep {
		return
	}
	if len(r.kept)+len(b) > maxUsageBody {
		r.keep, r.kept = false, nil
		return
	}
	if r.kept == nil && last { // all of it is here
		r.kept = b
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

// end ends the exchange. Where the answer is not over yet, the upstream's side is cancelled.
func (r *relay) end() {
	if r.cut != nil && r.x.life.Err() == nil {
		switch cutCode(r.cut) {
		case engine.CodeUpstreamUnreachable, engine.CodeUpstreamTimeout: // and no fault of ours, or of a dialect
			r.answer.Broke()
		}
	}
	_ = r.answer.Body.Close()
	if r.stream != nil {
		r.batch.flush(time.Now())
	}
	switch {
	case r.whole:
	case r.cut == nil:
		r.endEarly(errClientGone)
	default:
		r.endEarly(r.cut)
	}
	r.x.end()
}

// endEarly notes why the answer is not whole, and tells the observers.
func (r *relay) endEarly(why error) {
	rec := r.x.record
	rec.Code, r.x.failure = cutCode(why), why
	if rec.Code == engine.CodeClientGone {
		rec.Status = statusGone
	}
	_, message := r.blame(why)
	r.x.emitError(time.Now(), rec.Code, message, engine.StageRelay)
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

// blame is the error that tells why an answer ended early.
func (r *relay) blame(err error) (kind, message string) {
	var told *engine.Refusal
	upstream := ""
	if u := r.x.flow.Upstream; u != nil {
		upstream = u.Name
	}
	switch {
	case errors.As(err, &told):
		return meaningOf(told.Code).kind, told.Message
	case errors.Is(err, errIdle), errors.Is(err, eventstream.ErrCorrupt), err == errEventTooLarge:
		return "api_error", fmt.Sprintf("upstream %q: %v", upstream, err)
	}
	return "api_error", fmt.Sprintf("upstream %q ended its answer early", upstream)
}
