package lua

import (
	"fmt"

	glua "github.com/yuin/gopher-lua"
)

// Bounds of what one instruction works on. It cannot be stopped half way, so what would take it more than some milliseconds is refused.
const (
	maxKey     = 1 << 20   // bytes of a text that a table is asked for
	maxOrdered = 256 << 10 // bytes that "<" goes through, one by one
	maxNumeral = 1 << 10   // bytes of a text that stands for a number
)

// shortText is how long a text is that an instruction works on for nothing.
const shortText = 1 << 10

// price is what an instruction costs beyond its step.
type price struct {
	boxed  int64                     // bytes of the numbers that it makes
	charge func(*meter, instruction) // what depends on its operands; nil = nothing does
}

// prices are those of all instructions.
var prices = [64]price{
	glua.OP_ADD: {8, (*meter).arithmetic}, glua.OP_SUB: {8, (*meter).arithmetic}, glua.OP_MUL: {8, (*meter).arithmetic},
	glua.OP_DIV: {8, (*meter).arithmetic}, glua.OP_MOD: {8, (*meter).arithmetic}, glua.OP_POW: {8, (*meter).arithmetic},
	glua.OP_UNM: {8, (*meter).negation}, glua.OP_LEN: {8, (*meter).length},
	glua.OP_EQ: {0, (*meter).equality}, glua.OP_LT: {0, (*meter).order}, glua.OP_LE: {0, (*meter).order},
	glua.OP_GETTABLE: {0, (*meter).read}, glua.OP_SETTABLE: {0, (*meter).write}, glua.OP_SETTABLEKS: {0, (*meter).write},
	glua.OP_NEWTABLE: {0, (*meter).newTable}, glua.OP_SETLIST: {0, (*meter).setList}, glua.OP_CLOSURE: {0, (*meter).closure},
	glua.OP_SETUPVAL: {0, (*meter).assign}, glua.OP_SETGLOBAL: {0, (*meter).assign},
	glua.OP_FORPREP: {8, (*meter).loop}, glua.OP_FORLOOP: {boxed: 16}, glua.OP_VARARG: {0, (*meter).varargs},
	glua.OP_CALL: {boxed: 8}, glua.OP_TAILCALL: {boxed: 8}, glua.OP_TFORLOOP: {boxed: 8},
}

// refuse makes the instruction that is next fail. Unlike an overrun, a script may catch it.
func (m *meter) refuse(format string, args ...any) { m.refused = fmt.Sprintf(format, args...) }

func (m *meter) arithmetic(i instruction) {
	m.operand(i.value(i.b()))
	m.operand(i.value(i.c()))
}

// loop makes numbers of the texts that a numeric for begins with.
func (m *meter) loop(i instruction) {
	for at := range 3 {
		bound := &i.reg.array[i.frame.LocalBase+i.a()+at]
		if text, ok := (*bound).(glua.LString); ok {
			if n, ok := numeral(string(text)); ok {
				*bound = n
			}
		}
	}
}

func (m *meter) negation(i instruction) { m.operand(i.value(i.b())) }

func (m *meter) operand(v glua.LValue) {
	if _, ok := v.(glua.LNumber); ok {
		return
	}
	if text, ok := v.(glua.LString); ok && len(text) > maxNumeral {
		m.refuse("a text of %d bytes is no number", len(text))
	}
}

func (m *meter) equality(i instruction) {
	if a, ok := i.value(i.b()).(glua.LString); ok && len(a) > shortText {
		m.steps += int64(len(a) / 256)
	}
}

func (m *meter) order(i instruction) {
	a, ok := i.value(i.b()).(glua.LString)
	if !ok || len(a) <= shortText {
		return
	}
	if b, ok := i.value(i.c()).(glua.LString); ok {
		m.ordered(string(a), string(b))
	}
}

// ordered charges for finding where two texts differ.
func (m *meter) ordered(a, b string) {
	n := min(len(a), len(b))
	if n > maxOrdered && a[:maxOrdered] == b[:maxOrdered] {
		m.refuse("texts of %d bytes are not ordered that begin with the same %d KiB", n, maxOrdered>>10)
		return
	}
	m.steps += int64(min(n, maxOrdered) / 16)
}

func (m *meter) length(i instruction) {
	switch v := i.value(i.b()).(type) {
	case *glua.LTable:
		m.steps += int64(trim(v))
	case glua.LString, *glua.LUserData:
	default: // the interpreter says "__len undefined"
		m.refuse("%s has no length", describe(v))
	}
}

// trim lets an array end where its last element is, so that nobody looks for that twice. It returns what this takes, in steps.
func trim(t *glua.LTable) int {
	array := peekTable(t).array
	n := len(array)
	for n > 0 && array[n-1] == glua.LNil {
		t.Remove(-1)
		n--
	}
	return (len(array) - n) / 8
}

// filled is how many steps it takes to fill an array up to a position that is beyond its end.
func filled(t *glua.LTable, key glua.LValue) int {
	if i, ok := position(key); ok {
		return max(0, i-len(peekTable(t).array)) / 8
	}
	return 0
}

func (m *meter) varargs(i instruction) { m.steps += int64(i.frame.NArgs / 8) }

func (m *meter) read(i instruction) { m.key(i.value(i.c())) }

// key charges for finding a key.
func (m *meter) key(v glua.LValue) {
	text, ok := v.(glua.LString)
	if !ok || len(text) <= shortText {
		return
	}
	if len(text) > maxKey {
		m.refuse("a key has %d bytes, want at most %d MiB", len(text), maxKey>>20)
		return
	}
	m.steps += int64(len(text) / 64)
}

func (m *meter) assign(i instruction) { m.store(nil, i.register(i.a())) }

func (m *meter) write(i instruction) {
	into, key := i.register(i.a()), i.value(i.b())
	m.store(into, key)
	m.store(into, i.value(i.c()))
	if m.key(key); m.refused != "" {
		return
	}
	if t := receiver(into, key); t != nil {
		if err := full(t, key); err != nil {
			m.refuse("%v", err)
			return
		}
		m.steps += int64(filled(t, key))
		m.take(growth(t, key))
		m.reach(t, key)
	}
}

func (m *meter) newTable(i instruction) { m.take(newTableBytes(i.b(), i.c())) }

func (m *meter) setList(i instruction) {
	t, _ := i.register(i.a()).(*glua.LTable)
	batch, n := i.c(), i.b()
	if batch == 0 {
		batch = int(i.frame.Fn.Proto.Code[i.frame.Pc])
	}
	if n == 0 {
		n = m.vm.reg.top - i.frame.LocalBase - i.a() - 1
	}
	last := (batch-1)*glua.FieldsPerFlush + n
	if last > maxCount {
		m.refuse("a table has %d elements, want at most %d", last, maxCount)
		return
	}
	for j := 1; j <= n && m.following(); j++ {
		m.store(t, i.register(i.a()+j))
	}
	m.steps += int64(n / 16)
	m.take(peekTable(t).arrayGrowth(last))
}

func (m *meter) closure(i instruction) {
	n := int(i.frame.Fn.Proto.FunctionPrototypes[i.bx()].NumUpvalues)
	m.take(closureBytes + upvalueBytes*n)
}
