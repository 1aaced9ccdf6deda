package starlark

import (
	"strings"

	"sluice/engine"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// copyAfter is how many bytes calls allocate until what they keep is copied. A text may be a small part of a long one, and a table have had
// room for many entries: what is kept would hold all of that. What the script may not write to is copied at once: a state is its own.
const copyAfter = 1 << 20

// keptState is what is kept between two calls.
type keptState struct {
	sky.Dict
	allocated int64 // bytes, by calls since it was made or copied
}

// kept returns what earlier calls left in s, or a new one. It is the script's to write to.
func kept(s *engine.State) *keptState {
	if k, ok := s.Kept.(*keptState); ok {
		return k
	}
	return new(keptState)
}

// keep leaves k in s for the next call, which no other call has: a script's globals are frozen. The call has allocated so many bytes. It
// returns about what k takes, in bytes. An error is an *engine.OutputError.
func (k *keptState) keep(s *engine.State, allocated int64) (int64, error) {
	s.Kept = nil
	if k.Len() == 0 {
		return 0, nil
	}
	var walk keeper
	walk.eachEntry = walk.entry
	if err := walk.value(&k.Dict); err != nil {
		return 0, err
	}
	if k.allocated += allocated; walk.readOnly || k.allocated > copyAfter {
		old := k
		k = new(keptState)
		copies{&old.Dict: &k.Dict}.fill(&k.Dict, &old.Dict)
	}
	s.Kept = k
	return walk.Size(), nil
}

// leave ends a call that keeps k, and has made so many bytes of a body or of events: that outlasts it. An error is an *engine.OutputError, or
// the budget's.
func (c *call) leave(s *engine.State, k *keptState, allocated int64, made int) error {
	kept, err := k.keep(s, allocated)
	if err != nil {
		return err
	}
	if err = c.Memory.LeaveKept(s, kept); err == nil {
		err = c.Memory.LeaveMade(s, made)
	}
	if err != nil {
		c.stop(engine.BudgetTotalMemory, err.Error())
	}
	return err
}

// copies are the lists and dicts that were copied, and what became of them.
type copies map[sky.Value]sky.Value

func (c copies) fill(to, from *sky.Dict) {
	for key, v := range from.Entries() {
		_ = to.SetKey(c.of(key), c.of(v)) // a key can be hashed
	}
}

// of is a copy of a value that can be kept, which the script may change.
func (c copies) of(v sky.Value) sky.Value {
	switch v := v.(type) {
	case sky.String:
		return sky.String(strings.Clone(string(v)))
	case sky.Tuple:
		out := make(sky.Tuple, len(v))
		for i := range v {
			out[i] = c.of(v[i])
		}
		return out
	case *sky.List:
		return c.list(v)
	case *sky.Dict:
		if c[v] == nil {
			out := sky.NewDict(v.Len())
			c[v] = out
			c.fill(out, v)
		}
		return c[v]
	case *openMap:
		if c[v] == nil {
			out := sky.NewDict(v.Len())
			c[v] = out
			v.of.Each(func(key string, v runtimes.Value) bool {
				_ = out.SetKey(c.of(sky.String(key)), c.of(lift(nil, v)))
				return true
			})
		}
		return c[v]
	}
	return v
}

func (c copies) list(v *sky.List) sky.Value {
	if c[v] == nil {
		elems := make([]sky.Value, v.Len())
		for i := range elems {
			elems[i] = c.of(v.Index(i))
		}
		c[v] = sky.NewList(elems)
	}
	return c[v]
}

// keeper walks over what is kept.
type keeper struct {
	runtimes.Kept
	eachEntry func(key, value sky.Value) bool // entry, made once: a method value costs an allocation
	err       error                           // of an entry
	readOnly  bool                            // there is a list or map that the script may not write to: one of the gateway or of a global
}

// entry walks over an entry of a dict, and reports whether to go on.
func (k *keeper) entry(key, value sky.Value) bool {
	if k.err = k.value(key); k.err == nil {
		k.err = k.value(value)
	}
	return k.err == nil
}

func (k *keeper) value(v sky.Value) error {
	text, _ := v.(sky.String)
	if err := k.Add(len(text)); err != nil {
		return err
	}
	switch v := v.(type) {
	case *sky.Dict:
		k.readOnly = k.readOnly || frozenDict(v)
		v.Entries()(k.eachEntry)
		return k.err
	case *openMap:
		k.readOnly = true
		v.of.Each(func(key string, of runtimes.Value) bool { return k.entry(sky.String(key), lift(nil, of)) })
		return k.err
	case *sky.List:
		k.readOnly = k.readOnly || frozenList(v)
		for i := range v.Len() {
			if err := k.value(v.Index(i)); err != nil {
				return err
			}
		}
	case sky.Tuple:
		for _, element := range v {
			if err := k.value(element); err != nil {
				return err
			}
		}
	case sky.NoneType, sky.Bool, sky.Int, sky.Float, sky.String:
	default:
		return runtimes.ErrNotKept(lower(v))
	}
	return nil
}

// frozenList reports whether a list is frozen. The interpreter tells it only by an error.
func frozenList(l *sky.List) bool {
	if l.Len() == 0 {
		return l.Clear() != nil
	}
	return l.SetIndex(0, l.Index(0)) != nil
}

func frozenDict(d *sky.Dict) bool {
	_, _, err := d.Delete(noKey{})
	return err != nil
}

// noKey is the key of no dict.
type noKey struct{ sky.NoneType }

// Type is none of the language.
func (noKey) Type() string { return "no key" }
