package starlark

import (
	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// keys is a walk over what is looked for in a table or put into it. Many keys of one hash take long, so that the clock is looked at, and
// the walk ends where the call does.
type keys struct {
	sky.Iterator
	r    *runner
	into *sky.Set // what they are put into; nil = they are only looked for
	left int64    // until the next look
	err  error
}

// Next is the next key.
func (k *keys) Next(key *sky.Value) bool {
	if k.err == nil && k.Iterator.Next(key) {
		if k.into != nil {
			k.err = makeRoom(k.into, *key)
		}
		if k.err == nil {
			k.err = k.r.search(&k.left, *key)
		}
		return k.err == nil
	}
	return false
}

// setOp is a method of a set that takes the elements of another iterable.
type setOp func(s *sky.Set, other *keys) (sky.Value, error)

var setOps = map[string]setOp{
	"difference":           difference,
	"intersection":         func(s *sky.Set, other *keys) (sky.Value, error) { return s.Intersection(other) },
	"issubset":             asked((*sky.Set).IsSubset),
	"issuperset":           asked((*sky.Set).IsSuperset),
	"symmetric_difference": symmetricDifference,
}

var setOperators = map[syntax.Token]setOp{
	syntax.MINUS: difference, syntax.PIPE: union, syntax.AMP: setOps["intersection"], syntax.CIRCUMFLEX: symmetricDifference,
}

func asked(question func(*sky.Set, sky.Iterator) (bool, error)) setOp {
	return func(s *sky.Set, other *keys) (sky.Value, error) {
		yes, err := question(s, other)
		return sky.Bool(yes), err
	}
}

// copied is inserted into a set that has room for all.
func copied(s *sky.Set, other *keys) (sky.Value, error) { return s, s.InsertAll(other) }

// inserted is the set itself, with other elements in it.
func inserted(s *sky.Set, other *keys) (sky.Value, error) {
	other.into = s
	return s, s.InsertAll(other)
}

func union(s *sky.Set, other *keys) (sky.Value, error) {
	out, err := other.r.copyOfSet(s)
	if err != nil {
		return nil, err
	}
	return inserted(out, other)
}

func difference(s *sky.Set, other *keys) (sky.Value, error) {
	out, err := other.r.copyOfSet(s)
	var key sky.Value
	for err == nil && other.Next(&key) {
		_, err = out.Delete(key)
	}
	return out, err
}

func symmetricDifference(s *sky.Set, other *keys) (sky.Value, error) {
	out, err := other.r.copyOfSet(s)
	other.into = out
	var key sky.Value
	for err == nil && other.Next(&key) {
		var found bool
		if found, err = out.Delete(key); err == nil && !found {
			err = out.Insert(key)
		}
	}
	return out, err
}

// apply does with a set and an iterable what op does.
func (r *runner) apply(op setOp, s *sky.Set, other sky.Iterable) (sky.Value, error) {
	k := &keys{Iterator: other.Iterate(), r: r, left: r.clock.Ahead(lookEvery)}
	defer k.Done()
	v, err := op(s, k)
	if k.err != nil {
		err = k.err
	}
	return v, err
}

// copyOfSet is a set with what another holds, made as large as that at once.
func (r *runner) copyOfSet(s *sky.Set) (*sky.Set, error) {
	out := sky.NewSet(max(0, s.Len()-1)) // it grows before one more is inserted, not after
	_, err := r.apply(copied, out, s)
	return out, err
}

// fewKeys is how many keys two tables have together of which the interpreter may look for each at once, even if all have one hash.
const fewKeys = 32

// binary is x op y. What looks for many keys is done here.
func (r *runner) binary(op syntax.Token, x, y sky.Value) (sky.Value, error) {
	switch x := x.(type) {
	case *sky.Set:
		y, ok := y.(*sky.Set)
		if of := setOperators[op]; ok && of != nil && x.Len()+y.Len() > fewKeys {
			return r.apply(of, x, y)
		}
	case *sky.Dict:
		if y, ok := y.(*sky.Dict); ok && op == syntax.PIPE && x.Len()+y.Len() > fewKeys {
			return r.unionOf(x, y)
		}
	}
	return sky.Binary(op, x, y)
}

func (r *runner) unionOf(x, y *sky.Dict) (sky.Value, error) {
	out, err := r.copyOf(x)
	if err != nil {
		return nil, err
	}
	return out, r.addAll(out, y)
}

// setMethod is the method of a set that does what op does.
func setMethod(name string, op setOp) func(*runner, sky.Value, sky.Tuple, []sky.Tuple) (sky.Value, bool, error) {
	return func(r *runner, on sky.Value, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, bool, error) {
		s, ok := on.(*sky.Set)
		if !ok || len(args) != 1 || len(kwargs) > 0 {
			return nil, false, nil
		}
		other, ok := args[0].(sky.Iterable)
		if !ok {
			return nil, false, nil
		}
		v, err := r.apply(op, s, other)
		if err != nil {
			return nil, true, renamed(name, err)
		}
		return v, true, nil
	}
}

// unionMethod is set.union, which takes as many iterables as there are.
func unionMethod(r *runner, on sky.Value, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, bool, error) {
	s, ok := on.(*sky.Set)
	if !ok {
		return nil, false, nil
	}
	out, err := r.copyOfSet(s)
	if err == nil {
		ok, err = r.insertArgs(out, args, kwargs)
	}
	if err != nil {
		return nil, true, renamed("union", err)
	}
	return out, ok, nil
}

// insertArgs puts the elements of all arguments into a set. It reports whether they are such as it takes.
func (r *runner) insertArgs(s *sky.Set, args sky.Tuple, kwargs []sky.Tuple) (bool, error) {
	for _, a := range args {
		from, ok := a.(sky.Iterable)
		if !ok {
			return false, nil
		}
		if err := r.insertAll(s, from); err != nil {
			return true, err
		}
	}
	return len(kwargs) == 0, nil
}
