package lua

import (
	"fmt"
	"strings"

	glua "github.com/yuin/gopher-lua"
)

// advised is a message of the interpreter with what it leaves unsaid. The interpreter's frames must still be those of the failure.
func (s *state) advised(message string) string {
	frame := s.meter.vm.currentFrame
	switch {
	case message == "stack overflow":
		return fmt.Sprintf("stack overflow: calls go %d deep, want a loop", stateOptions.CallStackSize)
	case frame == nil || frame.Fn.IsG:
	case message == "attempt to call a non-function object":
		return message + called(s.failing(frame))
	case strings.HasPrefix(message, "attempt to index a non-table object(nil)") && indexedZero(s.failing(frame)):
		return message + ": lists count from 1"
	}
	return message
}

// failing is the instruction at which a frame of the script stands.
func (s *state) failing(frame *peekedFrame) instruction {
	return instruction{frame.Fn.Proto.Code[frame.Pc-1], frame, s.meter.vm.reg}
}

// called tells what was taken for a function; "" where the interpreter calls by itself what a metatable has.
func called(call instruction) string {
	switch call.op() {
	case glua.OP_TFORLOOP:
		return fmt.Sprintf(": for … in got %s, want ipairs(x) or pairs(x)", describe(call.register(call.a())))
	case glua.OP_CALL, glua.OP_TAILCALL:
		return ": " + calledName(call, call.register(call.a()))
	}
	return ""
}

// calledName is what a call of a value that is no function was meant for.
func calledName(call instruction, got glua.LValue) string {
	from := call.maker(call.a())
	switch from.op() {
	case glua.OP_SELF:
		receiver := call.register(call.a() + 1)
		if receiver.Type() == glua.LTString {
			return fmt.Sprintf("a string has no method %q, want a function of string", told(from.value(from.c())))
		}
		return fmt.Sprintf("%s has no method %q, want [\"key\"] for what is in it", describe(receiver), told(from.value(from.c())))
	case glua.OP_GETTABLE, glua.OP_GETTABLEKS:
		return fmt.Sprintf("%q is %s", told(from.value(from.c())), describe(got))
	}
	return "it is " + describe(got)
}

// indexedZero reports whether what an instruction looks into came from position 0 of a list that is still at hand.
func indexedZero(index instruction) bool {
	into := index.b()
	switch index.op() {
	case glua.OP_SETTABLE, glua.OP_SETTABLEKS:
		into = index.a()
	}
	from := index.maker(into)
	return from.op() == glua.OP_GETTABLE && from.value(from.c()) == glua.LNumber(0) &&
		from.a() != from.b() && describe(from.register(from.b())) == "a list"
}

// maker is the last instruction before i that names a register as its result; i itself where there is none.
func (i instruction) maker(register int) instruction {
	for pc := i.frame.Pc - 2; pc >= 0; pc-- {
		if made := (instruction{i.frame.Fn.Proto.Code[pc], i.frame, i.reg}); made.a() == register {
			return made
		}
	}
	return i
}
