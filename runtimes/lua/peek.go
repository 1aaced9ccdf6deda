package lua

import (
	"fmt"
	"reflect"
	"unsafe"

	glua "github.com/yuin/gopher-lua"
)

// The interpreter has no hook for what its instructions allocate, and no way to read the instruction that is next or how far a table has
// grown. Here are the beginnings of five of its types as version 1.1.2 lays them out. They are read, and written by fill.go, errors.go and
// charge.go alone; checkLayout compares them with the real ones before the first state is made.
type (
	peekedState struct {
		G            *glua.Global
		Parent       *glua.LState
		Env          *glua.LTable
		Panic        func(*glua.LState)
		Dead         bool
		Options      glua.Options
		stop         int32
		reg          *peekedRegistry
		stack        any
		alloc        unsafe.Pointer
		currentFrame *peekedFrame
		wrapped      bool
		uvcache      *peekedUpvalue // open ones, lowest first
		hasErrorFunc bool           // an error leaves them open
	}
	peekedUpvalue struct {
		next  *peekedUpvalue
		reg   *peekedRegistry
		index int
	}
	peekedFrame struct {
		Idx       int
		Fn        *glua.LFunction
		Parent    *peekedFrame
		Pc        int
		Base      int
		LocalBase int
		_         int
		NArgs     int
	}
	peekedRegistry struct {
		array []glua.LValue
		top   int
	}
	peekedTable struct {
		Metatable glua.LValue
		array     []glua.LValue
		dict      map[glua.LValue]glua.LValue
		strdict   map[string]glua.LValue
		keys      []glua.LValue // in the order in which they were first set; one whose value is gone stays
		k2i       map[glua.LValue]int
	}
)

func peekState(L *glua.LState) *peekedState { return (*peekedState)(unsafe.Pointer(L)) }
func peekTable(t *glua.LTable) *peekedTable { return (*peekedTable)(unsafe.Pointer(t)) }

// checkLayout panics if the interpreter is not the one that this package was written for.
func checkLayout() {
	state := reflect.TypeFor[glua.LState]()
	sameLayout(state, reflect.TypeFor[peekedState]())
	sameLayout(reflect.TypeFor[glua.LTable](), reflect.TypeFor[peekedTable]())
	sameLayout(pointedTo(state, "currentFrame"), reflect.TypeFor[peekedFrame]())
	sameLayout(pointedTo(state, "reg"), reflect.TypeFor[peekedRegistry]())
	sameLayout(reflect.TypeFor[glua.Upvalue](), reflect.TypeFor[peekedUpvalue]())
}

func pointedTo(of reflect.Type, field string) reflect.Type {
	f, _ := of.FieldByName(field)
	return f.Type.Elem()
}

// sameLayout compares each field of a peeked type with the field in its place.
func sameLayout(real, peeked reflect.Type) {
	for i := range peeked.NumField() {
		want := peeked.Field(i)
		got := real.Field(i)
		if want.Name != "_" && want.Name != got.Name || want.Offset != got.Offset || want.Type.Size() != got.Type.Size() {
			panic(fmt.Sprintf("BUG: %v has %s %v at %d, want %s %v at %d", real, got.Name, got.Type, got.Offset, want.Name, want.Type, want.Offset))
		}
	}
}

// instruction is what the interpreter does next, while it asks the meter whether it may.
type instruction struct {
	code  uint32
	frame *peekedFrame
	reg   *peekedRegistry
}

func (i instruction) op() int { return int(i.code >> 26) }
func (i instruction) a() int  { return int(i.code>>18) & 0xff }
func (i instruction) b() int  { return int(i.code & 0x1ff) }
func (i instruction) c() int  { return int(i.code>>9) & 0x1ff }
func (i instruction) bx() int { return int(i.code & 0x3ffff) }

// register is the value of a register of the function that runs.
func (i instruction) register(n int) glua.LValue { return i.reg.array[i.frame.LocalBase+n] }

// value is an operand: a register, or a constant where the ninth bit is set.
func (i instruction) value(n int) glua.LValue {
	if n&0x100 != 0 {
		return i.frame.Fn.Proto.Constants[n&0xff]
	}
	return i.register(n)
}
