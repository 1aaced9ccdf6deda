package runtimes

import (
	"errors"
	"fmt"

	"sluice/engine"
	"sluice/engine/body"
)

// Response is the answer that transform_response edits.
type Response struct {
	call    *Call
	status  int
	lines   engine.Headers
	headers HeaderView
	body    BodyView
	edited  bool // the status was set
	// State is what the script keeps of the attempt, a mutable map of the language's own.
	State Value
}

// NewResponse is an answer as it came. What is edited is copied first.
func NewResponse(c *Call, r *engine.Reply) *Response {
	out := &Response{call: c, status: r.Status, lines: r.Headers}
	out.headers = HeaderView{call: c, lines: &out.lines, writable: true}
	out.body = BodyView{call: c, doc: body.New(r.Body), writable: true}
	return out
}

// Reply is the answer as it stands, nil where nothing was edited.
func (r *Response) Reply() *engine.Reply {
	if !r.edited && !r.headers.own && !r.body.doc.Changed() {
		return nil
	}
	return r.reply()
}

// Made is how many bytes of body the script made.
func (r *Response) Made() int {
	if !r.body.doc.Changed() {
		return 0
	}
	return len(r.body.doc.Bytes())
}

func (r *Response) reply() *engine.Reply {
	return &engine.Reply{Status: r.status, Headers: *r.headers.lines, Body: r.body.doc.Bytes()}
}

// setStatus takes the status of an answer that is sent on.
func (r *Response) setStatus(v Value) error {
	n, ok := wholeNumber(v)
	if !ok || n < 200 || n > 599 {
		return fmt.Errorf("is %s, want 200 to 599", describe(v))
	}
	r.status, r.edited = int(n), true
	return nil
}

// TypeResponse is the answer that transform_response edits. Its receiver is a *Response.
var TypeResponse = newType(Type{
	Name: "response",
	Doc:  "The answer that goes to the client. It is edited in place.",
	Fields: []Field{
		{Name: "status", Type: "int", Doc: "The status.",
			Get: func(receiver any) Value { return OfInt(int64(receiver.(*Response).status)) },
			Set: func(receiver any, v Value) error {
				if err := receiver.(*Response).setStatus(v); err != nil {
					return &fieldError{"response.status", err}
				}
				return nil
			},
			Put: func(receiver any, v Value) error { return putInt(&receiver.(*Response).status, v) }},
		{Name: "headers", Type: "headers", Doc: "The headers, to be edited.",
			Get: func(receiver any) Value { return OfHost(TypeHeaders, &receiver.(*Response).headers) },
			Put: func(receiver any, v Value) error { return putHeaders(receiver.(*Response).headers.lines, v) }},
		{Name: "body", Type: "body", Doc: "The body, to be edited.", Edit: editsBody,
			Get: func(receiver any) Value { return OfHost(TypeBody, &receiver.(*Response).body) },
			Put: func(receiver any, v Value) error {
				r := receiver.(*Response)
				b, err := r.call.bytesOf(v)
				r.body.doc = body.New(b)
				return err
			}},
		{Name: "state", Type: "map", Doc: "A map of the script's own, the same from shape to the end of the answer.",
			Get: func(receiver any) Value { return receiver.(*Response).State },
			Put: func(receiver any, v Value) error { receiver.(*Response).State = v; return nil }},
	},
})

// StreamEvent is an event of a stream as transform_event sees it.
type StreamEvent struct {
	call *Call
	of   engine.StreamEvent
	data string // of's, once a script has read it
}

// NewStreamEvent is an event as it came.
func NewStreamEvent(c *Call, e engine.StreamEvent) *StreamEvent { return &StreamEvent{call: c, of: e} }

// text is the data, copied once however often a script reads it.
func (e *StreamEvent) text() string {
	if e.data == "" {
		e.data = string(e.of.Data)
	}
	return e.data
}

// TypeStreamEvent is one event of a stream. Its receiver is a *StreamEvent.
var TypeStreamEvent = newType(Type{
	Name: "event",
	Doc: "One event of a stream. After the last one comes `$end`, which is no event of the stream: what is returned for it is sent before " +
		"the end.",
	Fields: []Field{
		{Name: "name", Type: "string", Doc: "The event's name; \"\" where it has data alone.",
			Get: func(receiver any) Value { return OfString(receiver.(*StreamEvent).of.Name) },
			Put: func(receiver any, v Value) error {
				e := &receiver.(*StreamEvent).of
				err := putString(&e.Name, v)
				e.End = e.Name == engine.EndEvent
				return err
			}},
		{Name: "data", Type: "string", Doc: "The data; several lines are joined by LF.",
			Get: func(receiver any) Value { return OfString(receiver.(*StreamEvent).text()) },
			Put: func(receiver any, v Value) (err error) {
				e := receiver.(*StreamEvent)
				e.of.Data, err = e.call.bytesOf(v)
				e.data = ""
				return err
			}},
		{Name: "complete", Type: "bool or nothing", Doc: "Of `$end`: whether the upstream ended its answer in good order.",
			Get: func(receiver any) Value {
				if e := &receiver.(*StreamEvent).of; e.End {
					return OfBool(e.Complete)
				}
				return Value{}
			},
			Put: func(receiver any, v Value) error {
				e := &receiver.(*StreamEvent).of
				if v.Kind == Nil {
					e.Complete = false
					return nil
				}
				return putBool(&e.Complete, v)
			}},
	},
	Methods: []Method{
		{Name: "json", Result: "any", Doc: "The data, decoded. Data that is not JSON is an error.",
			Call: func(c *Call, receiver any, _ []Value) (Value, error) {
				v, err := c.decodeJSON(receiver.(*StreamEvent).of.Data)
				if err != nil {
					return Value{}, fmt.Errorf("json: the data is not JSON: %w", err)
				}
				return v, nil
			}},
	},
})

// The bounds of what a script keeps in the state of one attempt.
const (
	MaxKeptValues = 10_000
	MaxKeptText   = 4 << 20 // bytes
)

// Kept counts what a script keeps in its state, which its language walks over.
type Kept struct{ values, text int }

// Endless is what a list or map counts while it is walked over: one that holds itself has no end.
var Endless = Kept{values: MaxKeptValues + 1}

// Add counts one value with so many bytes of text. An error has no position.
func (k *Kept) Add(text int) error { return k.Repeat(Kept{1, text}) }

// Since is what was counted after k was before.
func (k *Kept) Since(before Kept) Kept { return Kept{k.values - before.values, k.text - before.text} }

// Repeat counts what was counted in another place. An error has no position.
func (k *Kept) Repeat(of Kept) error {
	k.values += of.values
	k.text += of.text
	if k.values > MaxKeptValues || k.text > MaxKeptText {
		return invalid(engine.OutputShape, "%s", errKept)
	}
	return nil
}

// valueSize is about what a value takes beside its text, in bytes.
const valueSize = 64

// Size is about what all of it takes, in bytes.
func (k *Kept) Size() int64 { return int64(k.text) + int64(k.values)*valueSize }

var errKept = fmt.Errorf("state holds more than %d values or %d MiB of text", MaxKeptValues, MaxKeptText>>20)

// ErrNotKept is the error of a value that cannot be kept from one call to the next.
func ErrNotKept(v Value) error { return NotKept(describeKind(v)) }

// NotKept is the same for what a kind does not say.
func NotKept(what string) error {
	return invalid(engine.OutputShape, "state holds %s, want texts, numbers, bools, lists and maps", what)
}

var errNoEvents = errors.New("want a list of events, each the one received or {name, data}")
