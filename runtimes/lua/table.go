package lua

import (
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

// lengthOf is #t, charged for.
func (s *state) lengthOf(L *glua.LState, t *glua.LTable) int {
	s.spend(L, trim(t))
	return t.Len()
}

// tableLen is table.getn(t).
func (s *state) tableLen(L *glua.LState) int {
	L.Push(number(float64(s.lengthOf(L, behind(L.CheckTable(1))))))
	return 1
}

// tableMaxN is table.maxn(t).
func (s *state) tableMaxN(L *glua.LState) int {
	t := behind(L.CheckTable(1))
	s.spend(L, trim(t))
	L.Push(number(float64(t.MaxN())))
	return 1
}

// tableConcat is table.concat(list, separator, from, to).
func (s *state) tableConcat(L *glua.LState) int {
	n, at := s.elements(L, "table.concat")
	separator := ""
	if L.Get(2) != glua.LNil {
		separator = L.CheckString(2)
	}
	from, to := L.OptInt(3, 1), L.OptInt(4, n)
	out := s.room()
	for i := from; i <= to; i++ {
		if i&15 == 0 {
			s.spend(L, 2)
		}
		var ok bool
		if out, ok = s.addText(L, "table.concat", out, at(i)); !ok {
			L.RaiseError("table.concat: element %d is %s, want a string or a number", i, describe(at(i)))
		}
		if i < to {
			out = s.addLong(L, s.need(L, "table.concat", out, len(separator)), separator)
		}
	}
	s.pushText(L, out)
	return 1
}

// tableInsert is table.insert(t, value) and table.insert(t, position, value).
func (s *state) tableInsert(L *glua.LState) int {
	t := tableArgument(L, "table.insert")
	s.spend(L, trim(t))
	n := len(peekTable(t).array)
	if err := full(t, glua.LNumber(n+1)); err != nil {
		L.RaiseError("table.insert: %v", err)
	}
	s.meter.stored = true
	switch L.GetTop() {
	case 2:
		s.allocate(L, peekTable(t).arrayGrowth(n+1))
		t.Append(L.Get(2))
	case 3:
		readNumeral(L, 2)
		position := L.CheckInt(2)
		s.spend(L, n/16)
		s.allocate(L, peekTable(t).arrayGrowth(n+1))
		s.extend(L, t, glua.LNumber(position))
		t.Insert(position, L.Get(3))
	default:
		L.RaiseError("table.insert takes a table, a position if wanted, and a value")
	}
	return 0
}

// tableRemove is table.remove(t, position).
func (s *state) tableRemove(L *glua.LState) int {
	t := tableArgument(L, "table.remove")
	n := s.lengthOf(L, t)
	position := L.OptInt(2, n)
	if position < 1 || position > n {
		L.Push(glua.LNil)
		return 1
	}
	s.spend(L, (n-position)/16)
	L.Push(t.Remove(position))
	return 1
}

// tableSort is table.sort(t, less).
func (s *state) tableSort(L *glua.LState) int {
	t := tableArgument(L, "table.sort")
	n := s.lengthOf(L, t)
	s.allocate(L, slotBytes*n)
	order := &sorting{s: s, L: L, values: make([]glua.LValue, n)}
	for i := range order.values {
		if i%far == 0 {
			s.look(L)
		}
		if order.values[i] = t.RawGetInt(i + 1); order.values[i] == glua.LNil {
			L.RaiseError("table.sort: the list has nothing at position %d", i+1)
		}
	}
	if L.Get(2) != glua.LNil {
		order.less = L.CheckFunction(2)
	}
	sort.Sort(order)
	for i, v := range order.values {
		if i%far == 0 {
			s.look(L)
		}
		t.RawSetInt(i+1, v)
	}
	return 0
}

// sorting sorts values by a function of the script, or by "<".
type sorting struct {
	s      *state
	L      *glua.LState
	values []glua.LValue
	less   *glua.LFunction
}

func (o *sorting) Len() int      { return len(o.values) }
func (o *sorting) Swap(i, j int) { o.values[i], o.values[j] = o.values[j], o.values[i] }

func (o *sorting) Less(i, j int) bool {
	o.s.spend(o.L, 2)
	if o.less == nil {
		return o.before(o.values[i], o.values[j])
	}
	o.L.Push(o.less)
	o.L.Push(o.values[i])
	o.L.Push(o.values[j])
	o.L.Call(2, 1)
	before := glua.LVAsBool(o.L.Get(-1))
	o.L.Pop(1)
	return before
}

// ordered charges for comparing two texts.
func (s *state) ordered(L *glua.LState, a, b string) {
	if s.meter.ordered(a, b); s.meter.refused != "" {
		L.RaiseError("table.sort: %s", s.meter.Err().Error())
	}
}

// before is a < b.
func (o *sorting) before(a, b glua.LValue) bool {
	text, ok := a.(glua.LString)
	if other, both := b.(glua.LString); ok && both && len(text) > shortText {
		o.s.ordered(o.L, string(text), string(other))
	}
	return o.L.LessThan(a, b)
}
