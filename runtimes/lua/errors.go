package lua

import (
	"unsafe"

	"sluice/engine"
	"sluice/engine/body"

	glua "github.com/yuin/gopher-lua"
)

// What an error that a script catches costs: the interpreter unwinds its stack, and puts the place before the message.
const (
	caughtSteps  = 100
	caughtBytes  = 256
	messageTimes = 3 // how often a message is copied
)

// pcall is pcall(f, …). It catches neither an overrun nor a panic of the interpreter.
func (s *state) pcall(L *glua.LState) int {
	L.CheckAny(1)
	L.Insert(s.quietly, 1)
	if err := s.protect(L, L.GetTop()-1); err != nil {
		L.Push(glua.LFalse)
		L.Push(s.caughtValue(L, err))
		return 2
	}
	L.Insert(glua.LTrue, 1)
	return L.GetTop()
}

// xpcall is xpcall(f, handler). The handler runs after the stack is unwound: it can see nothing there anyway.
func (s *state) xpcall(L *glua.LState) int {
	handler := L.CheckFunction(2)
	L.SetTop(1)
	L.Insert(s.quietly, 1)
	err := s.protect(L, 1)
	if err == nil {
		L.Insert(glua.LTrue, 1)
		return L.GetTop()
	}
	L.Push(s.quietly)
	L.Push(handler)
	L.Push(s.caughtValue(L, err))
	if err = s.protect(L, 2); err != nil {
		L.Push(s.caughtValue(L, err))
	}
	L.Insert(glua.LFalse, 1)
	return L.GetTop()
}

// protect calls quietly, which was pushed, with n arguments: a function and its own. An error leaves the variables of whoever catches it
// shared with the functions that use them: the interpreter would end that for those of all functions that run, and does so unless it has
// an error function.
func (s *state) protect(L *glua.LState, n int) error {
	s.meter.vm.hasErrorFunc = true
	err := L.PCall(n, glua.MultRet, nil)
	s.meter.vm.hasErrorFunc = true // again, for whoever protects this call
	return err
}

// callQuietly calls its first argument with the others. Errors that are raised meanwhile have a stack trace that says nothing: the
// interpreter would write one for each error that is caught, with a line for every tail call there was. They end what functions that were
// called share of their variables, which are to be no more.
func (s *state) callQuietly(L *glua.LState) int {
	from := s.meter.vm.currentFrame.LocalBase
	L.Panic = func(L *glua.LState) {
		s.meter.vm.closeUpvalues(from)
		panic(&glua.ApiError{Type: glua.ApiErrorRun, Object: L.Get(-1), StackTrace: "-"})
	}
	L.Call(L.GetTop()-1, glua.MultRet)
	return L.GetTop()
}

// closeUpvalues gives the functions that use registers from one on their values for their own.
func (p *peekedState) closeUpvalues(from int) {
	at := &p.uvcache
	for *at != nil && (*at).index < from {
		at = &(*at).next
	}
	for up := *at; up != nil; up = up.next {
		(*glua.Upvalue)(unsafe.Pointer(up)).Close()
	}
	*at = nil
}

// caughtValue returns what was raised, or raises it again where a script may not catch it.
func (s *state) caughtValue(L *glua.LState, err error) glua.LValue {
	s.mayCatch(err)
	raised := err.(*glua.ApiError).Object
	if text, ok := raised.(glua.LString); ok {
		s.allocate(L, messageTimes*len(text))
		if told := repeatable(string(text)); len(told) < len(text) {
			raised = glua.LString(told)
		}
	}
	s.spend(L, caughtSteps)
	s.allocate(L, caughtBytes)
	return raised
}

// mayCatch raises an error again that a script may not catch: an overrun, or a panic of the interpreter.
func (s *state) mayCatch(err error) {
	raised, ok := err.(*glua.ApiError)
	if !ok || raised.Type == glua.ApiErrorPanic || s.meter.overrun != "" {
		panic(err)
	}
}

// raiseValue is error(message, level).
func (s *state) raiseValue(L *glua.LState) int {
	s.throw(L, L.CheckAny(1), L.OptInt(2, 1))
	return 0
}

// throw raises a value on behalf of the script, with the place of a level before a text. To the interpreter the function that throws is a
// level as well, which it steps over for the first one alone.
func (s *state) throw(L *glua.LState, v glua.LValue, level int) {
	if text, ok := v.(glua.LString); ok {
		s.spend(L, len(text)/64)
		s.allocate(L, messageTimes*len(text))
		s.raised = string(text[:min(len(text), engine.MaxErrorMessage)])
	}
	if level > 1 {
		level++
	}
	if text, ok := v.(glua.LString); ok && level > 0 && len(text) > pieceOfText {
		v, level = s.placeBefore(L, string(text), level), 0
	}
	L.Error(v, level)
}

// placeBefore is a long text with the place of a level before it, as the interpreter would put it there at once.
func (s *state) placeBefore(L *glua.LState, text string, level int) glua.LString {
	const native = "[G]:"
	place := native
	for ; place == native; level++ {
		place = L.Where(level - 1)
	}
	out := append(body.Room(len(place)+1+len(text)), place+" "...)
	return glua.LString(body.TextOf(body.Pieces{By: s.meter}.AppendText(out, text)))
}

// assert is assert(v, message).
func (s *state) assert(L *glua.LState) int {
	if L.CheckAny(1); L.ToBool(1) {
		return L.GetTop()
	}
	if L.Get(2) == glua.LNil {
		L.RaiseError("assertion failed!")
	}
	s.throw(L, glua.LString(L.CheckString(2)), 1)
	return 0
}
