package lua

import (
	"math"

	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// at is the element at a position from 1, nil beyond the end.
func (s *state) at(h *host, i int) glua.LValue {
	l := h.of.Ref.(runtimes.Lister)
	if i < 1 || i > l.Len() {
		return glua.LNil
	}
	if held, ok := l.(*candidates); ok {
		return (*held)[i-1].value()
	}
	return s.lift(h.call, l.At(i-1))
}

// indexList is l[i].
func (s *state) indexList(L *glua.LState) int {
	h := hostOf(L.Get(1))
	s.live(h)
	i, ok := L.Get(2).(glua.LNumber)
	if !ok || float64(i) != math.Trunc(float64(i)) {
		L.RaiseError("a list has no field %q, want a position from 1", told(L.Get(2)))
	}
	L.Push(s.at(h, int(i)))
	return 1
}

// indexMap is m.k and m["k"], nil for a key that is not there.
func (s *state) indexMap(L *glua.LState) int {
	h := hostOf(L.Get(1))
	s.live(h)
	v := runtimes.Value{}
	if key, ok := L.Get(2).(glua.LString); ok {
		v, _ = h.of.Ref.(runtimes.Mapper).Get(string(key))
		s.allocate(L, len(v.Str)) // one of a query is decoded each time
	}
	L.Push(s.lift(h.call, v))
	return 1
}

// fixedMap is the metatable of one map that is the same for every call: config, labels. Its values are lifted once, and the interpreter
// finds them by itself.
func (s *state) fixedMap(m runtimes.Mapper) *glua.LTable {
	values := s.L.CreateTable(0, m.Len())
	m.Each(func(key string, v runtimes.Value) bool {
		values.RawSetString(key, s.lift(nil, v))
		return true
	})
	return s.hostMetatable(values, s.readOnlyWrite)
}

// writeReadOnly is l[i] = v and m.k = v.
func writeReadOnly(L *glua.LState) int {
	L.RaiseError("this %s is read-only", hostOf(L.Get(1)).typeName())
	return 0
}

// ipairs walks over a table or a list of the gateway.
func (s *state) ipairs(L *glua.LState) int {
	v := L.Get(1)
	if _, ok := v.(*glua.LTable); !ok {
		s.walked(L, v)
	}
	L.Push(s.ipairsNext)
	L.Push(v)
	L.Push(small[0])
	return 3
}

// walked is a list of the gateway that ipairs walks over.
func (s *state) walked(L *glua.LState, v glua.LValue) *host {
	h := hostOf(v)
	if h == nil || h.of.Kind != runtimes.List {
		L.RaiseError("ipairs takes a list, got %s", describe(v))
	}
	s.live(h)
	return h
}

func (s *state) nextPosition(L *glua.LState) int {
	i, _ := L.Get(2).(glua.LNumber)
	position := int(i) + 1
	var v glua.LValue
	switch of := L.Get(1).(type) {
	case *glua.LTable:
		v = behind(of).RawGetInt(position)
	default:
		v = s.at(s.walked(L, of), position)
	}
	if v == glua.LNil {
		L.Push(glua.LNil)
		return 1
	}
	L.Push(number(float64(position)))
	L.Push(v)
	return 2
}

// pairs walks over a table in the order in which its keys were first set, or over a list, a map or an open type of the gateway.
func (s *state) pairs(L *glua.LState) int {
	switch v := L.Get(1).(type) {
	case *glua.LTable:
		L.Push(s.next)
		L.Push(v) // not what is behind a read-only one, which the script would have then
		L.Push(glua.LNil)
		return 3
	default:
		h := hostOf(v)
		if h == nil {
			L.RaiseError("pairs takes a table, got %s", describe(v))
		}
		s.live(h)
		if h.of.Kind == runtimes.List {
			return s.ipairs(L)
		}
		return s.pairsOf(L, h)
	}
}

// pairsOf walks over the entries that a map has now.
func (s *state) pairsOf(L *glua.LState, h *host) int {
	m, ok := h.of.Ref.(runtimes.Mapper)
	if !ok {
		L.RaiseError("pairs takes a table, got %s", describe(&h.LUserData))
	}
	var entries []glua.LValue
	m.Each(func(key string, v runtimes.Value) bool {
		s.spend(L, 1)
		s.allocate(L, boxBytes+4*slotBytes)
		entries = append(entries, glua.LString(key), s.lift(h.call, v))
		return true
	})
	s.allocate(L, closureBytes+upvalueBytes)
	L.Push(s.iterator(func(L *glua.LState, at int) (next, results int) {
		s.live(h)
		if at == len(entries) {
			L.Push(glua.LNil)
			return at, 1
		}
		L.Push(entries[at])
		L.Push(entries[at+1])
		return at + 2, 2
	}))
	return 1
}

// describe is a value's type with its article, for messages.
func describe(v glua.LValue) string {
	switch name := runtimes.TypeName(lower(v)); name {
	case "nothing":
		return name
	case "event", "upstream":
		return "an " + name
	default:
		return "a " + name
	}
}
