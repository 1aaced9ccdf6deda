package lua

import (
	"fmt"

	"sluice/engine"
	"sluice/engine/body"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// listMark is what getmetatable tells of a table that encodes as a list even when it is empty.
const listMark = glua.LString("list")

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
	t.Metatable = s.array
	L.SetTop(1)
	return 1
}

func (s *state) nullMetatable() *glua.LTable {
	mt := s.protected()
	mt.RawSetString("__tostring", s.function(func(L *glua.LState) int {
		L.Push(glua.LString("null"))
		return 1
	}))
	mt.RawSetString("__index", s.function(func(L *glua.LState) int {
		L.RaiseError("json.null has no field %q", L.Get(2).String())
		return 0
	}))
	return mt
}

// AppendJSON appends v as JSON.
func (s *state) AppendJSON(dst []byte, v runtimes.Value) ([]byte, error) {
	return runtimes.AppendJSON(dst, v, nil)
}

// DecodeJSON makes a value of the script's own: tables whose keys keep the order of the text, lists that are marked as such.
func (s *state) DecodeJSON(src []byte) (runtimes.Value, error) {
	b := builder{s: s}
	v, err := body.Decode(src, &b)
	if err == nil {
		err = b.err
	}
	if err != nil {
		return runtimes.Value{}, err
	}
	if v == glua.LValue(s.null) {
		return runtimes.OfOwn(v), nil // lowered, it would be nothing
	}
	return lower(v), nil
}

// builder makes the values of a script.
type builder struct {
	s   *state
	err error // why a value cannot be made
}

func (b *builder) Null() glua.LValue                { return b.s.null }
func (b *builder) Bool(v bool) glua.LValue          { return glua.LBool(v) }
func (b *builder) Int(n int64) glua.LValue          { return b.s.liftInt(n) }
func (b *builder) BigInt(digits string) glua.LValue { return b.s.bigInteger(engine.Number(digits)) }
func (b *builder) Float(f float64) glua.LValue      { return number(f) }
func (b *builder) String(v string) glua.LValue      { return glua.LString(v) }

func (b *builder) Array(elems []glua.LValue) glua.LValue {
	if len(elems) >= maxArrayIndex {
		b.err = fmt.Errorf("a list has %d elements, want fewer than %d", len(elems), maxArrayIndex)
		return glua.LNil
	}
	t := b.s.L.CreateTable(len(elems), 0)
	for _, v := range elems {
		t.Append(v)
	}
	t.Metatable = b.s.array
	return t
}

func (b *builder) Object(keys []string, values []glua.LValue) glua.LValue {
	t := b.s.L.CreateTable(0, len(keys))
	for i, key := range keys {
		t.RawSetString(key, values[i])
	}
	return t
}
