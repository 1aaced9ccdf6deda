package lua

import (
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// maxUnpacked caps the values that unpack gives at once: each takes a register.
const maxUnpacked = 8000

// key charges for looking a key up in a table, once.
func (s *state) key(L *glua.LState, key glua.LValue) {
	if s.meter.key(key); s.meter.refused != "" {
		L.RaiseError("%s", s.meter.Err().Error())
	}
}

func (s *state) rawGet(L *glua.LState) int {
	t, key := behind(L.CheckTable(1)), L.CheckAny(2)
	s.key(L, key)
	L.Push(t.RawGet(key))
	return 1
}

// rawSet is rawset(t, key, value). It does not reach around what is read-only.
func (s *state) rawSet(L *glua.LState) int {
	t, key := L.CheckTable(1), L.CheckAny(2)
	if guarded(t) != nil {
		L.RaiseError("rawset: this table is read-only")
	}
	s.key(L, key)
	if err := full(t, key); err != nil {
		L.RaiseError("rawset: %v", err)
	}
	s.extend(L, t, key)
	s.meter.stored = true
	L.RawSet(t, key, L.CheckAny(3))
	L.SetTop(1)
	return 1
}

// rawEqual is rawequal(a, b).
func (s *state) rawEqual(L *glua.LState) int {
	a, b := L.CheckAny(1), L.CheckAny(2)
	if text, ok := a.(glua.LString); ok {
		s.spend(L, len(text)/256)
	}
	L.Push(glua.LBool(L.RawEqual(a, b)))
	return 1
}

// getMetatable is getmetatable(v). Of a table whose metatable was frozen it gives that one, and not what that one shows.
func (s *state) getMetatable(L *glua.LState) int {
	mt := L.GetMetatable(L.CheckAny(1))
	if t, ok := mt.(*glua.LTable); ok && s.frozen[t] != nil {
		mt = s.frozen[t]
	}
	L.Push(mt)
	return 1
}

// setMetatable is setmetatable(t, mt) for tables alone: the metatable of texts, numbers or functions is one for the whole state.
func (s *state) setMetatable(L *glua.LState) int {
	t := L.CheckTable(1)
	L.CheckTypes(2, glua.LTNil, glua.LTTable)
	if mt, ok := t.Metatable.(*glua.LTable); ok && mt.RawGetString("__metatable") != glua.LNil {
		L.RaiseError("cannot change a protected metatable")
	}
	s.meter.stored = true
	t.Metatable = L.Get(2)
	if mt, ok := t.Metatable.(*glua.LTable); ok {
		t.Metatable = s.shown(mt)
	}
	L.SetTop(1)
	return 1
}

// print writes a line to the log, which takes no more than MaxLogLine bytes of it.
func (s *state) print(L *glua.LState) int {
	var line []byte
	for i := 1; i <= L.GetTop() && len(line) <= runtimes.MaxLogLine; i++ {
		if i > 1 {
			line = append(line, ' ')
		}
		text := s.toText(L, L.Get(i))
		line = append(line, text[:min(len(text), runtimes.MaxLogLine+1)]...)
	}
	s.allocate(L, 3*len(line)+boxBytes)
	L.SetTop(0)
	L.Push(s.base.RawGetString("log"))
	L.Push(glua.LString(line))
	L.Call(1, 0)
	return 0
}

// typeNames are the words of type(v), made once: a script asks for them at every turn.
var typeNames = func() (out [glua.LTChannel + 1]glua.LValue) {
	for t := range out {
		out[t] = glua.LString(glua.LValueType(t).String())
	}
	return out
}()

// typeOf is type(v).
func typeOf(L *glua.LState) int {
	L.Push(typeNames[L.CheckAny(1).Type()])
	return 1
}

func (s *state) tostring(L *glua.LState) int {
	v := L.CheckAny(1)
	if _, ok := v.(glua.LString); !ok {
		s.allocate(L, boxBytes+numeralRoom)
		v = glua.LString(s.toText(L, v))
	}
	L.Push(v)
	return 1
}

// toText is tostring(v) without addresses, which differ from run to run.
func (s *state) toText(L *glua.LState, v glua.LValue) string {
	if op, ok := L.GetMetaField(v, "__tostring").(*glua.LFunction); ok {
		L.Push(op)
		L.Push(v)
		L.Call(1, 1)
		text := L.Get(-1)
		L.Pop(1)
		if !glua.LVCanConvToString(text) {
			L.RaiseError("__tostring returned %s, want a string", describe(text))
		}
		return text.String()
	}
	switch v := v.(type) {
	case glua.LNumber:
		return numberText(v)
	case *glua.LTable, *glua.LFunction, *glua.LUserData:
		return v.Type().String()
	}
	return v.String()
}

// unpack gives the elements of a table, or of a list of the gateway, as values.
func (s *state) unpack(L *glua.LState) int {
	n, at := s.elements(L, "unpack")
	from, to := L.OptInt(2, 1), L.OptInt(3, n)
	if to < from {
		return 0
	}
	if to-from < 0 || to-from >= maxUnpacked {
		L.RaiseError("unpack gives at most %d values", maxUnpacked)
	}
	s.spend(L, (to-from)/8)
	for i := from; i <= to; i++ {
		L.Push(at(i))
	}
	return to - from + 1
}

// elements returns the length of the list that is the first argument, and what reads it.
func (s *state) elements(L *glua.LState, function string) (int, func(i int) glua.LValue) {
	if t, ok := L.Get(1).(*glua.LTable); ok {
		t = behind(t)
		return s.lengthOf(L, t), t.RawGetInt
	}
	h := hostOf(L.Get(1))
	if h == nil || h.of.Kind != runtimes.List {
		L.RaiseError("%s takes a list, got %s", function, describe(L.Get(1)))
	}
	s.live(h)
	n, _ := h.length()
	return n, func(i int) glua.LValue { return s.at(h, i) }
}
