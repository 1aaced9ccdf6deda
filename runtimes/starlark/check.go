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
	writeCheck   = "$[]="
	affixCheck   = "$startswith"
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
		var err error
		if holds(v) {
			_, err = weigh(v, compareDepth)
		}
		return v, err
	})
	add(keyCheck, func(v sky.Value) (sky.Value, error) {
		_, err := hashed(v)
		return v, err
	})
	add(writeCheck, toWrite)
	add(affixCheck, func(v sky.Value) (sky.Value, error) { return v, affixes(v) })
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
	textVisit  = 128 // bytes of a text that take as long as a visit to compare and to hash
)

// maxKey bounds the visits that it takes to hash a key: the interpreter does it at each look, and an error repeats the key.
const maxKey = 1 << 20 / textVisit

// hashed looks at a key and returns how many visits it takes to hash it. Only texts and a tuple can take long: nothing else that nests can
// be hashed.
func hashed(v sky.Value) (n visits, err error) {
	n = weightOf(v)
	if t, ok := v.(sky.Tuple); ok {
		nested := false
		for _, e := range t {
			_, tuple := e.(sky.Tuple)
			nested = nested || tuple
			n += weightOf(e)
		}
		if nested {
			n, err = weigh(v, maxDepth)
		}
	}
	if err == nil && n > maxKey {
		err = fmt.Errorf("a key of more than %d bytes or %d elements takes too long to look for", maxKey*textVisit, maxKey)
	}
	return n, err
}

// weigh returns how many visits a walk through a value makes, down to a depth. It refuses one that holds the same texts, lists, tuples or
// dicts so often that the walk is much longer than what it takes in memory.
func weigh(v sky.Value, depth int) (visits, error) {
	if n := weightOf(v); n <= freeVisits && !holds(v) {
		return n, nil
	}
	w := scales{free: freeVisits}
	w.quick(v, depth)
	total := visits(freeVisits - w.free)
	if w.free < 0 {
		w.seen, w.collide = make(map[place]visits), 0
		total = w.count(v, depth)
	}
	switch {
	case w.deep && depth == maxDepth:
		return 0, errDeep
	case w.real > mostVisits:
		return 0, fmt.Errorf("a value of more than %d elements takes too long to walk through", mostVisits)
	case total > freeVisits && total > min(sharing*w.real, mostVisits):
		return 0, errors.New("a value that holds the same values many times over takes too long to walk through")
	}
	return total + w.collide, nil
}

var errDeep = fmt.Errorf("a value is nested deeper than %d", maxDepth)

// scales count what a walk through a value visits.
type scales struct {
	free int // visits that need no closer look
	deep bool
	real int64 // elements that were seen, each once

	collide visits // that keys of tables take beside, each in the place of others
	seen    map[place]visits
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
	if w.free -= int(weightOf(v)); w.free < 0 {
		return
	}
	if depth == 0 {
		_, w.deep = placeOf(v, 0)
		return
	}
	w.collide += collisions(v)
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
	if n := weightOf(v); n > 1 {
		w.real += n
		w.seen[p] = n
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
	w.collide += collisions(v)
	total := visits(1)
	each(v, func(e sky.Value) bool {
		total = min(total+w.count(e, depth-1), manyVisits)
		return w.real <= mostVisits
	})
	w.seen[p] = total
	return total
}

// collisions is how many visits more it takes to look for each key of a table, if many have to be told apart one by one: keys of one hash,
// or of one place for it. A table of few keys has none.
func collisions(v sky.Value) visits {
	switch v.(type) {
	case *sky.Dict, *sky.Set:
	default:
		return 0
	}
	n := sky.Len(v)
	if n <= fewKeys {
		return 0
	}
	var places [64]visits // by the end of a hash, as in the table itself
	most := visits(0)
	for key := range sky.Elements(v.(sky.Iterable)) {
		h, _ := key.Hash()
		places[h%64]++
		most = max(most, places[h%64])
	}
	if usual := visits(fewKeys + n/16); most > usual {
		return (most - usual) * (most - usual)
	}
	return 0
}

// weightOf is how many visits a value takes itself, without those that it holds.
func weightOf(v sky.Value) visits {
	switch v := v.(type) {
	case sky.String:
		return 1 + visits(len(v)/textVisit)
	case sky.Bytes:
		return 1 + visits(len(v)/textVisit)
	}
	return 1
}

// holds reports whether a value may hold others.
func holds(v sky.Value) bool {
	switch v.(type) {
	case sky.Tuple, *sky.List, *sky.Dict, *sky.Set:
		return true
	}
	return false
}

// placeOf tells values that hold others, and long texts, apart; false for any other.
func placeOf(v sky.Value, depth int) (place, bool) {
	switch v := v.(type) {
	case sky.String:
		return place{unsafe.Pointer(unsafe.StringData(string(v))), len(v), 0}, len(v) >= textVisit
	case sky.Bytes:
		return place{unsafe.Pointer(unsafe.StringData(string(v))), len(v), 0}, len(v) >= textVisit
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
