package starlark

import (
	"sluice/engine/body"

	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// What the interpreter would copy in one go, for as long as the scheduler cannot stop it, is copied piece by piece here.
const (
	longText = 64 << 10 // bytes
	longList = 4 << 10  // elements
)

// long is x op y where it is made here; nil = it is not.
func long(op syntax.Token, x, y sky.Value) sky.Value {
	switch op {
	case syntax.PLUS:
		return joined(x, y)
	case syntax.STAR:
		return repeated(x, y)
	}
	return nil
}

// joined is x + y where both are texts or both are lists, and long; nil = they are not.
func joined(x, y sky.Value) sky.Value {
	switch x := x.(type) {
	case sky.String:
		if y, ok := y.(sky.String); ok && len(x)+len(y) > longText {
			out := body.AppendText(body.AppendText(make([]byte, 0, len(x)+len(y)), string(x)), string(y))
			return sky.String(body.TextOf(out))
		}
	case *sky.List:
		if y, ok := y.(*sky.List); ok && x.Len()+y.Len() > longList {
			out := appendElements(make([]sky.Value, 0, x.Len()+y.Len()), x, 0, x.Len())
			return sky.NewList(appendElements(out, y, 0, y.Len()))
		}
	}
	return nil
}

// repeated is x * y where one is a text, the other a number, and the product long; nil = they are not.
func repeated(x, y sky.Value) sky.Value {
	if _, ok := x.(sky.Int); ok {
		x, y = y, x
	}
	s, ok := x.(sky.String)
	times, err := sky.AsInt32(y)
	if !ok || err != nil || times < 1 || len(s) == 0 || len(s) <= longText/times {
		return nil
	}
	return sky.String(body.Repeat(string(s), times))
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
