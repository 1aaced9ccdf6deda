package runtimes

import (
	"errors"
	"fmt"

	"sluice/engine"
	"sluice/engine/body"
)

// BodyView is a JSON body as a script sees it.
type BodyView struct {
	call     *Call
	doc      *body.Doc
	writable bool
	copied   bool // an edit has made the bytes its own
}

// BodyOf is the read-only body of c's request. It uses what the proxy learned when it scanned the body.
func BodyOf(c *Call) *BodyView {
	if c.body.doc == nil {
		c.body = BodyView{call: c, doc: docOf(c)}
	}
	return &c.body
}

// docOf makes a Doc of the request's body.
func docOf(c *Call) *body.Doc {
	r := c.request()
	if top, ok := r.Index.(*body.Top); ok && top != nil {
		return body.WithTop(*top)
	}
	return body.New(r.Body)
}

// NewBody is a read-only view of another body, which must not be written to while the call runs.
func NewBody(c *Call, b []byte) *BodyView { return &BodyView{call: c, doc: body.New(b)} }

// TypeBody is a JSON body. Its receiver is a *BodyView.
var TypeBody = newType(Type{
	Name: "body",
	Doc: "A JSON body. Paths are dots between keys, with list positions from 0; `\\.` is a dot in a key, and the empty path is the whole. " +
		"A body that is not JSON has nothing at any path.",
	Edit: "set(path, value)",
	Fields: []Field{
		{Name: "size", Type: "int", Doc: "The length in bytes.",
			Get: func(receiver any) Value {
				b := receiver.(*BodyView)
				_ = b.missing("size") // which the replay finds
				return OfInt(int64(len(b.doc.Bytes())))
			}},
	},
	Methods: []Method{
		{Name: "get", Params: []Param{bodyPath, {Name: "default", Type: "any", Optional: true}}, Result: "any",
			Doc: "The value at path, a decoded copy of an object or list; default where it is absent or null.", Call: bodyGet},
		{Name: "has", Params: []Param{bodyPath}, Result: "bool", Doc: "Whether there is a value at path, null included.",
			Call: atPath("has", func(_ *Call, b *BodyView, p body.Path) (Value, error) { return OfBool(b.doc.Has(p)), nil })},
		{Name: "type", Params: []Param{bodyPath}, Result: "string or nothing",
			Doc:  `"null", "bool", "number", "string", "list" or "object"; nothing where path is absent.`,
			Call: atPath("type", func(_ *Call, b *BodyView, p body.Path) (Value, error) { return text(b.doc.Type(p)), nil })},
		{Name: "raw", Params: []Param{{Name: "path", Type: "string", Optional: true}}, Result: "string or nothing",
			Doc:  "The text at path as it stands in the body; of the whole, whatever it is, where path is empty or left out.",
			Call: atPath("raw", bodyRaw)},
		{Name: "values", Result: "int", Doc: "How many values the body holds, those within others among them: what it takes to decode it. 0 where it is not JSON.",
			Call: func(c *Call, receiver any, _ []Value) (Value, error) {
				b := receiver.(*BodyView)
				if err := b.missing("values"); err != nil {
					return Value{}, fmt.Errorf("values: %w", err)
				}
				return OfInt(int64(body.Count(b.doc.Bytes()))), c.spend(len(b.doc.Bytes()) / 16)
			}},
		{Name: "json", Result: "any", Doc: "The whole body, decoded. A body that is not JSON is an error.", Call: bodyJSON},
		{Name: "set", Params: []Param{bodyPath, {Name: "value", Type: "value"}},
			Doc: "Makes value the one at path; -1 appends to a list. In request and response alone.", Call: edits("set", bodySet)},
		{Name: "set_raw", Params: []Param{bodyPath, {Name: "text", Type: "string"}},
			Doc: "As set, with JSON text. In request and response alone.", Call: edits("set_raw", bodySetRaw)},
		{Name: "remove", Params: []Param{bodyPath}, Doc: "Takes out what is at path. In request and response alone.",
			Call: edits("remove", bodyRemove)},
		{Name: "replace", Params: []Param{{Name: "value", Type: "value"}},
			Doc: "Makes the whole body a text, or a value encoded as JSON. In request and response alone.", Call: bodyReplace},
	},
})

// editsBody is how the body of a request or a response is written to.
const editsBody = "its set(path, value), or replace(value)"

var bodyPath = Param{Name: "path", Type: "string"}

// missing is an error where the request was made of a row of the ledger, which has no body. It notes what is looked for.
func (b *BodyView) missing(path string) error { return b.call.request().Missing.Body(path) }

// at parses the path that is the first argument, the empty text being the path to the whole, and pays for the way there.
func (b *BodyView) at(c *Call, method string, args []Value) (body.Path, error) {
	if err := b.missing(args[0].Str); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	c.extend(len(b.doc.Bytes())) // what is before a path may be all of it
	if err := c.spend(len(b.doc.Bytes()) / 128); err != nil || args[0].Str == "" {
		return nil, err
	}
	p, err := body.ParsePath(args[0].Str)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return p, nil
}

// atPath makes a method of what looks at a path.
func atPath(method string, look func(c *Call, b *BodyView, p body.Path) (Value, error)) func(*Call, any, []Value) (Value, error) {
	return func(c *Call, receiver any, args []Value) (Value, error) {
		b := receiver.(*BodyView)
		p, err := b.at(c, method, args)
		if err != nil {
			return Value{}, err
		}
		return look(c, b, p)
	}
}

func bodyGet(c *Call, receiver any, args []Value) (Value, error) {
	b := receiver.(*BodyView)
	p, err := b.at(c, "get", args)
	if err != nil {
		return Value{}, err
	}
	v, _ := b.doc.Get(p)
	switch v.Kind() {
	case body.Absent, body.Null:
		return args[1], nil
	case body.Bool:
		b, _ := v.Bool()
		return OfBool(b), nil
	case body.String:
		if err := c.payText(len(v.Raw())); err != nil {
			return Value{}, err
		}
		s, _ := v.Text()
		return OfString(s), nil
	}
	out, err := c.decodeJSON(v.Raw())
	if err != nil {
		return Value{}, fmt.Errorf("get %q: %w", engine.Cut(args[0].Str, maxQuoted), err)
	}
	return out, nil
}

// bodyRaw is the text at a path. The whole is there even where it is no JSON.
func bodyRaw(c *Call, b *BodyView, p body.Path) (Value, error) {
	raw := b.doc.Bytes()
	if len(p) > 0 {
		raw = b.doc.Raw(p)
	}
	if err := c.payText(len(raw)); err != nil {
		return Value{}, err
	}
	if len(p) == 0 {
		return OfString(string(raw)), nil
	}
	return text(string(raw)), nil
}

func bodyJSON(c *Call, receiver any, _ []Value) (Value, error) {
	b := receiver.(*BodyView)
	if err := b.missing(""); err != nil {
		return Value{}, fmt.Errorf("json: %w", err)
	}
	if err := b.doc.Err(); err != nil {
		return Value{}, fmt.Errorf("json: the body is not JSON: %w", err)
	}
	c.extend(len(b.doc.Bytes()))
	v, err := c.decodeJSON(b.doc.Bytes())
	if err != nil {
		return Value{}, fmt.Errorf("json: %w", err)
	}
	return v, nil
}

// extend gives the call what a body of n bytes earns, once.
func (c *Call) extend(n int) {
	if c.Extend != nil && !c.extended {
		c.extended = true
		c.Extend(n)
	}
}

var errReadOnlyBody = errors.New("this body is read-only, want request.body")

// edits makes a method of what edits at a path.
func edits(method string, edit func(c *Call, b *BodyView, p body.Path, args []Value) error) func(*Call, any, []Value) (Value, error) {
	return func(c *Call, receiver any, args []Value) (Value, error) {
		b := receiver.(*BodyView)
		if !b.writable {
			return Value{}, fmt.Errorf("%s: %w", method, errReadOnlyBody)
		}
		p, err := b.at(c, method, args)
		if err == nil {
			err = b.payEdit(c)
		}
		if err != nil {
			return Value{}, err
		}
		if err := edit(c, b, p, args); err != nil {
			return Value{}, err
		}
		return Value{}, b.bounded(method, len(b.doc.Bytes()))
	}
}

// bounded refuses a body that is larger than one a client may send.
func (b *BodyView) bounded(method string, bytes int) error {
	var refused *engine.DialectError
	if b.call.Request != nil && errors.As(b.call.Request.CheckBody(bytes), &refused) {
		return fmt.Errorf("%s: %s", method, refused.Reason)
	}
	return nil
}

// payEdit charges an edit, which moves the rest of the body, and the first time copies all of it.
func (b *BodyView) payEdit(c *Call) error {
	size := len(b.doc.Bytes())
	if b.copied {
		return c.spend(size / 64)
	}
	b.copied = true
	return c.payText(size + size/4)
}

func bodySet(c *Call, b *BodyView, p body.Path, args []Value) error {
	text, err := c.encodeJSON(args[1])
	if err != nil {
		return fmt.Errorf("set %q: %w", engine.Cut(args[0].Str, maxQuoted), err)
	}
	return b.doc.Set(p, text)
}

func bodySetRaw(c *Call, b *BodyView, p body.Path, args []Value) error {
	if err := c.payText(2 * len(args[1].Str)); err != nil {
		return err
	}
	return b.doc.SetAs("set_raw", p, []byte(args[1].Str))
}

func bodyRemove(_ *Call, b *BodyView, p body.Path, _ []Value) error { return b.doc.Remove(p) }

func bodyReplace(c *Call, receiver any, args []Value) (Value, error) {
	b := receiver.(*BodyView)
	if !b.writable {
		return Value{}, fmt.Errorf("replace: %w", errReadOnlyBody)
	}
	text, err := c.bytesOf(args[0])
	if err != nil {
		return Value{}, fmt.Errorf("replace: %w", err)
	}
	if err := b.bounded("replace", len(text)); err != nil {
		return Value{}, err
	}
	b.doc.Replace(text)
	return Value{}, nil
}
