package simulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// There are two ways out. fasthttp writes whole answers and event streams and keeps the connection; carry writes what fasthttp
// would never write, and the connection ends with it.

// ending is what happens after the last byte of a carried answer.
type ending int

const (
	closes ending = iota // the answer is whole
	cuts
	resets
	stalls
)

const eventStream = "text/event-stream; charset=utf-8"

// send answers with v as JSON. The extra headers replace what the answer would carry.
func (x *exchange) send(status int, v any, extra ...Header) {
	x.dress(extra...)
	x.body(status, "application/json", marshal(v))
}

// page answers like the CDN: HTML, and none of the API's headers.
func (x *exchange) page(status int, html string, extra ...Header) {
	x.putHeaders(x.fromCDN(), extra)
	x.body(status, "text/html; charset=UTF-8", []byte(html))
}

func (x *exchange) empty(status int) {
	x.ctx.SetStatusCode(status)
	x.p.finish(x.req, Sent)
}

// body is the end of every answer that is no stream.
func (x *exchange) body(status int, contentType string, b []byte) {
	x.head(status, contentType)
	h := &x.ctx.Response.Header
	switch x.fault.name {
	case "close-delimited":
		h.SetContentLength(identity)
		x.carry(closes, b)
	case "cut-json":
		h.SetContentLength(len(b))
		x.carry(cuts, b[:len(b)/2])
	case "reset":
		h.SetContentLength(len(b))
		x.carry(resets, b[:len(b)/2])
	case "stall":
		h.SetContentLength(len(b))
		x.carry(stalls, b[:len(b)/2])
	case "reset-bytes":
		h.SetContentLength(len(b))
		x.carry(closes, b)
	default:
		x.ctx.Response.SetBodyRaw(b)
		x.p.finish(x.req, Sent)
	}
}

// identity is what fasthttp calls the length of a body that ends with its connection.
const identity = -2

// head sets status and content type, unless SetHeader set one, and sends what goes before the head.
func (x *exchange) head(status int, contentType string) {
	if x.fault.name == "1xx" {
		_, _ = x.conn.Write([]byte("HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n"))
	}
	x.ctx.SetStatusCode(status)
	h := &x.ctx.Response.Header
	if len(h.ContentType()) == 0 {
		h.SetContentType(contentType)
	}
}

// sendEvents answers with an event stream. The headers are on already.
func (x *exchange) sendEvents(events [][]byte) {
	kind := eventStream
	if x.asked != nil && x.asked.framed {
		kind, events = "application/vnd.amazon.eventstream", framed(events)
	}
	x.head(200, kind)
	before := min(x.fault.n, len(events)-1)
	switch x.fault.name {
	case "close-delimited":
		x.ctx.Response.Header.SetContentLength(identity)
		x.carry(closes, events...)
	case "cut-boundary":
		x.carryChunks(cuts, events[:before], nil)
	case "cut-inside":
		x.carryChunks(cuts, events[:before], half(events[before]))
	case "reset":
		x.carryChunks(resets, events[:before], nil)
	case "stall":
		x.carryChunks(stalls, events[:before], nil)
	case "reset-bytes":
		x.carryChunks(closes, events, []byte("0\r\n\r\n"))
	case "error-event":
		x.stream(append(events[:before], x.errorEvents()...))
	case "no-stop":
		x.stream(x.unended(events))
	case "garbled":
		x.stream(garble(events, before))
	default:
		x.stream(events)
	}
}

// unended leaves out the events that say that a stream is whole: the last one, or with OpenAI all from the finish_reason on.
func (x *exchange) unended(events [][]byte) [][]byte {
	n := len(events) - 1
	for x.p.opts.Kind == KindOpenAI && !bytes.Contains(events[n], []byte(`"finish_reason":"`)) {
		n--
	}
	return events[:n]
}

func (x *exchange) stream(events [][]byte) {
	s := &stream{p: x.p, req: x.req, conn: x.conn, events: events, pace: x.p.opts.Pace, burst: max(x.p.opts.Burst, 1)}
	if x.fault.name == "slow" {
		s.pace = x.fault.wait
	}
	x.ctx.Response.SetBodyStream(s, -1)
}

// carryChunks carries one chunk for each event, and then last as it is.
func (x *exchange) carryChunks(end ending, events [][]byte, last []byte) {
	x.ctx.Response.Header.SetContentLength(-1)
	pieces := make([][]byte, 0, len(events)+1)
	for _, e := range events {
		pieces = append(pieces, chunk(e))
	}
	if last != nil {
		pieces = append(pieces, last)
	}
	x.carry(end, pieces...)
}

// carry writes the head as it is set and then the pieces, one write each and in the pace of a stream, and ends the connection.
func (x *exchange) carry(end ending, pieces ...[]byte) {
	if end == closes {
		x.ctx.Response.Header.SetConnectionClose()
	}
	_, err := x.conn.Write(x.ctx.Response.Header.AppendBytes(nil))
	for i, piece := range pieces {
		if err == nil && i > 0 {
			err = x.conn.wait(x.p.opts.Pace)
		}
		if err == nil {
			_, err = x.conn.Write(piece)
		}
	}
	if err == nil && end == stalls {
		err = x.conn.wait(-1)
	}
	switch {
	case err != nil:
		x.hangUp(endOf(err))
	case end == closes:
		x.hangUp(Sent)
	case end == resets:
		x.p.finish(x.req, Cut)
		x.conn.reset()
	default:
		x.hangUp(Cut)
	}
}

// hangUp closes the connection, on which fasthttp then fails to write the answer it believes to have.
func (x *exchange) hangUp(end End) {
	x.p.finish(x.req, end)
	_ = x.conn.Close()
}

// sayVerbatim gives the answer of NextAnswer.
func (x *exchange) sayVerbatim() {
	v := x.verbatim
	x.dress()
	if !strings.HasPrefix(v.contentType, "text/event-stream") {
		x.body(v.status, v.contentType, []byte(strings.Join(v.pieces, "")))
		return
	}
	x.head(v.status, v.contentType)
	x.stream(v.bytes())
}

// sayReply gives the answer of NextReply.
func (x *exchange) sayReply() {
	x.ctx.SetStatusCode(x.verbatim.status)
	for _, h := range x.verbatim.headers {
		x.ctx.Response.Header.Add(h.Name, h.Value)
	}
	pieces := x.verbatim.bytes()
	if len(pieces) == 1 {
		x.ctx.Response.SetBodyRaw(pieces[0])
		x.p.finish(x.req, Sent)
		return
	}
	x.stream(pieces)
}

func (v *verbatim) bytes() [][]byte {
	pieces := make([][]byte, len(v.pieces))
	for i, piece := range v.pieces {
		pieces[i] = []byte(piece)
	}
	return pieces
}

func chunk(b []byte) []byte {
	return fmt.Appendf(nil, "%x\r\n%s\r\n", len(b), b)
}

// half is a chunk of b up to the middle of b.
func half(b []byte) []byte {
	return fmt.Appendf(nil, "%x\r\n%s", len(b), b[:len(b)/2])
}

// marshal is JSON without a line end and with <, > and & as they are. The values here always have one.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
