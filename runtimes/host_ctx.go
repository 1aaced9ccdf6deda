package runtimes

import (
	"time"

	"sluice/engine"
)

// TypeCtx is the request as scripts see it. Its receiver is the *Call.
var TypeCtx = newType(Type{
	Name: "ctx",
	Doc:  "The request to decide about, as it came from the client. No credential is in it.",
	Fields: []Field{
		{Name: "request_id", Type: "string", Doc: "The id of the request, a UUIDv7. It fixes what random gives.", Fleeting: true,
			Get: ofRequest(func(r *engine.RequestContext) Value { return OfString(r.RequestID) }),
			Put: putRequest(func(r *engine.RequestContext, v Value) error {
				err := putString(&r.RequestID, v)
				r.Seed = engine.SeedOf(r.RequestID)
				return err
			})},
		requestText("session_id", "The client's session, scoped by principal; \"\" = none.",
			func(r *engine.RequestContext) *string { return &r.SessionID }),
		requestText("method", "The HTTP method.", func(r *engine.RequestContext) *string { return &r.Method }),
		requestText("path", "The path, without the query.", func(r *engine.RequestContext) *string { return &r.Path }),
		{Name: "query", Type: "map of string", Doc: "The decoded query; of a repeated name the first value.",
			Get: func(receiver any) Value { return OfMap(receiver.(*Call).queryOf()) },
			Put: putRequest(putQuery)},
		{Name: "headers", Type: "headers", Doc: "The headers, read-only.",
			Get: func(receiver any) Value { return OfHost(TypeHeaders, receiver.(*Call).headersOf()) },
			Put: putRequest(func(r *engine.RequestContext, v Value) error { return putHeaders(&r.Headers, v) })},
		requestText("model", "The model that the request asks for.", func(r *engine.RequestContext) *string { return &r.Model }),
		{Name: "stream", Type: "bool", Doc: "Whether the answer is to be a stream.",
			Get: ofRequest(func(r *engine.RequestContext) Value { return OfBool(r.Stream) }),
			Put: putRequest(func(r *engine.RequestContext, v Value) error { return putBool(&r.Stream, v) })},
		{Name: "max_tokens", Type: "int or nothing", Doc: "The tokens that the answer may have.",
			Get: ofRequest(func(r *engine.RequestContext) Value { return positive(r.MaxTokens) }),
			Put: putRequest(func(r *engine.RequestContext, v Value) error { return putInt(&r.MaxTokens, v) })},
		requestText("service_tier", "The service tier that the request asks for.",
			func(r *engine.RequestContext) *string { return &r.ServiceTier }),
		{Name: "attempt", Type: "int", Doc: "Which attempt this is, 1 for the first.",
			Get: ofRequest(func(r *engine.RequestContext) Value { return OfInt(int64(max(1, r.Attempt))) }),
			Put: putRequest(func(r *engine.RequestContext, v Value) error { return putInt(&r.Attempt, v) })},
		{Name: "now_ms", Type: "int", Doc: "Milliseconds since 1970, fixed for the request.", Fleeting: true,
			Get: func(receiver any) Value { return OfInt(receiver.(*Call).Now.UnixMilli()) },
			Put: putNow},
		{Name: "body", Type: "body", Doc: "The body, read-only.",
			Get: func(receiver any) Value { return OfHost(TypeBody, BodyOf(receiver.(*Call))) },
			Put: putBody},
	},
	Methods: []Method{
		{Name: "random", Result: "float", Doc: "The next number in [0,1) of a sequence that the request's id fixes.",
			Call: func(_ *Call, receiver any, _ []Value) (Value, error) { return OfFloat(receiver.(*Call).Random()), nil }},
	},
})

// noRequest stands in where a hook has no request.
var noRequest engine.RequestContext

func (c *Call) request() *engine.RequestContext {
	if c.Request == nil {
		return &noRequest
	}
	return c.Request
}

// headersOf is the read-only view of the request's headers.
func (c *Call) headersOf() *HeaderView {
	if c.headers.lines == nil {
		c.headers = HeaderView{call: c, lines: &c.request().Headers, seen: c.request().Seen}
	}
	return &c.headers
}

// ofRequest makes a Get of what reads a request.
func ofRequest(get func(r *engine.RequestContext) Value) func(any) Value {
	return func(receiver any) Value { return get(receiver.(*Call).request()) }
}

// putRequest makes a Put of what writes to a request that is being built.
func putRequest(put func(r *engine.RequestContext, v Value) error) func(any, Value) error {
	return func(receiver any, v Value) error { return put(receiver.(*Call).Request, v) }
}

// requestText is a field that holds a text of the request, nothing where it is empty. A session is always a text, so that it can be hashed.
func requestText(name, doc string, at func(r *engine.RequestContext) *string) Field {
	f := Field{Name: name, Type: "string or nothing", Doc: doc,
		Get: ofRequest(func(r *engine.RequestContext) Value { return text(*at(r)) }),
		Put: putRequest(func(r *engine.RequestContext, v Value) error { return putString(at(r), v) })}
	switch name {
	case "session_id", "method", "path":
		f.Type = "string"
		f.Get = ofRequest(func(r *engine.RequestContext) Value { return OfString(*at(r)) })
	}
	return f
}

func putNow(receiver any, v Value) error {
	var ms int64
	if err := putInt(&ms, v); err != nil {
		return err
	}
	c := receiver.(*Call)
	c.Now = time.UnixMilli(ms).UTC()
	c.Request.Now = c.Now
	return nil
}

// putBody takes a text as it is and encodes any other value.
func putBody(receiver any, v Value) error {
	c := receiver.(*Call)
	b, err := c.bytesOf(v)
	c.Request.Body, c.Request.Index = b, nil
	return err
}
