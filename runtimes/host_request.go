package runtimes

import (
	"errors"

	"sluice/engine"
	"sluice/engine/body"
)

// Request is the request that shape edits for one upstream.
type Request struct {
	call    *Call
	to      *engine.Upstream      // that a url and a method are checked for; nil in a test, where nothing is sent
	refused engine.DialectVariant // of the last value that was checked, "" = it was taken
	draft   engine.Draft
	headers HeaderView
	body    BodyView
	// State is a mutable map of the language's own, one for each attempt.
	State Value
}

// NewRequest is a request as it came, addressed to u. What is edited is copied first.
func NewRequest(c *Call, u *engine.Upstream) *Request {
	r := &Request{call: c, to: u, draft: engine.DraftOf(c.Request, u)}
	r.headers = HeaderView{call: c, lines: &r.draft.Headers, writable: true}
	r.body = BodyView{call: c, writable: true}
	if n := c.Request.NativeTo(u); n != nil {
		r.body.doc = body.New(n.Body)
	} else {
		r.body.doc = docOf(c)
	}
	return r
}

// Draft is the request as it stands. Its body is the downstream one's own bytes where nothing was edited.
func (r *Request) Draft() engine.Draft {
	d := r.draft
	d.Headers = *r.headers.lines
	if r.body.doc.Changed() {
		d.Body = r.body.doc.Bytes()
	}
	return d
}

// TypeRequest is the request that shape edits. Its receiver is a *Request.
var TypeRequest = newType(Type{
	Name: "request",
	Doc:  "The request that goes to the upstream. It is edited in place.",
	Fields: []Field{
		requestLine("url", "The absolute address. It keeps the upstream's scheme, host and port.",
			func(d *engine.Draft) *string { return &d.URL },
			func(r *Request, s string) error { _, err := r.to.CheckURL(s); return err }),
		requestLine("method", "The HTTP method.", func(d *engine.Draft) *string { return &d.Method },
			func(r *Request, s string) error { return r.call.Request.CheckMethod(s) }),
		{Name: "headers", Type: "headers", Doc: "The headers, to be edited.",
			Get: func(receiver any) Value { return OfHost(TypeHeaders, &receiver.(*Request).headers) },
			Put: func(receiver any, v Value) error {
				h := &receiver.(*Request).headers
				h.own = true
				return putHeaders(h.lines, v)
			}},
		{Name: "body", Type: "body", Doc: "The body, to be edited.", Edit: editsBody,
			Get: func(receiver any) Value { return OfHost(TypeBody, &receiver.(*Request).body) },
			Put: putRequestBody},
		{Name: "state", Type: "map", Doc: "A map of the script's own, one for each attempt.",
			Get: func(receiver any) Value { return receiver.(*Request).State },
			Put: func(receiver any, v Value) error { receiver.(*Request).State = v; return nil }},
	},
})

// requestLine is a field of the draft. What a script sets it to is checked by the engine's own rule there and then, where its line is
// known.
func requestLine(name, doc string, at func(d *engine.Draft) *string, check func(r *Request, s string) error) Field {
	set := func(receiver any, v Value) error { return putString(at(&receiver.(*Request).draft), v) }
	return Field{Name: name, Type: "string", Doc: doc, Put: set,
		Get: func(receiver any) Value { return OfString(*at(&receiver.(*Request).draft)) },
		Set: func(receiver any, v Value) error {
			if v.Kind != String {
				return &fieldError{"request." + name, wrongType(v, "a string")}
			}
			if err := receiver.(*Request).check(v.Str, check); err != nil {
				return err
			}
			return set(receiver, v)
		}}
}

// check returns what a rule of the engine says, without the words of the error's kind.
func (r *Request) check(s string, rule func(r *Request, s string) error) error {
	var refused *engine.DialectError
	r.refused = ""
	if r.to == nil || !errors.As(rule(r, s), &refused) {
		return nil
	}
	r.refused = refused.Variant
	return errors.New(refused.Reason)
}

// Failed is the error of a shape call whose script failed: of the kind of the value that was refused, if it was one.
func (r *Request) Failed(reason string, cause error) error {
	variant := engine.DialectUnsupportedRequest
	if r.refused != "" {
		variant = r.refused
	}
	return &engine.DialectError{Variant: variant, Reason: reason, Cause: cause}
}

// fieldError puts the name of a field before what is wrong with its value.
type fieldError struct {
	name string
	err  error
}

func (e *fieldError) Error() string { return e.name + " " + e.err.Error() }

func putRequestBody(receiver any, v Value) error {
	r := receiver.(*Request)
	b, err := r.call.bytesOf(v)
	r.draft.Body = b
	r.body.doc = body.New(b)
	return err
}
