package starlark

import (
	"errors"
	"fmt"
	"unsafe"

	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Names of the checks.
const (
	compareCheck = "$=="
	keyCheck     = "$[]"
)

// check is a value that looks at the right operand of "|" and returns it or what stands for it: to the interpreter an operator, without
// the call, the allocation and the frame of a function. It has no access to the call that runs, so that what it finds too large is an
// error of its own.
type check struct {
	name string
	look func(sky.Value) (sky.Value, error)
}

var _ sky.HasBinary = (*check)(nil)

func (c *check) String() string        { return c.name }
func (c *check) Type() string          { return c.name }
func (c *check) Freeze()               {}
func (c *check) Truth() sky.Bool       { return true }
func (c *check) Hash() (uint32, error) { return 0, errors.New("unhashable: " + c.name) }

// Binary looks at y.
func (c *check) Binary(_ syntax.Token, y sky.Value, _ sky.Side) (sky.Value, error) { return c.look(y) }

// checks adds what guard puts before an operand.
func checks(scope sky.StringDict) {
	add := func(name string, look func(sky.Value) (sky.Value, error)) { scope[name] = &check{name, look} }
	add(compareCheck, func(v sky.Value) (sky.Value, error) {
		switch v.(type) {
		case sky.Tuple, *sky.List, *sky.Dict, *sky.Set:
			return v, weigh(v, compareDepth)
		}
		return v, nil
	})
	add(keyCheck, func(v sky.Value) (sky.Value, error) { return v, hashed(v) })
	for name, f := range asOperators {
		add("$"+name, f)
	}
	for name := range methods {
		add("$."+name, attribute(name))
	}
}

// compareDepth is how deep the interpreter compares, beyond which it refuses.
const compareDepth = 12

// maxDepth is how deep a value may be nested that the interpreter walks through by itself.
const maxDepth = 1000

// Bounds of what the interpreter may visit of a value in one step: freeVisits, or sharing times what the value really holds, and never
// more than mostVisits.
const (
	freeVisits = 2000
	sharing    = 4
	mostVisits = 1 << 17
)

// hashed looks at a key. Only a tuple that holds tuples can take long: nothing else that nests can be hashed.
func hashed(v sky.Value) error {
	t, ok := v.(sky.Tuple)
	if !ok {
		return nil
	}
	for _, e := range t {
		if _, ok := e.(sky.Tuple); ok {
			return weigh(t, maxDepth)
		}
	}
	return nil
}

// weigh refuses a value that holds the same lists, tuples or dicts so often that a walk through it is much longer than what it takes in
// memory, down to a depth.
func weigh(v sky.Value, depth int) error {
	w := scales{free: freeVisits}
	w.quick(v, depth)
	total := visits(0)
	if w.free < 0 {
		w.seen = make(map[place]visits)
		total = w.count(v, depth)
	}
	switch {
	case w.deep && depth == maxDepth:
		return errDeep
	case w.real > mostVisits:
		return fmt.Errorf("a value of more than %d elements takes too long to walk through", mostVisits)
	case total > freeVisits && total > min(sharing*w.real, mostVisits):
		return errors.New("a value that holds the same values many times over takes too long to walk through")
	}
	return nil
}

var errDeep = fmt.Errorf("a value is nested deeper than %d", maxDepth)

// scales count what a walk through a value visits.
type scales struct {
	free int // visits that need no closer look
	deep bool
	real int64 // elements that were seen, each once
	seen map[place]visits
}

// place is where the elements of a value lie, and how far down the walk still goes from there.
type place struct {
	at    unsafe.Pointer
	n     int
	depth int
}

type visits = int64

// manyVisits stands for all numbers above it.
const manyVisits = 1 << 40

// quick visits each element as often as it occurs, until free is used up.
func (w *scales) quick(v sky.Value, depth int) {
	if w.free--; w.free < 0 {
		return
	}
	if depth == 0 {
		_, w.deep = placeOf(v, 0)
		return
	}
	each(v, func(e sky.Value) bool {
		w.quick(e, depth-1)
		return w.free >= 0
	})
}

// count returns how many visits a walk through v makes. It visits each element once for each depth at which it occurs.
func (w *scales) count(v sky.Value, depth int) visits {
	p, ok := placeOf(v, depth)
	if !ok {
		return 1
	}
	if n, ok := w.seen[p]; ok {
		return n
	}
	if depth == 0 {
		w.deep = true
		return 1
	}
	if w.real > mostVisits {
		return manyVisits
	}
	w.seen[p] = manyVisits // for a value that holds itself
	w.real += int64(p.n) + 1
	total := visits(1)
	each(v, func(e sky.Value) bool {
		total = min(total+w.count(e, depth-1), manyVisits)
		return w.real <= mostVisits
	})
	w.seen[p] = total
	return total
}

// placeOf tells values that hold others apart; false for any other.
func placeOf(v sky.Value, depth int) (place, bool) {
	switch v := v.(type) {
	case sky.Tuple:
		return place{unsafe.Pointer(unsafe.SliceData(v)), len(v), depth}, true
	case *sky.List:
		return place{unsafe.Pointer(v), v.Len(), depth}, true
	case *sky.Dict:
		return place{unsafe.Pointer(v), v.Len(), depth}, true
	case *sky.Set:
		return place{unsafe.Pointer(v), v.Len(), depth}, true
	}
	return place{}, false
}

// each calls f for what a value holds, keys before their values, until f returns false.
func each(v sky.Value, f func(sky.Value) bool) {
	switch v := v.(type) {
	case sky.Tuple:
		for _, e := range v {
			if !f(e) {
				return
			}
		}
	case *sky.List:
		for i := range v.Len() {
			if !f(v.Index(i)) {
				return
			}
		}
	case *sky.Dict:
		for k, e := range v.Entries() {
			if !f(k) || !f(e) {
				return
			}
		}
	case *sky.Set:
		for e := range v.Elements() {
			if !f(e) {
				return
			}
		}
	}
}
