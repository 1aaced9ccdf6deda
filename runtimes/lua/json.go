package lua

import (
	"errors"

	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// listMark is what getmetatable tells of a table that encodes as a list even when it is empty.
const listMark = glua.LString("list")

// listMetatable marks a script's table as a list.
var listMetatable = sharedMetatable(listMark)

// marked reports whether a table is a list by mark: a decoded one, or json.array's.
func marked(t *glua.LTable) bool {
	mt, ok := behind(t).Metatable.(*glua.LTable)
	return ok && mt.RawGetString("__metatable") == listMark
}

// jsonArray is json.array(t): t itself, marked as a list.
func (s *state) jsonArray(L *glua.LState) int {
	if t, ok := L.Get(1).(*glua.LTable); ok && marked(t) {
		L.SetTop(1)
		return 1
	}
	t := tableArgument(L, "json.array")
	if t.Metatable != glua.LNil {
		L.RaiseError("json.array: the table has a metatable of its own")
	}
	t.Metatable = listMetatable
	L.SetTop(1)
	return 1
}

// null is json.null.
var null = &glua.LUserData{Metatable: nullMetatable()}

func nullMetatable() *glua.LTable {
	mt := sharedMetatable(glua.LFalse)
	mt.RawSetString("__tostring", sharedFunction(func(L *glua.LState) int {
		L.Push(glua.LString("null"))
		return 1
	}))
	mt.RawSetString("__index", sharedFunction(func(L *glua.LState) int {
		L.RaiseError("json.null has no field %q", told(L.Get(2)))
		return 0
	}))
	return mt
}

// errStopped stands for the overrun of a meter while JSON is read or written. It is panicked with, and never leaves this file.
var errStopped = errors.New("the budget is spent")

// stopped makes of a panic with errStopped the error that ended the call.
func (s *state) stopped(err *error) {
	switch p := recover(); p {
	case nil:
	case errStopped:
		*err = s.meter.Err()
	default:
		panic(p)
	}
}

// work charges for a value that is read or written.
func (s *state) work(steps, bytes int) {
	if s.meter.spend(int64(steps)) != nil || s.meter.allocate(int64(bytes)) != nil {
		panic(errStopped)
	}
}

// AppendJSON appends v as JSON. The call pays for the text while it grows.
func (s *state) AppendJSON(dst []byte, v runtimes.Value) (out []byte, err error) {
	defer s.stopped(&err)
	return s.call.AppendJSON(dst, s.metered(v), nil)
}

// metered makes a table of a script charge for each step of a walk: it may be large and empty, or hold itself in many places.
func (s *state) metered(v runtimes.Value) runtimes.Value {
	t, ok := v.Ref.(table)
	if !ok {
		return v
	}
	v.Ref = meteredTable{t, s}
	return v
}

type meteredTable struct {
	table
	s *state
}

var (
	_ runtimes.Lister  = meteredTable{}
	_ runtimes.Mapper  = meteredTable{}
	_ runtimes.Checked = meteredTable{}
)

// at charges for looking at a value.
func (t meteredTable) at(v runtimes.Value) runtimes.Value {
	t.s.work(3, 2*slotBytes)
	return t.s.metered(v)
}

// Check walks over the whole table.
func (t meteredTable) Check() error {
	t.s.work(len(peekTable(behind(t.of)).array)/8, 0)
	return t.table.Check()
}

func (t meteredTable) At(i int) runtimes.Value { return t.at(t.table.At(i)) }

func (t meteredTable) Get(key string) (runtimes.Value, bool) {
	v, found := t.table.Get(key)
	return t.at(v), found
}

func (t meteredTable) Each(f func(string, runtimes.Value) bool) string {
	t.s.work(len(peekTable(behind(t.of)).keys)/4, 0)
	return t.table.Each(func(key string, v runtimes.Value) bool {
		return f(key, t.at(v))
	})
}

// Nothing is the word for no value.
func (s *state) Nothing() string { return "nil" }
