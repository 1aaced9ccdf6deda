package starlark

import (
	"sluice/engine/body"

	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// What the interpreter would copy in one go, for as long as the scheduler cannot stop it, is copied piece by piece here. Between two pieces
// the call makes room for others.
const (
	longText = 256 << 10 // bytes
	longList = 4 << 10   // elements
)

// long is x op y where it is made here; nil = it is not.
func (r *runner) long(op syntax.Token, x, y sky.Value) sky.Value {
	switch op {
	case syntax.PLUS:
		return r.joined(x, y)
	case syntax.STAR:
		return r.repeated(x, y)
	}
	return nil
}

// joined is x + y where both are texts or both are lists, and long; nil = they are not.
func (r *runner) joined(x, y sky.Value) sky.Value {
	switch x := x.(type) {
	case sky.String:
		if y, ok := y.(sky.String); ok && len(x)+len(y) > longText {
			out := r.pieces().AppendText(body.Room(len(x)+len(y)), string(x))
			return sky.String(body.TextOf(r.pieces().AppendText(out, string(y))))
		}
	case *sky.List:
		if y, ok := y.(*sky.List); ok && x.Len()+y.Len() > longList {
			out := r.appendElements(make([]sky.Value, 0, x.Len()+y.Len()), x, 0, x.Len())
			return sky.NewList(r.appendElements(out, y, 0, y.Len()))
		}
	}
	return nil
}

// repeated is x * y where one is a text, the other a number, and the product long; nil = they are not.
func (r *runner) repeated(x, y sky.Value) sky.Value {
	if _, ok := x.(sky.Int); ok {
		x, y = y, x
	}
	s, ok := x.(sky.String)
	times, err := sky.AsInt32(y)
	if !ok || err != nil || times < 1 || len(s) == 0 || len(s) <= longText/times {
		return nil
	}
	return sky.String(r.pieces().Repeat(string(s), times))
}

// Rest lets others run in the midst of native work.
func (r *runner) Rest() { r.look() }

// pieces are moved in the call's time.
func (r *runner) pieces() body.Pieces { return body.Pieces{By: r} }

// appendElements appends the elements of a list from one place up to another.
func (r *runner) appendElements(out []sky.Value, of *sky.List, from, to int) []sky.Value {
	for i := from; i < to; i++ {
		if (i-from)%longList == longList-1 {
			r.look()
		}
		out = append(out, of.Index(i))
	}
	return out
}

// slicedText stands for a long text in text[from:to:step].
type slicedText struct {
	sky.Sliceable
	text string
	r    *runner
}

var _ sky.Sliceable = slicedText{}

func (s slicedText) Slice(from, to, step int) sky.Value {
	out, n := body.Room(1+abs(to-from)/abs(step)), 0
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		if n++; n%longRecase == 0 {
			s.r.look()
		}
		out = append(out, s.text[i])
	}
	return sky.String(body.TextOf(out))
}

func abs(n int) int { return max(n, -n) }

// sum stands for y in x += y where x + y is known.
type sum struct{ sky.Value }

var _ sky.HasBinary = sum{}

func (s sum) Binary(syntax.Token, sky.Value, sky.Side) (sky.Value, error) { return s.Value, nil }

// sliced stands for a long list in list[from:to].
type sliced struct {
	*sky.List
	r *runner
}

var _ sky.Sliceable = sliced{}

func (s sliced) Slice(from, to, _ int) sky.Value {
	return sky.NewList(s.r.appendElements(make([]sky.Value, 0, to-from), s.List, from, to))
}
