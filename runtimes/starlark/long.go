package starlark

import (
	"unsafe"

	"sluice/engine/body"

	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// What the interpreter would copy in one go, for as long as the scheduler cannot stop it, is copied piece by piece here.
const (
	longText = 64 << 10 // bytes
	longList = 4 << 10  // elements
)

// joined is x + y where both are texts or both are lists, and long; nil = they are not.
func joined(x, y sky.Value) sky.Value {
	switch x := x.(type) {
	case sky.String:
		if y, ok := y.(sky.String); ok && len(x)+len(y) > longText {
			out := body.AppendText(body.AppendText(make([]byte, 0, len(x)+len(y)), string(x)), string(y))
			return sky.String(unsafe.String(unsafe.SliceData(out), len(out)))
		}
	case *sky.List:
		if y, ok := y.(*sky.List); ok && x.Len()+y.Len() > longList {
			out := appendElements(make([]sky.Value, 0, x.Len()+y.Len()), x, 0, x.Len())
			return sky.NewList(appendElements(out, y, 0, y.Len()))
		}
	}
	return nil
}

// appendElements appends the elements of a list from one place up to another.
func appendElements(out []sky.Value, of *sky.List, from, to int) []sky.Value {
	for i := from; i < to; i++ {
		out = append(out, of.Index(i))
	}
	return out
}

// sum stands for y in x += y where x + y is known.
type sum struct{ sky.Value }

var _ sky.HasBinary = sum{}

func (s sum) Binary(syntax.Token, sky.Value, sky.Side) (sky.Value, error) { return s.Value, nil }

// sliced stands for a long list in list[from:to].
type sliced struct{ *sky.List }

var _ sky.Sliceable = sliced{}

func (s sliced) Slice(from, to, _ int) sky.Value {
	return sky.NewList(appendElements(make([]sky.Value, 0, to-from), s.List, from, to))
}
