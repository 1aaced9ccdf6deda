package starlark

import (
	"errors"

	sky "go.starlark.net/starlark"
)

// Bounds of what a top level may leave behind.
const (
	maxFrozen  = 1 << 20 // visits of the interpreter, all in all
	freezeLook = 1 << 10 // visits between two looks at the clock
)

// freezing makes values immutable as the interpreter does, without walking for ever: its own Freeze visits a tuple or a function as often
// as it occurs, and a function that refers to itself without end. Lists, dicts and sets are what has to be frozen; all others only lead
// to them.
type freezing struct {
	*runner
	depth  int
	visits int
	native int         // visits of the interpreter
	seen   map[any]int // how many visits the interpreter's Freeze of a value makes; manyVisits while it is being walked through
}

// freeze makes the globals of a file immutable. An error has no place.
func (r *runner) freeze(globals sky.StringDict) error {
	f := &freezing{runner: r, seen: make(map[any]int)}
	for _, v := range globals {
		if _, err := f.walk(v); err != nil {
			return err
		}
	}
	return nil
}

var errEndless = errors.New("the top level leaves a list, dict or set behind that holds too much: the same values many times over, or a function that refers to itself")

// walk freezes v and returns how many visits the interpreter would make.
func (f *freezing) walk(v sky.Value) (int, error) {
	if f.visits++; f.visits%freezeLook == 0 {
		if err := f.tick(); err != nil {
			return 0, err
		}
	}
	id := identity(v)
	if id == nil {
		return 1, nil
	}
	if n, ok := f.seen[id]; ok {
		return n, nil
	}
	if f.depth == maxDepth {
		return 0, errDeep
	}
	f.depth++
	defer func() { f.depth-- }()
	switch v.(type) {
	case *sky.List, *sky.Dict, *sky.Set:
		f.seen[id] = 1
	default:
		f.seen[id] = manyVisits
	}
	total := 1
	if err := f.parts(v, &total); err != nil {
		return 0, err
	}
	if f.seen[id] != 1 {
		f.seen[id] = total
		return total, nil
	}
	if f.native += total; f.native > maxFrozen {
		return 0, errEndless
	}
	v.Freeze()
	return 1, nil
}

// parts walks through what a value leads to and adds up the visits.
func (f *freezing) parts(v sky.Value, total *int) (err error) {
	visit := func(e sky.Value) bool {
		if e == nil {
			return true
		}
		var n int
		n, err = f.walk(e)
		*total = min(*total+n, manyVisits)
		return err == nil
	}
	switch v := v.(type) {
	case *sky.Function:
		for i := 0; i < v.NumParams() && visit(v.ParamDefault(i)); i++ {
		}
		for i := 0; i < v.NumFreeVars() && err == nil; i++ {
			_, held := v.FreeVar(i)
			visit(held)
		}
	case *sky.Builtin:
		visit(v.Receiver())
	case *bound:
		visit(v.Receiver())
	case *appender:
		visit(v.to)
	default:
		each(v, visit)
	}
	return err
}

// identity is what tells a value that leads to others from an equal one; nil for a value that leads nowhere.
func identity(v sky.Value) any {
	switch v := v.(type) {
	case sky.Tuple:
		if len(v) == 0 {
			return nil
		}
		p, _ := placeOf(v, 0)
		return p
	case *sky.List, *sky.Dict, *sky.Set, *sky.Function, *bound, *appender:
		return v
	case *sky.Builtin:
		if v.Receiver() != nil {
			return v
		}
	}
	return nil
}
