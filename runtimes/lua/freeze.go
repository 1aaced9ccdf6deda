package lua

import (
	"strings"

	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// freeze makes read-only what a file defined and returned: every table that leads from there to another. A table keeps its identity, so
// whoever refers to it, a local variable as well, has it read-only. What only local variables lead to is not touched.
func (s *state) freeze(m *module) {
	f := freezer{s: s}
	f.add(m.value)
	for _, d := range m.defined {
		f.add(m.globals.RawGetString(d.name))
	}
	for len(f.open) > 0 {
		t := f.open[len(f.open)-1]
		f.open = f.open[:len(f.open)-1]
		f.entries(t)
	}
	if f.classes {
		s.mend()
	}
}

// freezer walks over tables while they are frozen.
type freezer struct {
	s       *state
	open    []*glua.LTable // what frozen tables show, with entries to be frozen yet
	classes bool           // one was frozen that may be the metatable of others
}

func (f *freezer) add(v glua.LValue) {
	t, ok := v.(*glua.LTable)
	if !ok || t == listMetatable || guarded(t) != nil {
		return
	}
	own := t.Metatable
	f.open = append(f.open, f.s.seal(t))
	f.add(own)
}

func (f *freezer) entries(t *glua.LTable) {
	for k, v := t.Next(glua.LNil); k != glua.LNil; k, v = t.Next(k) {
		f.s.spend(f.s.L, 1)
		if name, ok := k.(glua.LString); ok && strings.HasPrefix(string(name), "__") {
			f.classes = true
		}
		f.add(k)
		f.add(v)
	}
}

// events are what the interpreter looks for in a metatable, beyond what seal sets.
var events = []string{"__add", "__call", "__concat", "__div", "__eq", "__le", "__len", "__lt", "__mod", "__mul", "__pow", "__sub",
	"__tostring", "__unm"}

// seal moves what t holds to a table that no script ever gets, and gives t a metatable that looks there.
func (s *state) seal(t *glua.LTable) *glua.LTable {
	s.allocate(s.L, frozenBytes)
	shown := new(glua.LTable)
	*shown = *t
	mt := s.L.CreateTable(0, 4)
	if own, ok := t.Metatable.(*glua.LTable); ok && own != listMetatable {
		own = behind(own)
		for _, event := range events {
			if f := own.RawGetString(event); f != glua.LNil {
				mt.RawSetString(event, f)
			}
		}
		shown.Metatable = s.further(t, own.RawGetString("__index"))
	}
	if mt.RawGetString("__len") == glua.LNil {
		mt.RawSetString("__len", s.frozenLen)
	}
	mt.RawSetString("__index", shown)
	mt.RawSetString("__newindex", s.frozenWrite)
	mt.RawSetString("__metatable", glua.LFalse)
	*t = glua.LTable{Metatable: mt}
	s.frozen[shown] = t
	return shown
}

// further is the metatable of what t shows, where t had one of its own: whose __index goes on from there. A function is given t, as it was
// before.
func (s *state) further(t *glua.LTable, index glua.LValue) glua.LValue {
	if f, ok := index.(*glua.LFunction); ok {
		index = s.L.NewClosure(func(L *glua.LState) int {
			key := L.Get(2)
			L.Push(f)
			L.Push(t)
			L.Push(key)
			L.Call(2, 1)
			return 1
		}, f) // locals looks at what f keeps
	}
	mt := s.L.CreateTable(0, 1)
	mt.RawSetString("__index", index)
	return mt
}

// shown is what t shows if it was frozen, and t itself if not.
func (s *state) shown(t *glua.LTable) *glua.LTable {
	if b := behind(t); s.frozen[b] == t {
		return b
	}
	return t
}

func writeFrozen(L *glua.LState) int {
	L.RaiseError("this table is read-only%s", runtimes.Frozen)
	return 0
}

// mend looks for tables that local variables lead to and whose metatable was frozen: the interpreter reads a metatable without asking the
// metatable's own, so they get what it shows.
func (s *state) mend() {
	m := mender{s: s, seen: make(map[glua.LValue]bool)}
	for _, loaded := range s.loaded {
		m.add(loaded.value)
		m.add(loaded.globals)
	}
	for len(m.open) > 0 {
		v := m.open[len(m.open)-1]
		m.open = m.open[:len(m.open)-1]
		s.spend(s.L, 1)
		m.visit(v)
	}
}

// mender walks over tables and functions, each once.
type mender struct {
	s    *state
	seen map[glua.LValue]bool
	open []glua.LValue
}

func (m *mender) add(v glua.LValue) {
	switch v.(type) {
	case *glua.LTable, *glua.LFunction:
		if !m.seen[v] {
			m.s.allocate(m.s.L, 2*placeBytes)
			m.seen[v] = true
			m.open = append(m.open, v)
		}
	}
}

func (m *mender) visit(v glua.LValue) {
	if f, ok := v.(*glua.LFunction); ok {
		for _, up := range f.Upvalues {
			m.add(up.Value())
		}
		return
	}
	t := v.(*glua.LTable)
	if mt, ok := t.Metatable.(*glua.LTable); ok && guarded(t) == nil {
		t.Metatable = m.s.shown(mt)
		m.add(mt)
	}
	t = behind(t)
	for k, v := t.Next(glua.LNil); k != glua.LNil; k, v = t.Next(k) {
		m.add(k)
		m.add(v)
	}
}
