package lua

import (
	"fmt"
	"reflect"

	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// host is a value of the gateway in a script: a host object, a list or an open map. It is read-only but for the fields that its type
// lets a script set, and answers nothing once its call is over.
type host struct {
	glua.LUserData                // what the script holds; its Value is this host
	of             runtimes.Value // Host, List or Map
	call           *runtimes.Call // nil: it outlives calls, as config does
}

// hostType is a table of package runtimes in one state.
type hostType struct {
	of        *runtimes.Type
	metatable *glua.LTable
	methods   map[string]*glua.LFunction
}

func (s *state) newHost(c *runtimes.Call, v runtimes.Value) glua.LValue {
	s.meter.take(hostBytes)
	h := &host{}
	s.initHost(h, c, v)
	return &h.LUserData
}

// initHost makes h the value v, which lives as long as the call; nil is for ever.
func (s *state) initHost(h *host, c *runtimes.Call, v runtimes.Value) {
	h.Value, h.of, h.call = h, v, c
	switch v.Kind {
	case runtimes.List:
		h.Metatable = s.lists
	case runtimes.Map:
		h.Metatable = s.maps
		if c == nil {
			h.Metatable = s.fixedMap(v.Ref.(runtimes.Mapper))
		}
	default:
		h.Metatable = s.typeOf(v.Type).metatable
	}
}

// hostOf returns the host behind a value, nil if it is something else.
func hostOf(v glua.LValue) *host {
	if ud, ok := v.(*glua.LUserData); ok {
		h, _ := ud.Value.(*host)
		return h
	}
	return nil
}

// typeName is the word for the host's type in messages.
func (h *host) typeName() string { return runtimes.TypeName(h.of) }

// length is that of a list, an open map or an open type; ok is false for what has none.
func (h *host) length() (n int, ok bool) {
	sized, ok := h.of.Ref.(interface{ Len() int })
	if !ok {
		return 0, false
	}
	return sized.Len(), true
}

// live ends the script if the host's call is over.
func (s *state) live(h *host) {
	switch {
	case h.call == nil || !h.call.Over:
	case h.of.Kind == runtimes.Host:
		s.raise(h.of.Type.Stale())
	default:
		s.raise(fmt.Errorf("this %s was kept from an earlier call", h.typeName()))
	}
}

// What belongs to no interpreter, because the state of an attempt goes from one to the next, is shared by all of them and written by none.

// sharedMetatable makes a metatable that shows as what.
func sharedMetatable(what glua.LValue) *glua.LTable {
	mt := &glua.LTable{Metatable: glua.LNil}
	mt.RawSetString("__metatable", what)
	return mt
}

// sharedFunction makes a function of Go that uses nothing but the interpreter it is given.
func sharedFunction(f glua.LGFunction) *glua.LFunction {
	return &glua.LFunction{IsG: true, Env: &glua.LTable{Metatable: glua.LNil}, GFunction: f}
}

// protected makes a metatable that scripts can neither see nor replace.
func (s *state) protected() *glua.LTable {
	mt := s.L.CreateTable(0, 8)
	mt.RawSetString("__metatable", glua.LFalse)
	return mt
}

// makeMetatables makes what all values of a kind share.
func (s *state) makeMetatables() {
	s.events = map[string]*glua.LFunction{
		"__len": s.function(s.hostLen), "__eq": s.function(s.hostEqual), "__tostring": s.function(hostText),
	}
	s.readOnlyWrite, s.fieldWrite = s.function(writeReadOnly), s.function(s.writeField)
	s.frozenWrite, s.frozenLen = s.function(writeFrozen), s.function(s.tableLen)
	s.lists = s.hostMetatable(s.function(s.indexList), s.readOnlyWrite)
	s.maps = s.hostMetatable(s.function(s.indexMap), s.readOnlyWrite)
}

// hostMetatable makes the metatable of host values that are read by index and written by write.
func (s *state) hostMetatable(index, write glua.LValue) *glua.LTable {
	mt := s.protected()
	mt.RawSetString("__index", index)
	mt.RawSetString("__newindex", write)
	for event, f := range s.events {
		mt.RawSetString(event, f)
	}
	return mt
}

// typeOf returns a table of package runtimes in this state, made when it is first needed.
func (s *state) typeOf(of *runtimes.Type) *hostType {
	if t := s.types[of]; t != nil {
		return t
	}
	t := &hostType{of: of, methods: make(map[string]*glua.LFunction)}
	t.metatable = s.hostMetatable(s.function(func(L *glua.LState) int { return s.readField(L, t) }), s.fieldWrite)
	s.types[of] = t
	return t
}

// readField is x.f, x:m and, for an open type, x["key"].
func (s *state) readField(L *glua.LState, t *hostType) int {
	h := hostOf(L.Get(1))
	s.live(h)
	L.Push(s.field(h, t, L.Get(2)))
	return 1
}

func (s *state) field(h *host, t *hostType, key glua.LValue) glua.LValue {
	name, isText := key.(glua.LString)
	switch {
	case isText:
	case t.of.Index != nil:
		return glua.LNil
	default:
		s.raise(t.of.Unknown(told(key)))
	}
	f, m := t.of.Lookup(string(name))
	if f != nil {
		return s.lift(h.call, f.Read(h.call, h.of.Ref))
	}
	by := access(s.L)
	if t.of.Index != nil && (m == nil || by == glua.OP_GETTABLE) { // h.all is the method, whatever headers a client sends
		v, found := t.of.Index(h.of.Ref, string(name))
		if found || m == nil && by != glua.OP_SELF {
			return s.lift(h.call, v)
		}
	}
	if m == nil {
		s.raise(t.of.Unknown(told(name)))
	}
	return s.method(t, m)
}

// access is the instruction by which the script reads a field, -1 = it is not the script that does: OP_SELF for the method of x:name(…),
// OP_GETTABLEKS for x.name, which is x["name"], and OP_GETTABLE for the value of any other expression, x[name].
func access(L *glua.LState) int {
	script := peekState(L).currentFrame.Parent
	if script == nil || script.Fn.IsG {
		return -1
	}
	return int(script.Fn.Proto.Code[script.Pc-1] >> 26)
}

// writeField is x.f = v.
func (s *state) writeField(L *glua.LState) int {
	h := hostOf(L.Get(1))
	s.live(h)
	name := L.Get(2).String()
	f, _ := h.of.Type.Lookup(name)
	err := h.of.Type.ReadOnly(name)
	if f != nil && f.Set != nil {
		err = f.Set(h.of.Ref, lower(L.Get(3)))
	}
	if err != nil {
		s.raise(err)
	}
	return 0
}

// hostLen is #x of a list, an open map or an open type.
func (s *state) hostLen(L *glua.LState) int {
	h := hostOf(L.Get(1))
	s.live(h)
	n, ok := h.length()
	if !ok {
		L.RaiseError("%s has no length", describe(&h.LUserData))
	}
	L.Push(number(float64(n)))
	return 1
}

// hostEqual is a == b: two values of the gateway are equal if they stand for the same thing, two lists if their elements are.
func (s *state) hostEqual(L *glua.LState) int {
	L.Push(glua.LBool(s.same(L, hostOf(L.Get(1)).of, hostOf(L.Get(2)).of)))
	return 1
}

func (s *state) same(L *glua.LState, a, b runtimes.Value) bool {
	if a.Kind == runtimes.List && b.Kind == runtimes.List {
		return s.sameElements(L, a.Ref.(runtimes.Lister), b.Ref.(runtimes.Lister))
	}
	if x, ok := a.Number(); ok && (a.Kind != runtimes.Int || b.Kind != runtimes.Int) {
		y, ok := b.Number()
		return ok && x == y
	}
	return (a.Ref == nil || reflect.TypeOf(a.Ref).Comparable()) && a == b
}

// sameElements pays for each element before it is compared.
func (s *state) sameElements(L *glua.LState, a, b runtimes.Lister) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i := range a.Len() {
		s.allocate(L, 2*comparedBytes)
		x, y := a.At(i), b.At(i)
		s.spend(L, 1+len(x.Str)/256)
		if !s.same(L, x, y) {
			return false
		}
	}
	return true
}

func hostText(L *glua.LState) int {
	L.Push(glua.LString("<" + hostOf(L.Get(1)).typeName() + ">"))
	return 1
}
