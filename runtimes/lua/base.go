package lua

import (
	"strings"

	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// maxUnpacked caps the values that unpack gives at once: each takes a register.
const maxUnpacked = 8000

// nextEntry is next(t, key), and what pairs steps with.
func nextEntry(L *glua.LState) int {
	k, v := behind(L.CheckTable(1)).Next(L.Get(2))
	L.Push(k)
	if k == glua.LNil {
		return 1
	}
	L.Push(v)
	return 2
}

func rawGet(L *glua.LState) int {
	L.Push(behind(L.CheckTable(1)).RawGet(L.CheckAny(2)))
	return 1
}

// rawSet is rawset(t, key, value). It does not reach around what is read-only.
func rawSet(L *glua.LState) int {
	t := L.CheckTable(1)
	if guarded(t) != nil {
		L.RaiseError("rawset: this table is read-only")
	}
	L.RawSet(t, L.CheckAny(2), L.CheckAny(3))
	L.SetTop(1)
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
	t.Metatable = L.Get(2)
	if mt, ok := t.Metatable.(*glua.LTable); ok {
		t.Metatable = s.shown(mt)
	}
	L.SetTop(1)
	return 1
}

// pcall is pcall(f, …). It catches neither an overrun nor a panic of the interpreter.
func (s *state) pcall(L *glua.LState) int {
	L.CheckAny(1)
	if err := L.PCall(L.GetTop()-1, glua.MultRet, nil); err != nil {
		L.Push(glua.LFalse)
		L.Push(s.caughtValue(err))
		return 2
	}
	L.Insert(glua.LTrue, 1)
	return L.GetTop()
}

// xpcall is xpcall(f, handler). The handler runs after the stack is unwound: it can see nothing there anyway.
func (s *state) xpcall(L *glua.LState) int {
	handler := L.CheckFunction(2)
	L.SetTop(1)
	err := L.PCall(0, glua.MultRet, nil)
	if err == nil {
		L.Insert(glua.LTrue, 1)
		return L.GetTop()
	}
	L.Push(handler)
	L.Push(s.caughtValue(err))
	L.Call(1, glua.MultRet)
	L.Insert(glua.LFalse, 1)
	return L.GetTop()
}

// caughtValue returns what was raised, or raises it again where a script may not catch it.
func (s *state) caughtValue(err error) glua.LValue {
	s.mayCatch(err)
	return err.(*glua.ApiError).Object
}

// mayCatch raises an error again that a script may not catch: an overrun, or a panic of the interpreter.
func (s *state) mayCatch(err error) {
	raised, ok := err.(*glua.ApiError)
	if !ok || raised.Type == glua.ApiErrorPanic || s.meter.overrun != "" {
		panic(err)
	}
}

// print writes a line to the log.
func (s *state) print(L *glua.LState) int {
	parts := make([]string, L.GetTop())
	for i := range parts {
		parts[i] = s.toText(L, L.Get(i+1))
	}
	line := glua.LString(strings.Join(parts, " "))
	L.SetTop(0)
	L.Push(s.base.RawGetString("log"))
	L.Push(line)
	L.Call(1, 0)
	return 0
}

func (s *state) tostring(L *glua.LState) int {
	v := L.CheckAny(1)
	if _, ok := v.(glua.LString); !ok {
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
	switch v.(type) {
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
	for i := from; i <= to; i++ {
		L.Push(at(i))
	}
	return to - from + 1
}

// elements returns the length of the list that is the first argument, and what reads it.
func (s *state) elements(L *glua.LState, function string) (int, func(i int) glua.LValue) {
	if t, ok := L.Get(1).(*glua.LTable); ok {
		t = behind(t)
		return t.Len(), t.RawGetInt
	}
	h := hostOf(L.Get(1))
	if h == nil || h.of.Kind != runtimes.List {
		L.RaiseError("%s takes a list, got %s", function, describe(L.Get(1)))
	}
	s.live(h)
	n, _ := h.length()
	return n, func(i int) glua.LValue { return s.at(h, i) }
}
