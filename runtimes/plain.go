package runtimes

import (
	"errors"
	"fmt"

	"sluice/engine"
	"sluice/engine/body"
)

// parsePlain decodes into what an engine.Object is made of.
func parsePlain(src []byte) (any, error) { return body.Decode[any](src, plainBuilder{}) }

// ParseObject reads a JSON object as a binding's config is made: of nil, bool, int64, float64, string, engine.Number, []any and
// *engine.Object.
func ParseObject(src []byte) (*engine.Object, error) {
	v, err := parsePlain(src)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*engine.Object)
	if !ok {
		return nil, errors.New("want a JSON object")
	}
	return o, nil
}

// plainBuilder makes the values of an engine.Object out of JSON.
type plainBuilder struct{}

func (plainBuilder) Pause()                   {}
func (plainBuilder) Null() any                { return nil }
func (plainBuilder) Bool(b bool) any          { return b }
func (plainBuilder) Int(n int64) any          { return n }
func (plainBuilder) BigInt(digits string) any { return engine.Number(digits) }
func (plainBuilder) Float(f float64) any      { return f }
func (plainBuilder) String(s string) any      { return s }
func (plainBuilder) Array(elems []any) any    { return elems }
func (plainBuilder) Object(keys []string, values []any) any {
	o := &engine.Object{}
	for i, k := range keys {
		o.Set(k, values[i])
	}
	return o
}

// ToObject copies a Map into an object. Nothing is an empty one. An error continues the name of what v is: "is a list, want a map".
func ToObject(v Value) (*engine.Object, error) {
	if v.Kind == Nil {
		return &engine.Object{}, nil
	}
	if v.Kind != Map {
		return nil, wrongType(v, "a map")
	}
	c := plainCopy{left: maxCopied}
	plain, err := c.copy(v, 0)
	if err != nil {
		return nil, err
	}
	return plain.(*engine.Object), nil
}

// Bounds of a copy, in values: what a script builds can hold one value 2^40 times, and nothing stops a copy half way.
const (
	maxCopied = 1 << 16
	fewValues = 64 // that a list has room for from the start: one that holds itself is met at every depth
)

// plainCopy copies values of a script out of it.
type plainCopy struct{ left int } // values that may still be copied

func (c *plainCopy) copy(v Value, depth int) (any, error) {
	if c.left--; c.left < 0 || depth > body.MaxDepth {
		return nil, errors.New("is too large or too deep")
	}
	switch v.Kind {
	case Nil:
		return nil, nil
	case Bool:
		return v.Bool(), nil
	case Int:
		return v.Int(), nil
	case Float:
		return v.Float(), nil
	case String:
		return v.Str, nil
	case List:
		return c.list(v.Ref.(Lister), depth)
	case Map:
		return c.object(v.Ref.(Mapper), depth)
	}
	if n, ok := v.Ref.(engine.Number); ok {
		return n, nil
	}
	return nil, fmt.Errorf("holds %s, want what JSON can hold", describeKind(v))
}

func (c *plainCopy) list(l Lister, depth int) (any, error) {
	out := make([]any, 0, min(l.Len(), fewValues))
	for i := range l.Len() {
		v, err := c.copy(l.At(i), depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (c *plainCopy) object(m Mapper, depth int) (any, error) {
	o := &engine.Object{}
	var err error
	bad := m.Each(func(k string, v Value) bool {
		var plain any
		if plain, err = c.copy(v, depth+1); err == nil {
			o.Set(k, plain)
		}
		return err == nil
	})
	if err == nil && bad != "" {
		err = fmt.Errorf("has a key that is a %s, want a string", bad)
	}
	return o, err
}
