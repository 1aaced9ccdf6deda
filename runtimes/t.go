package runtimes

import (
	"errors"
	"fmt"
	"strings"

	"sluice/engine"
)

// TypeT is what a test_ function is called with. Its receiver is the *Call of the test. A check that does not hold is an error at the
// line that made it.
var TypeT = newType(Type{
	Name: "t",
	Doc:  "What a test_ function gets: checks, and builders that start from a sample and take any documented field.",
	Methods: []Method{
		{Name: "eq", Params: []Param{{Name: "a", Type: "any"}, {Name: "b", Type: "any"}},
			Doc: "Both are equal, however deep.", Call: testEqual},
		{Name: "ok", Params: []Param{{Name: "v", Type: "any"}, {Name: "message", Type: "string", Optional: true}},
			Doc: "v is neither nothing nor false.", Call: testOK},
		{Name: "fails", Params: []Param{{Name: "f", Type: "function"}, {Name: "text", Type: "string", Optional: true}},
			Doc: "f, called without arguments, fails with a message that holds text.", Call: testFails},
		builder("ctx", TypeCtx, nil, func(c *Call, _ []Value, fields Value) (Value, error) {
			made, err := NewCtx(c, fields)
			return OfHost(TypeCtx, made), err
		}),
		builder("principal", TypePrincipal, nil, func(_ *Call, _ []Value, fields Value) (Value, error) {
			made, err := NewPrincipal(fields)
			return OfHost(TypePrincipal, made), err
		}),
		builder("candidate", TypeCandidate, sampleName, func(c *Call, args []Value, fields Value) (Value, error) {
			made, err := newUpstream(TypeCandidate, c, nameOr(args[0], "direct"), fields)
			return OfHost(TypeCandidate, made), err
		}),
		builder("upstream", TypeUpstream, sampleName, func(c *Call, args []Value, fields Value) (Value, error) {
			made, err := newUpstream(TypeUpstream, c, nameOr(args[0], "direct"), fields)
			return OfHost(TypeUpstream, made), err
		}),
		builder("request", TypeRequest, []Param{{Name: "body", Type: "value", Optional: true}}, buildRequest),
		builder("response", TypeResponse, []Param{{Name: "body", Type: "value", Optional: true}}, buildResponse),
		builder("event", nil, []Param{{Name: "kind", Type: "string", Optional: true}}, func(c *Call, args []Value,
			fields Value) (Value, error) {
			if args[0].Kind == Nil && namesFields(TypeStreamEvent, fields) {
				made := NewStreamEvent(c, engine.StreamEvent{})
				return OfHost(TypeStreamEvent, made), build(TypeStreamEvent, made, fields)
			}
			made, err := NewEvent(nameOr(args[0], sampleKind), fields)
			if err != nil {
				return Value{}, err
			}
			return OfEvent(made), nil
		}),
	},
})

// builder is a method of t that makes a host value; makes is nil where its type hangs on an argument.
func builder(name string, makes *Type, params []Param, make func(c *Call, args []Value, fields Value) (Value, error)) Method {
	return Method{Name: name, Params: params, Keywords: true, Makes: makes, Result: name,
		Doc: "A sample " + name + " with the fields that are given.",
		Call: func(c *Call, _ any, args []Value) (Value, error) {
			return make(c, args[:len(params)], args[len(params)])
		}}
}

var sampleName = []Param{{Name: "name", Type: "string", Optional: true}}

// sampleKind is the kind of an event that names none.
const sampleKind = "request_finished"

// namesFields reports whether fields are given, and all of them are t's.
func namesFields(t *Type, fields Value) bool {
	m, ok := fields.Ref.(Mapper)
	return ok && m.Len() > 0 && t.builtFrom(m)
}

func nameOr(v Value, name string) string {
	if v.Kind == String {
		return v.Str
	}
	return name
}

func buildRequest(c *Call, args []Value, fields Value) (Value, error) {
	ctx, err := NewCtx(c, Value{})
	if err != nil {
		return Value{}, err
	}
	r := NewRequest(ctx, sampleUpstream("direct"))
	r.call, r.body.call, r.headers.call, r.to = c, c, c, nil
	if r.State, err = emptyMap(c); err != nil {
		return Value{}, err
	}
	if args[0].Kind != Nil {
		if err := TypeRequest.put(r, "body", args[0]); err != nil {
			return Value{}, err
		}
	}
	return OfHost(TypeRequest, r), build(TypeRequest, r, fields)
}

// sampleAnswer is the body of an answer to the sample request.
const sampleAnswer = `{"id":"msg_01A","type":"message","role":"assistant","model":"claude-sonnet-4-5",` +
	`"content":[{"type":"text","text":"It prints a greeting."}],"stop_reason":"end_turn","stop_sequence":null,` +
	`"usage":{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":6}}`

func sampleReply() *engine.Reply {
	return &engine.Reply{Status: 200, Headers: engine.Headers{{Name: "content-type", Value: "application/json"}}, Body: []byte(sampleAnswer)}
}

func buildResponse(c *Call, args []Value, fields Value) (Value, error) {
	r := NewResponse(c, sampleReply())
	var err error
	if r.State, err = emptyMap(c); err != nil {
		return Value{}, err
	}
	if args[0].Kind != Nil {
		if err := TypeResponse.put(r, "body", args[0]); err != nil {
			return Value{}, err
		}
	}
	return OfHost(TypeResponse, r), build(TypeResponse, r, fields)
}

// emptyMap is a new mutable map of the language's own.
func emptyMap(c *Call) (Value, error) {
	if c.Codec == nil {
		return Value{}, nil
	}
	return c.Codec.DecodeJSON([]byte("{}"))
}

func testOK(c *Call, _ any, args []Value) (Value, error) {
	if v := args[0]; v.Kind != Nil && (v.Kind != Bool || v.Bool()) {
		return Value{}, nil
	}
	if args[1].Kind == String {
		return Value{}, fmt.Errorf("ok: %s", engine.Cut(args[1].Str, engine.MaxErrorMessage))
	}
	return Value{}, fmt.Errorf("ok: got %s", checked(c, args[0]))
}

func testEqual(c *Call, _ any, args []Value) (Value, error) {
	if equal(c, args[0], args[1]) {
		return Value{}, nil
	}
	return Value{}, fmt.Errorf("eq: %s is not %s", checked(c, args[0]), checked(c, args[1]))
}

// checked is a value in the error of a check, as its language writes it where it is nothing.
func checked(c *Call, v Value) string {
	if v.Kind == Nil && c.Codec != nil {
		return c.Codec.Nothing()
	}
	return showNested(c, v, 0)
}

func testFails(c *Call, _ any, args []Value) (Value, error) {
	if c.Invoke == nil {
		return Value{}, errors.New("fails: functions can be called in tests alone")
	}
	err := c.Invoke(args[0])
	switch {
	case err == nil && args[1].Kind == String:
		return Value{}, fmt.Errorf("fails: the function returned, want an error with %s", quote(args[1].Str))
	case err == nil:
		return Value{}, errors.New("fails: the function returned, want an error")
	case args[1].Kind == String && !strings.Contains(err.Error(), args[1].Str):
		return Value{}, fmt.Errorf("fails: the error is %q, want one with %s", err.Error(), quote(args[1].Str))
	}
	return Value{}, nil
}
