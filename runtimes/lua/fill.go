package lua

import (
	"sluice/engine/turn"

	glua "github.com/yuin/gopher-lua"
)

// newMap makes a table without positions of its keys, which are texts and differ, and their values. The interpreter would let its list
// and maps grow key by key, and box each key once more. Between many keys others run: the caller holds no lock.
func newMap(keys, values []glua.LValue) *glua.LTable {
	t := &glua.LTable{Metatable: glua.LNil}
	if len(keys) == 0 {
		return t
	}
	p := peekTable(t)
	p.keys, p.strdict, p.k2i = keys, make(map[string]glua.LValue, len(keys)), make(map[glua.LValue]int, len(keys))
	var turns turn.Shift
	for i, key := range keys {
		if i%manyKeys == manyKeys-1 {
			turns.Part()
		}
		p.strdict[string(key.(glua.LString))] = values[i]
		p.k2i[key] = i
	}
	return t
}

// manyKeys are how many a map takes at once, in some 50 us.
const manyKeys = 256

// far is how many places beyond its end the interpreter may fill an array up to, which it does one by one without letting others run.
const far = 4 << 10

// reach fills an array up to below a place that is far beyond its end, and lets others run meanwhile. It reports false, and ends early, where
// the call is to end.
func (m *meter) reach(t *glua.LTable, key glua.LValue) bool {
	p := peekTable(t)
	to, ok := position(key)
	if !ok || to-len(p.array) <= far {
		return true
	}
	if m.look() != nil {
		return false
	}
	if cap(p.array) < to {
		p.array = append(make([]glua.LValue, 0, to), p.array...)
	}
	for i := len(p.array) + 1; i < to; i++ {
		p.array = append(p.array, glua.LNil)
		if i%far == 0 && m.look() != nil {
			return false
		}
	}
	return true
}

// extend pays for what native code is about to put at a key of a table, and makes its room. It ends the script when a budget is spent.
func (s *state) extend(L *glua.LState, t *glua.LTable, key glua.LValue) {
	s.spend(L, filled(t, key))
	s.allocate(L, growth(t, key))
	if !s.meter.reach(t, key) {
		s.look(L)
	}
}

// newList makes a list of its elements, none of them nil, which it takes over.
func newList(elements []glua.LValue) *glua.LTable {
	t := &glua.LTable{Metatable: listMetatable}
	peekTable(t).array = elements
	return t
}
