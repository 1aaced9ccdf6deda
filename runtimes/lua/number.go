package lua

import (
	"math"

	"sluice/engine"

	glua "github.com/yuin/gopher-lua"
)

// exact bounds the integers that a float64 holds one by one.
const exact = 1 << 53

// small are the numbers 0 to 256 as the interpreter holds them: positions in lists need no allocation.
var small = func() (out [257]glua.LValue) {
	for i := range out {
		out[i] = glua.LNumber(i)
	}
	return out
}()

func number(f float64) glua.LValue {
	if f >= 0 && f < float64(len(small)) && f == math.Trunc(f) {
		return small[int(f)]
	}
	return glua.LNumber(f)
}

// whole reports whether n has no fraction and is held exactly.
func whole(n glua.LNumber) bool {
	f := float64(n)
	return f == math.Trunc(f) && math.Abs(f) <= exact
}

// numberText is how a number prints.
func numberText(n glua.LNumber) string {
	switch f := float64(n); {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	default:
		return n.String()
	}
}

// bigInteger makes an integer beyond 2^53: a value that prints and encodes its digits and has no arithmetic.
func (s *state) bigInteger(digits engine.Number) glua.LValue {
	s.meter.take(hostBytes)
	return &glua.LUserData{Value: digits, Metatable: bigMetatable}
}

// bigMetatable is shared by all big integers.
var bigMetatable = makeBigMetatable()

func makeBigMetatable() *glua.LTable {
	mt := sharedMetatable(glua.LFalse)
	for _, event := range []string{"__add", "__sub", "__mul", "__div", "__mod", "__pow", "__unm", "__lt", "__le"} {
		mt.RawSetString(event, sharedFunction(bigArithmetic))
	}
	mt.RawSetString("__eq", sharedFunction(func(L *glua.LState) int {
		a, _ := digitsOf(L.Get(1))
		b, _ := digitsOf(L.Get(2))
		L.Push(glua.LBool(a == b))
		return 1
	}))
	mt.RawSetString("__tostring", sharedFunction(func(L *glua.LState) int {
		digits, _ := digitsOf(L.Get(1))
		L.Push(glua.LString(digits))
		return 1
	}))
	mt.RawSetString("__index", sharedFunction(func(L *glua.LState) int {
		L.RaiseError("a number has no field %q", told(L.Get(2)))
		return 0
	}))
	return mt
}

func bigArithmetic(L *glua.LState) int {
	digits, ok := digitsOf(L.Get(1))
	if !ok {
		digits, _ = digitsOf(L.Get(2))
	}
	L.RaiseError("%s is beyond 2^53: it keeps its digits and has no arithmetic", digits)
	return 0
}

func digitsOf(v glua.LValue) (string, bool) {
	if ud, ok := v.(*glua.LUserData); ok {
		digits, ok := ud.Value.(engine.Number)
		return string(digits), ok
	}
	return "", false
}
