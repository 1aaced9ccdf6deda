package lua

import (
	glua "github.com/yuin/gopher-lua"
)

// newMap makes a table without positions of its keys, which are texts and differ, and their values. The interpreter would let its list
// and maps grow key by key, and box each key once more.
func newMap(keys, values []glua.LValue) *glua.LTable {
	t := &glua.LTable{Metatable: glua.LNil}
	if len(keys) == 0 {
		return t
	}
	p := peekTable(t)
	p.keys, p.strdict, p.k2i = keys, make(map[string]glua.LValue, len(keys)), make(map[glua.LValue]int, len(keys))
	for i, key := range keys {
		p.strdict[string(key.(glua.LString))] = values[i]
		p.k2i[key] = i
	}
	return t
}

// newList makes a list of its elements, none of them nil, which it takes over.
func newList(elements []glua.LValue) *glua.LTable {
	t := &glua.LTable{Metatable: listMetatable}
	peekTable(t).array = elements
	return t
}
