package starlark

import (
	"fmt"
	"math/big"

	"sluice/engine"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// lower returns a value of the language as the gateway sees it. Nothing is copied; only a tuple and what has no counterpart allocate.
func lower(v sky.Value) runtimes.Value {
	switch v := v.(type) {
	case sky.NoneType:
		return runtimes.Value{}
	case sky.Bool:
		return runtimes.OfBool(bool(v))
	case sky.Int:
		if n, ok := v.Int64(); ok {
			return runtimes.OfInt(n)
		}
		return runtimes.OfOwn(engine.Number(v.String()))
	case sky.Float:
		return runtimes.OfFloat(float64(v))
	case sky.String:
		return runtimes.OfString(string(v))
	case *sky.List:
		return runtimes.OfList(list{v})
	case sky.Tuple:
		return runtimes.OfList(tuple(v))
	case *sky.Dict:
		return runtimes.OfMap(dict{v})
	case *openMap:
		return runtimes.OfMap(v.of)
	case host:
		o := v.host()
		return runtimes.OfHost(o.of, o.receiver)
	case sky.Callable:
		return runtimes.OfOwn(v)
	}
	return runtimes.OfOwn(other{v})
}

// lift returns a value of the gateway as one of the language. Host values in it live as long as the call. A nil call is that of values
// without host values that are the same for every call: their maps are read at once.
func lift(c *runtimes.Call, v runtimes.Value) sky.Value {
	switch v.Kind {
	case runtimes.Nil:
		return sky.None
	case runtimes.Bool:
		return sky.Bool(v.Bool())
	case runtimes.Int:
		return sky.MakeInt64(v.Int())
	case runtimes.Float:
		return sky.Float(v.Float())
	case runtimes.String:
		return sky.String(v.Str)
	case runtimes.List:
		return liftList(c, v.Ref.(runtimes.Lister))
	case runtimes.Map:
		return liftMap(c, v.Ref.(runtimes.Mapper))
	case runtimes.Host:
		return newObject(c, v.Type, v.Ref)
	}
	return liftOwn(v.Ref)
}

func liftOwn(v any) sky.Value {
	switch v := v.(type) {
	case sky.Value:
		return v
	case other:
		return v.of
	case engine.Number:
		if n, ok := new(big.Int).SetString(string(v), 10); ok {
			return sky.MakeBigInt(n)
		}
	}
	panic(fmt.Sprintf("BUG: a script was given a %T", v))
}

// liftBytes is about what an element of a list of the gateway takes as a value of the language.
const liftBytes = 96

// liftList makes a frozen list, so that a list of the gateway compares, adds and slices as any other.
func liftList(c *runtimes.Call, l runtimes.Lister) sky.Value {
	switch l := l.(type) {
	case list:
		return l.of
	case tuple:
		return sky.Tuple(l)
	}
	if c != nil && c.Allocate != nil {
		_ = c.Allocate(listBytes + liftBytes*int64(l.Len())) // an overrun ends the call at its next step
	}
	elems := make([]sky.Value, l.Len())
	for i := range elems {
		elems[i] = lift(c, l.At(i))
	}
	out := sky.NewList(elems)
	out.Freeze()
	return out
}

func liftMap(c *runtimes.Call, m runtimes.Mapper) sky.Value {
	if d, ok := m.(dict); ok {
		return d.of
	}
	return newMap(c, m)
}

// list is a list of the language, seen from outside.
type list struct{ of *sky.List }

func (l list) Len() int                { return l.of.Len() }
func (l list) At(i int) runtimes.Value { return lower(l.of.Index(i)) }

// tuple is a tuple of the language, seen from outside.
type tuple sky.Tuple

func (t tuple) Len() int                { return len(t) }
func (t tuple) At(i int) runtimes.Value { return lower(t[i]) }

// dict is a dict of the language, seen from outside.
type dict struct{ of *sky.Dict }

func (d dict) Len() int { return d.of.Len() }

func (d dict) Get(key string) (runtimes.Value, bool) {
	v, ok, _ := d.of.Get(sky.String(key)) // a string can be hashed
	if !ok {
		return runtimes.Value{}, false
	}
	return lower(v), true
}

func (d dict) Each(f func(string, runtimes.Value) bool) string {
	keys := d.of.Iterate()
	defer keys.Done()
	for k := sky.Value(nil); keys.Next(&k); {
		key, ok := k.(sky.String)
		if !ok {
			return runtimes.TypeName(lower(k))
		}
		if v, _, _ := d.of.Get(k); !f(string(key), lower(v)) {
			break
		}
	}
	return ""
}

// other is a value of the language that has no counterpart and is no function: bytes, a set, a range.
type other struct{ of sky.Value }

// TypeName is the language's word for it.
func (o other) TypeName() string { return o.of.Type() }
