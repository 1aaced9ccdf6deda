package lua

import (
	"math/bits"
	"sort"

	glua "github.com/yuin/gopher-lua"
)

// tableArgument is the table that a function changes. Lists of the gateway are refused by name.
func tableArgument(L *glua.LState, function string) *glua.LTable {
	t, ok := L.Get(1).(*glua.LTable)
	switch {
	case !ok && hostOf(L.Get(1)) != nil:
		L.RaiseError("%s changes its list, and this %s is read-only: want a copy", function, hostOf(L.Get(1)).typeName())
	case !ok:
		L.RaiseError("%s takes a table, got %s", function, describe(L.Get(1)))
	case guarded(t) != nil:
		L.RaiseError("%s: this table is read-only", function)
	}
	return t
}

// tableLen is table.getn(t).
func tableLen(L *glua.LState) int {
	L.Push(number(float64(behind(L.CheckTable(1)).Len())))
	return 1
}

// tableMaxN is table.maxn(t).
func tableMaxN(L *glua.LState) int {
	L.Push(number(float64(behind(L.CheckTable(1)).MaxN())))
	return 1
}

// tableConcat is table.concat(list, separator, from, to).
func (s *state) tableConcat(L *glua.LState) int {
	n, at := s.elements(L, "table.concat")
	separator := L.OptString(2, "")
	from, to := L.OptInt(3, 1), L.OptInt(4, n)
	out := s.room()
	for i := from; i <= to; i++ {
		var ok bool
		if out, ok = appendText(out, at(i)); !ok {
			L.RaiseError("table.concat: element %d is %s, want a string or a number", i, describe(at(i)))
		}
		if i < to {
			out = append(out, separator...)
		}
		s.bound(L, "table.concat", len(out))
	}
	s.pushText(L, out)
	return 1
}

// tableInsert is table.insert(t, value) and table.insert(t, position, value).
func (s *state) tableInsert(L *glua.LState) int {
	t := tableArgument(L, "table.insert")
	switch L.GetTop() {
	case 2:
		t.Append(L.Get(2))
	case 3:
		s.moves(L, t.Len())
		t.Insert(L.CheckInt(2), L.Get(3))
	default:
		L.RaiseError("table.insert takes a table, a position if wanted, and a value")
	}
	return 0
}

// tableRemove is table.remove(t, position).
func (s *state) tableRemove(L *glua.LState) int {
	t := tableArgument(L, "table.remove")
	position := L.OptInt(2, -1)
	if position > 0 {
		s.moves(L, t.Len())
	}
	L.Push(t.Remove(position))
	return 1
}

// moves charges for shifting n elements by one.
func (s *state) moves(L *glua.LState, n int) { s.spend(L, n/16) }

// tableSort is table.sort(t, less).
func (s *state) tableSort(L *glua.LState) int {
	t := tableArgument(L, "table.sort")
	order := &sorting{L: L, values: make([]glua.LValue, t.Len())}
	for i := range order.values {
		if order.values[i] = t.RawGetInt(i + 1); order.values[i] == glua.LNil {
			L.RaiseError("table.sort: the list has nothing at position %d", i+1)
		}
	}
	if L.GetTop() > 1 {
		order.less = L.CheckFunction(2)
	}
	s.spend(L, len(order.values)*bits.Len(uint(len(order.values))))
	sort.Sort(order)
	for i, v := range order.values {
		t.RawSetInt(i+1, v)
	}
	return 0
}

// sorting sorts values by a function of the script, or by "<".
type sorting struct {
	L      *glua.LState
	values []glua.LValue
	less   *glua.LFunction
}

func (o *sorting) Len() int      { return len(o.values) }
func (o *sorting) Swap(i, j int) { o.values[i], o.values[j] = o.values[j], o.values[i] }

func (o *sorting) Less(i, j int) bool {
	if o.less == nil {
		return o.L.LessThan(o.values[i], o.values[j])
	}
	o.L.Push(o.less)
	o.L.Push(o.values[i])
	o.L.Push(o.values[j])
	o.L.Call(2, 1)
	before := glua.LVAsBool(o.L.Get(-1))
	o.L.Pop(1)
	return before
}
