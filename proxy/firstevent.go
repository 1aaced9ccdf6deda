package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"sluice/engine"
	"sluice/engine/body"
	"sluice/proxy/eventstream"
)

// begun is the body of a stream of which the first bytes were read already.
type begun struct {
	io.ReadCloser
	buffers *sync.Pool // where buf goes when its bytes are taken
	buf     *[]byte    // nil = they are
	head    []byte     // what is left of them
	end     error      // how the stream ended behind head, nil = it goes on
}

// Read yields what was read first, and with the last of it the end, if that is known: they go out together.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.head) == 0 && b.end == nil {
		return b.ReadCloser.Read(p)
	}
	n := copy(p, b.head)
	if b.head = b.head[n:]; len(b.head) > 0 {
		return n, nil
	}
	b.release()
	return n, b.end
}

// Close ends the stream, wherever it is.
func (b *begun) Close() error {
	b.release()
	return b.ReadCloser.Close()
}

func (b *begun) release() {
	if b.buf != nil {
		b.buffers.Put(b.buf)
	}
	b.buf, b.head = nil, nil
}

// firstEventWait is how long the head of a stream waits for its first event. A provider that refuses does so at once.
const firstEventWait = time.Second

// await reads the beginning of a success while nothing of it went to the client, so that one which does not begin can still be an error, or go
// elsewhere. Other answers are told by their heads: whoever goes elsewhere waits for none of their words.
func (x *exchange) await(resp *engine.Response) error {
	switch stream := resp.IsEventStream(); {
	case x.req.Method == "HEAD":
		return nil
	case stream && x.req.Path == messagesPath:
		return x.awaitEvent(resp)
	case stream, x.life.pace.begun, resp.Status/100 != 2:
		return nil
	}
	b := x.open(resp.Body)
	if len(b.head) == 0 && b.end != io.EOF {
		b.release()
		return x.neverBegan(b.end)
	}
	resp.Body = b
	return nil
}

// awaitWords reads the beginning of an answer that the client is to see, if it is no success. One that has none is told by its status alone.
func (x *exchange) awaitWords(a *engine.Answer) {
	if a.Status/100 == 2 || x.req.Method == "HEAD" || a.IsEventStream() {
		return
	}
	b := x.open(a.Body)
	if len(b.head) == 0 && x.life.Err() == nil {
		a.Length, b.end = 0, io.EOF
	}
	a.Body = b
}

// open waits for the first bytes of a body, or its end, and returns it as it was.
func (x *exchange) open(body io.ReadCloser) *begun {
	b := &begun{ReadCloser: body, buffers: &x.server.buffers, buf: x.server.buffers.Get().(*[]byte)}
	n := 0
	for n == 0 && b.end == nil {
		n, b.end = body.Read(*b.buf)
	}
	b.head = (*b.buf)[:n]
	return b
}

// awaitEvent reads the first event of a stream of messages. One that is an error becomes the answer that its upstream would have given with a
// status. The head of a stream that is slow to begin goes out without its first event, so that its client sees that it was let in, and gets its
// pings. An error means that the stream ended before its first event.
func (x *exchange) awaitEvent(resp *engine.Response) error {
	pace, first := &x.life.pace, firstEvent{}
	pace.wake = time.Now().Add(min(x.server.PingEvery, firstEventWait))
	defer func() { pace.wake = time.Time{} }()
	b := &begun{ReadCloser: resp.Body, buffers: &x.server.buffers, buf: x.server.buffers.Get().(*[]byte)}
	buf, held := *b.buf, 0
	for held < len(buf) {
		n, err := resp.Body.Read(buf[held:])
		held += n
		name, data, here := first.in(buf[:held], err == io.EOF)
		switch {
		case here && tellsFailure(name, data):
			fail(resp, data)
			b.release()
			return nil
		case here:
		case err != nil:
			b.release()
			return x.neverBegan(err)
		case time.Now().Before(pace.wake):
			continue
		}
		b.end = err
		break
	}
	b.head = buf[:held]
	resp.Body, pace.begun = b, held > 0
	return nil
}

// firstEvent finds the first event of a stream as it comes, past comments and empty lines, which are none.
type firstEvent struct {
	splitter splitter
	start    int // where it begins, or what is none before it
	at       int // up to where it was split
}

// in reads the first event in b, which is all that came so far, if it is there. The last one of a stream that ended needs no empty line.
func (f *firstEvent) in(b []byte, ended bool) (name, data []byte, ok bool) {
	for f.at < len(b) {
		n := f.splitter.next(b[f.at:])
		if n < 0 {
			f.at = len(b)
			break
		}
		f.at += n
		if name, data, ok = parseEvent(b[f.start:f.at]); ok {
			return name, data, true
		}
		f.start = f.at
	}
	if ended {
		return parseEvent(b[f.start:])
	}
	return nil, nil, false
}

// neverBegan is the failure of a stream that ended before its first event. What is no stream was garbled on its way, and another upstream
// may be asked; what broke off may have been worked on.
func (x *exchange) neverBegan(err error) error {
	r := &engine.Refusal{Code: cutCode(err), Cause: marked{err, engine.ErrBegun}}
	switch name := x.flow.Upstream.Name; {
	case x.life.Err() != nil:
		return err
	case errors.Is(err, eventstream.ErrCorrupt):
		r.Cause = nil
		r.Message = fmt.Sprintf("upstream %q: %v", name, err)
	case errors.Is(err, errIdle):
		r.Message = fmt.Sprintf("upstream %q: %v", name, err)
	default:
		r.Message = fmt.Sprintf("upstream %q ended its answer early", name)
	}
	return r
}

// tellsFailure reports whether an event is an error: by its name, or without one by what it holds.
func tellsFailure(name, data []byte) bool {
	if len(name) > 0 {
		return string(name) == "error"
	}
	top, err := body.Scan(data)
	if err != nil {
		return false
	}
	for _, key := range []string{"type", "object"} { // object: vLLM's
		if v, _ := top.Get(key); isText(v, "error") {
			return true
		}
	}
	_, answers := top.Get("choices")
	told, _ := top.Get("error")
	return !answers && (told.Kind() == body.Object || told.Kind() == body.String && !isText(told, ""))
}

func isText(v body.Value, want string) bool {
	text, ok := v.Text()
	return ok && text == want
}

// fail makes of a stream whose first event is an error an answer with the status of that error.
func fail(resp *engine.Response, data []byte) {
	h := resp.Headers.Clone(1)
	h.Remove("content-length")
	h.Set("content-type", "application/json")
	if kind, ok := textAt(data, "exception"); ok && headText(kind) {
		h.Set("x-amzn-errortype", kind)
	}
	_ = resp.Body.Close()
	data = bytes.Clone(data)
	if resp.Status = statusOf(data); resp.Status == 429 && h.Get("retry-after") == "" {
		h.Set("retry-after", "0") // the head of a success had no reason to say when to come back: that it does not is no spend cap
	}
	resp.Headers = h
	resp.Body, resp.Length = io.NopCloser(bytes.NewReader(data)), int64(len(data))
}

// statuses are those that errors of these kinds have before a stream begins: of the API, of OpenAI and of Bedrock.
var statuses = map[string]int{
	"invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403, "not_found_error": 404,
	"conflict_error": 409, "request_too_large": 413, "rate_limit_error": 429, "timeout_error": 504, "overloaded_error": 529,
	"rate_limit_exceeded": 429, "insufficient_quota": 429, "context_length_exceeded": 400, "overloaded": 529,
	"validationexception": 400, "accessdeniedexception": 403, "resourcenotfoundexception": 404, "modeltimeoutexception": 408,
	"modelerrorexception": 424, "modelstreamerrorexception": 424, "throttlingexception": 429, "modelnotreadyexception": 429,
	"serviceunavailableexception": 503,
}

// statusOf is the status of an error that a stream told: the number that it names, or that of its kind, or else 500.
func statusOf(data []byte) int {
	top, err := body.Scan(data)
	if err != nil {
		return 500
	}
	told := top.Value()
	if told.Kind() == body.List { // as Google's are at times
		told, _ = told.Get(body.Path{"0"})
	}
	for _, path := range []body.Path{{"error", "code"}, {"error", "type"}, {"exception"}, {"code"}} {
		v, _ := told.Get(path)
		if n, err := strconv.Atoi(strings.Trim(string(v.Raw()), `"`)); err == nil && n >= 400 && n <= 599 {
			return n
		}
		if kind, ok := v.Text(); ok && statuses[strings.ToLower(kind)] != 0 {
			return statuses[strings.ToLower(kind)]
		}
	}
	return 500
}
