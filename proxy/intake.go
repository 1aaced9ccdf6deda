package proxy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
)

// firstPiece is how much of a body of unknown length is reserved at first, in bytes.
const firstPiece = 64 << 10

// readBody reads the whole body into memory that the garbage collector owns: a stream, or a retry, may need it to the end. Its
// size is taken out of bodies_total before it is allocated.
func (x *exchange) readBody(ctx *fasthttp.RequestCtx) *engine.Refusal {
	length := int64(ctx.Request.Header.ContentLength())
	stream := ctx.RequestBodyStream()
	if length == 0 || length == -2 || stream == nil {
		return nil
	}
	var body []byte
	var refusal *engine.Refusal
	if length > 0 {
		body, refusal = x.readKnown(stream, length)
	} else {
		body, refusal = x.readUnknown(stream, bodyLimit(x.gen, x.req.Path))
	}
	if refusal != nil {
		return refusal
	}
	x.req.Body = body
	x.record.BytesIn = int64(len(body))
	x.record.Timings.Body = time.Since(x.req.Now)
	return nil
}

func (x *exchange) readKnown(from io.Reader, length int64) ([]byte, *engine.Refusal) {
	if !x.reserve(length) {
		return nil, errTooManyBytes
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(from, body); err != nil {
		return nil, x.bodyFailed(err)
	}
	return body, nil
}

// readUnknown reads a chunked body of at most limit bytes, 0 = any.
func (x *exchange) readUnknown(from io.Reader, limit int64) ([]byte, *engine.Refusal) {
	var body []byte
	for {
		if len(body) == cap(body) && (limit == 0 || int64(len(body)) < limit) {
			room := max(firstPiece, 2*cap(body))
			if full(int64(room), limit) {
				room = int(limit)
			}
			if !x.reserve(int64(room - cap(body))) {
				return nil, errTooManyBytes
			}
			body = append(make([]byte, 0, room), body...)
		}
		into := body[len(body):cap(body)]
		if len(into) == 0 {
			into = make([]byte, 1) // a byte beyond the limit
		}
		n, err := from.Read(into)
		if n > 0 && len(body) == cap(body) {
			return nil, tooLarge(limit)
		}
		body = body[:len(body)+n]
		switch {
		case err == io.EOF && x.conn.ended: // the server takes an end between two chunks for the last chunk
			return nil, errClientGone
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, x.bodyFailed(err)
		}
	}
}

// reserve takes n bytes out of bodies_total until the exchange ends.
func (x *exchange) reserve(n int64) bool {
	x.reserved += n
	return x.server.Metrics.hold(n, x.gen.Limits.BodiesTotal)
}

// forgetBody lets go of the request's body, which nobody asks for again: no other upstream will be, and no script translates the answer. A
// stream may last long, and there may be thousands. Calls that were left behind have copies of their own of what they read.
func (x *exchange) forgetBody() {
	if x.forecast != nil {
		x.forecast.Forget(x.foreseen())
	}
	x.ranIn = bytes.Clone(x.container())
	x.req.Body, x.req.Index = nil, nil
	x.server.Metrics.bodies.Add(-x.reserved)
	x.reserved = 0
}

// bodyFailed says what the failed read of a body means. The server's own errors hide what the connection said.
func (x *exchange) bodyFailed(err error) *engine.Refusal {
	if x.conn.failed != nil {
		err = x.conn.failed
	}
	switch {
	case x.life.Err() != nil:
		return refusalOf(x.life.Err())
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(engine.CodeClientTimeout, "the body did not come in time")
	case x.conn.ended, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), closed(err):
		return errClientGone
	}
	return refuse(engine.CodeBadRequest, "the body's chunked encoding is malformed")
}
