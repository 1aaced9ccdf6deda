package engine

import (
	"fmt"
	"strings"
	"time"
)

// AnswerDialect is the optional power of a Dialect that translates answers as well as requests. Its calls for one attempt come one after
// the other, and share a State. What is given must not be kept or written to.
type AnswerDialect interface {
	// Transforms tells what it translates at all. Anything else passes, byte for byte and at no cost.
	Transforms() (responses, events bool)
	// TransformResponse translates a whole answer of a status 2xx. Nil passes the original. An error is a *DialectError.
	TransformResponse(ctx *RequestContext, s *State, r *Reply) (*Reply, error)
	// TransformEvent translates one event of a stream into any number of them. Nil passes the original, an empty list drops it. An error is
	// a *DialectError.
	TransformEvent(ctx *RequestContext, s *State, e StreamEvent) ([]StreamEvent, error)
}

// State is what a dialect keeps of one attempt, from Shape to the end of the answer. What it puts there is its own affair.
type State struct {
	Kept any
	// Principal is the name of whose request it is.
	Principal string
	// Leases are held for it and freed by whoever has the state. Nil: by nobody, and what outlasts a call is not counted.
	Leases *Leases
}

// Reply is an answer whose body is read.
type Reply struct {
	Status  int
	Headers Headers
	Body    []byte
}

// StreamEvent is one server-sent event.
type StreamEvent struct {
	Name string // "" = it has data alone
	Data []byte // several lines joined by LF
	// End: no event is left. Complete tells whether the upstream ended its answer in good order.
	End, Complete bool
	// Received: it is the event that was given, to be sent as it came.
	Received bool
	// Size is what an event that came takes in its stream, with lines that say nothing, in bytes.
	Size int
}

// EndEvent is the name under which a dialect is told the end of a stream.
const EndEvent = "$end"

// IsEventStream reports whether the answer is a stream of server-sent events that can be read.
func (r *Response) IsEventStream() bool {
	kind, _, _ := strings.Cut(r.Headers.Get("content-type"), ";")
	return r.Status/100 == 2 && EqualFold(strings.TrimSpace(kind), "text/event-stream") && !r.encoded()
}

func (r *Response) encoded() bool {
	encoding := r.Headers.Get("content-encoding")
	return encoding != "" && !EqualFold(encoding, "identity")
}

// transforms finds the dialect that translates the answer, nil = it passes untouched.
func (a *Answer) transforms() (d AnswerDialect, responses, events bool) {
	d, ok := a.Dialect.Dialect.(AnswerDialect)
	if ok {
		responses, events = d.Transforms()
	}
	return d, responses, events
}

// TransformsEvents reports whether the answer is a stream whose events its dialect translates: each is to be given to TransformEvent.
func (a *Answer) TransformsEvents() bool {
	if a.Dialect == nil || !a.IsEventStream() {
		return false
	}
	_, _, events := a.transforms()
	return events
}

// TransformEvent lets the dialect translate one event. Nil passes the original. After an error, which is recorded, it is not to be called
// again.
func (a *Answer) TransformEvent(x *Exchange, e StreamEvent) ([]StreamEvent, error) {
	d, _, _ := a.transforms()
	start := time.Now()
	out, err := a.Dialect.transformedEvent(x, d, x.veil.event(e))
	a.Dialect.Meter.observe(start, err)
	if err != nil {
		x.become(State{})
		x.Trace.failed(StageRelay, CodeDialectFailed, a.Dialect.Meter, err)
	}
	for i := range out {
		if made := &out[i]; made.Name == "error" && !made.Received {
			made.Data = identified(made.Data, x.Request.RequestID)
		}
	}
	return out, err
}

// TransformFailed is the refusal of a request whose answer could not be translated.
func (a *Answer) TransformFailed(err error) *Refusal {
	return &Refusal{Code: CodeDialectFailed, Message: fmt.Sprintf("the answer of upstream %q could not be translated", a.Upstream.Name), Cause: err}
}

// Unfinished is the refusal of a stream that came whole, and whose last event its dialect dropped.
func (a *Answer) Unfinished(x *Exchange) *Refusal {
	err := &OutputError{Variant: OutputShape, Reason: "the stream was left without its last event"}
	x.Trace.failed(StageRelay, CodeDialectFailed, a.Dialect.Meter, err)
	return a.TransformFailed(err)
}

// transform lets the dialect translate an answer that is no stream, of up to limit bytes. An error is a *Refusal: the original must not
// pass.
func (a *Answer) transform(x *Exchange, limit int64) error {
	d, responses, events := a.transforms()
	passes := a.Status/100 != 2 || a.Status == 204 || x.Request.Method == "HEAD" || a.IsEventStream()
	switch {
	case passes, !responses && !events:
		return nil
	case a.encoded(): // a stream may hide in it
		return a.untranslated(x, nil, fmt.Errorf("its content-encoding is %q, want identity", Cut(x.Hide(a.Headers.Get("content-encoding")), 40)))
	case !responses:
		return nil
	}
	from := a.counted(x, limit)
	body, err := from.readAll(min(max(a.Length, 0), limit))
	switch {
	case err == nil && int64(len(body)) > limit:
		a.unread(body, nil)
		return a.untranslated(x, nil, fmt.Errorf("its body is larger than limits.body: %d bytes", limit))
	case from.short:
		a.unread(body, nil)
		x.meter(a.Dialect.Meter).Count(&ScriptError{File: a.Dialect.Script, Budget: BudgetTotalMemory, Message: err.Error()})
		return a.untranslated(x, nil, fmt.Errorf("its body could not be held: %w", err))
	case err != nil:
		a.unread(body, err)
		return a.untranslated(x, err, fmt.Errorf("its body could not be read: %w", err))
	}
	start := time.Now()
	reply, err := a.Dialect.transformed(x, d, &Reply{a.Status, x.veil.headers(a.Headers), x.veil.text(body)})
	a.Dialect.Meter.observe(start, err)
	a.unread(body, nil)
	if err != nil {
		x.become(State{})
		x.Trace.failed(StageRelay, CodeDialectFailed, a.Dialect.Meter, err)
		return a.closed(x, body, err)
	}
	if reply != nil {
		a.replace(x, reply, body)
	}
	return nil
}

// untranslated records why the dialect was not asked. cut is how the answer broke off, which the client is told where the original passes.
func (a *Answer) untranslated(x *Exchange, cut, why error) error {
	withheld := a.Dialect.Policy == FailClosed && cut != nil
	e := InternalError{Stage: StageShape, Kind: InternalUnavailable, Code: CodeDialectFailed, cause: why,
		Message: fmt.Sprintf("the answer of upstream %q was not translated: %v", a.Upstream.Name, why)}
	if withheld {
		e.cause = cut
	}
	x.Trace.fail(e)
	if withheld {
		a.Body.Close()
		x.Withheld = a
		return &Refusal{Code: CodeUpstreamUnreachable, Message: fmt.Sprintf("upstream %q ended its answer early", a.Upstream.Name), Cause: cut}
	}
	return a.closed(x, nil, why)
}

// closed is nil where the original may pass in place of its translation. Else the answer is withheld, with what was read of its body.
func (a *Answer) closed(x *Exchange, body []byte, err error) error {
	if a.Dialect.Policy == FailOpen {
		return nil
	}
	a.Body.Close()
	a.Original, x.Withheld = body, a
	return a.TransformFailed(err)
}

// replace makes reply the answer.
func (a *Answer) replace(x *Exchange, reply *Reply, original []byte) {
	h := make(Headers, 0, len(reply.Headers))
	for _, line := range reply.Headers {
		switch {
		case EqualFold(line.Name, "content-length"), EqualFold(line.Name, "content-encoding"):
		case reservedHeader(line.Name) && a.Headers.Get(line.Name) != line.Value:
			x.Trace.fail(notItsHeader(StageRelay, line.Name))
		default:
			h = append(h, line)
		}
	}
	a.Original = original
	body := reply.Body
	if reply.Status/100 != 2 {
		body = identified(body, x.Request.RequestID)
	}
	resp := *a.Response
	resp.Status, resp.Headers = reply.Status, h
	resp.Body, resp.Length = resp.replaced(body)
	a.Response = &resp
}
