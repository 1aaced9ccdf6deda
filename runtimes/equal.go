package runtimes

import "bytes"

// comparer compares values by what they hold. Numbers are equal across kinds; an empty map whose language has one form for both equals an
// empty list. It gives up on values that are too large or too deep, as those are that hold themselves.
type comparer struct {
	call *Call
	left int // values that may still be looked at
	seen int // since others ran: values, and as many for each KiB of text
}

// maxCompared bounds a comparison: what a script builds can hold one value 2^40 times.
const (
	maxCompared  = 1 << 20
	maxEqualDeep = 256
	manyCompared = 1 << 10 // values until others run: some 100 us
)

// equal reports whether a and b are equal.
func equal(c *Call, a, b Value) bool {
	cmp := comparer{call: c, left: maxCompared}
	return cmp.equal(a, b, 0)
}

func (c *comparer) equal(a, b Value, depth int) bool {
	if c.left--; c.left < 0 || depth > maxEqualDeep {
		return false
	}
	if c.seen++; c.seen >= manyCompared {
		c.seen = 0
		if c.call.look() != nil { // the call is over, whatever it is told
			return false
		}
	}
	if x, ok := a.Number(); ok {
		y, ok := b.Number()
		return ok && x == y && (a.Kind != Int || b.Kind != Int || a.Int() == b.Int())
	}
	if l, ok := asList(a); ok {
		if m, ok := asList(b); ok {
			return c.lists(l, m, depth)
		}
	}
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case Bool:
		return a.Bool() == b.Bool()
	case String:
		if len(a.Str) != len(b.Str) {
			return false
		}
		c.seen += len(a.Str) >> 10
		return a.Str == b.Str
	case Map:
		return c.maps(a.Ref.(Mapper), b.Ref.(Mapper), depth)
	case Host:
		return equalHosts(a, b)
	case Own:
		return c.own(a, b)
	}
	return true
}

func (c *comparer) lists(a, b Lister, depth int) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i := range a.Len() {
		if !c.equal(a.At(i), b.At(i), depth+1) {
			return false
		}
	}
	return true
}

func (c *comparer) maps(a, b Mapper, depth int) bool {
	same := a.Len() == b.Len()
	bad := a.Each(func(key string, v Value) bool {
		w, ok := b.Get(key)
		same = same && ok && c.equal(v, w, depth+1)
		return same
	})
	return same && bad == ""
}

// equalHosts compares candidates by id and everything else by identity.
func equalHosts(a, b Value) bool {
	x, ok := a.Ref.(*Candidate)
	y, ok2 := b.Ref.(*Candidate)
	if ok && ok2 {
		return x.ID == y.ID
	}
	return a.Type == b.Type && a.Ref == b.Ref
}

// own compares by JSON, which big integers have.
func (c *comparer) own(a, b Value) bool {
	x, err := c.call.encodeJSON(a)
	y, err2 := c.call.encodeJSON(b)
	return err == nil && err2 == nil && bytes.Equal(x, y)
}
