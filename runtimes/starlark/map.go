package starlark

import (
	"errors"
	"fmt"

	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// openMap is a read-only map of the gateway: labels, claims, config. What is absent reads as None.
type openMap struct {
	of    runtimes.Mapper
	call  *runtimes.Call       // nil: the map is the same for every call
	fixed map[string]sky.Value // the values of such a map, lifted in advance
	bound *sky.Builtin         // get of such a map
}

var (
	_ sky.HasAttrs        = (*openMap)(nil)
	_ sky.HasSetKey       = (*openMap)(nil)
	_ sky.Container       = (*openMap)(nil)
	_ sky.Sequence        = (*openMap)(nil)
	_ sky.IterableMapping = (*openMap)(nil)
)

func newMap(c *runtimes.Call, of runtimes.Mapper) *openMap {
	m := &openMap{of: of, call: c}
	if c == nil {
		m.bound = sky.NewBuiltin("get", m.get)
		m.fixed = make(map[string]sky.Value, of.Len())
		of.Each(func(key string, v runtimes.Value) bool {
			m.fixed[key] = lift(nil, v)
			return true
		})
	}
	return m
}

func (m *openMap) lookup(key string) (sky.Value, bool) {
	if m.call == nil {
		v, ok := m.fixed[key]
		return v, ok
	}
	v, ok := m.of.Get(key)
	if !ok {
		return nil, false
	}
	return lift(m.call, v), true
}

// each calls f for each entry in order.
func (m *openMap) each(f func(key string, v sky.Value)) {
	m.of.Each(func(key string, v runtimes.Value) bool {
		if m.call == nil {
			f(key, m.fixed[key])
		} else {
			f(key, lift(m.call, v))
		}
		return true
	})
}

func (m *openMap) String() string {
	d := sky.NewDict(m.Len())
	m.each(func(key string, v sky.Value) { _ = d.SetKey(sky.String(key), v) })
	return d.String()
}
func (m *openMap) Type() string          { return "map" }
func (m *openMap) Freeze()               {}
func (m *openMap) Truth() sky.Bool       { return m.Len() > 0 }
func (m *openMap) Hash() (uint32, error) { return 0, errors.New("unhashable type: map") }

// Get reads m[key]. An absent key is there, as None.
func (m *openMap) Get(key sky.Value) (sky.Value, bool, error) {
	if s, ok := key.(sky.String); ok {
		if v, ok := m.lookup(string(s)); ok {
			return v, true, nil
		}
	}
	return sky.None, true, nil
}

// SetKey refuses m[key] = v.
func (m *openMap) SetKey(_, _ sky.Value) error {
	return errors.New("this map is read-only")
}

// Has tells whether a key is there.
func (m *openMap) Has(key sky.Value) (bool, error) {
	s, ok := key.(sky.String)
	if ok {
		_, ok = m.of.Get(string(s))
	}
	return ok, nil
}

// Len is the number of keys.
func (m *openMap) Len() int { return m.of.Len() }

// Iterate walks over the keys.
func (m *openMap) Iterate() sky.Iterator {
	keys := m.keys()
	if m.call != nil && m.call.Allocate != nil {
		_ = m.call.Allocate(liftBytes * int64(len(keys))) // an overrun ends the call at its next step
	}
	return sky.NewList(keys).Iterate()
}

// Items lists keys and values.
func (m *openMap) Items() []sky.Tuple {
	out := make([]sky.Tuple, 0, m.Len())
	m.each(func(key string, v sky.Value) { out = append(out, sky.Tuple{sky.String(key), v}) })
	return out
}

func (m *openMap) keys() []sky.Value {
	out := make([]sky.Value, 0, m.Len())
	m.each(func(key string, _ sky.Value) { out = append(out, sky.String(key)) })
	return out
}

func (m *openMap) values() []sky.Value {
	out := make([]sky.Value, 0, m.Len())
	m.each(func(_ string, v sky.Value) { out = append(out, v) })
	return out
}

func (m *openMap) pairs() []sky.Value {
	out := make([]sky.Value, 0, m.Len())
	for _, pair := range m.Items() {
		out = append(out, pair)
	}
	return out
}

// Attr binds a method.
func (m *openMap) Attr(name string) (sky.Value, error) {
	switch name {
	case "get":
		if m.bound != nil {
			return m.bound, nil
		}
		return sky.NewBuiltin("get", m.get), nil
	case "items":
		return listing("items", m.pairs), nil
	case "keys":
		return listing("keys", m.keys), nil
	case "values":
		return listing("values", m.values), nil
	}
	return nil, fmt.Errorf("map has no method %q, want m[%q] for what is in it, or get, items, keys, values", name, name)
}

// AttrNames lists the methods.
func (m *openMap) AttrNames() []string { return []string{"get", "items", "keys", "values"} }

// listing makes a method without arguments whose result is a new list.
func listing(name string, elems func() []sky.Value) *sky.Builtin {
	return sky.NewBuiltin(name, func(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
		if len(args)+len(kwargs) > 0 {
			return nil, fmt.Errorf("%s takes no arguments, got %d", name, len(args)+len(kwargs))
		}
		l := sky.NewList(elems())
		return l, runnerOf(thread).work(l.Len(), liftBytes)
	})
}

func (m *openMap) get(_ *sky.Thread, _ *sky.Builtin, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
	var other sky.Value = sky.None
	switch {
	case len(kwargs) > 0:
		return nil, errors.New("get takes its arguments by position: get(key, default)")
	case len(args) == 0 || len(args) > 2:
		return nil, fmt.Errorf("get takes a key and a default, got %d arguments", len(args))
	case len(args) == 2:
		other = args[1]
	}
	if key, ok := args[0].(sky.String); ok {
		if v, ok := m.lookup(string(key)); ok {
			return v, nil
		}
	}
	return other, nil
}
