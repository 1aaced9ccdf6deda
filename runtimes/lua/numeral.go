package lua

import (
	"errors"
	"math"
	"strconv"
	"strings"

	glua "github.com/yuin/gopher-lua"
)

// numeral reads a text that stands for a number: a decimal one, or a hexadecimal one behind 0x. One that is too large is infinite. The
// interpreter's own reading takes 010 for 8, and 1_0 and 0b1 for numbers.
func numeral(text string) (n glua.LNumber, ok bool) {
	if len(text) > maxNumeral {
		return 0, false
	}
	text = strings.Trim(text, " \t\n\v\f\r")
	if strings.Trim(text, "0123456789abcdefABCDEFxXpP.+-") != "" {
		return 0, false
	}
	if strings.ContainsAny(text, "xX") && !strings.ContainsAny(text, "pP") {
		text += "p0"
	}
	f, err := strconv.ParseFloat(text, 64)
	return glua.LNumber(f), !errors.Is(err, strconv.ErrSyntax)
}

// readNumeral makes an argument that should be a number one if it is a text that stands for it. A long text ends the script.
func readNumeral(L *glua.LState, arg int) {
	text, ok := L.Get(arg).(glua.LString)
	if !ok {
		return
	}
	if len(text) > maxNumeral {
		L.RaiseError("bad argument #%d (a text of %d bytes is no number)", arg, len(text))
	}
	if n, ok := numeral(string(text)); ok {
		L.Replace(arg, n)
	}
}

// numerals makes a function that takes numbers at some positions, at all where none is named, take texts that stand for them.
func numerals(f glua.LGFunction, at ...int) glua.LGFunction {
	return func(L *glua.LState) int {
		for _, arg := range at {
			readNumeral(L, arg)
		}
		for arg := 1; len(at) == 0 && arg <= L.GetTop(); arg++ {
			readNumeral(L, arg)
		}
		return f(L)
	}
}

// numbersAt are the positions at which functions take numbers. Those of the library math, and string.char, take nothing else.
var numbersAt = map[string][]int{
	"byte": {2, 3}, "char": {}, "concat": {3, 4}, "error": {2}, "find": {3}, "gsub": {4}, "match": {3}, "remove": {2}, "rep": {2},
	"select": {1}, "sub": {2, 3}, "tonumber": {2}, "unpack": {2, 3},
}

// toNumber is tonumber(v, base).
func toNumber(L *glua.LState) int {
	v, ok := L.CheckAny(1), true
	base := L.OptInt(2, 10)
	switch text, isText := v.(glua.LString); {
	case base < 2 || base > 36:
		L.RaiseError("tonumber: the base is %d, want 2 to 36", base)
	case base != 10:
		v, ok = digits(L.CheckString(1), base)
	case isText:
		v, ok = numeral(string(text))
	default:
		_, ok = v.(glua.LNumber)
	}
	if !ok {
		v = glua.LNil
	}
	L.Push(v)
	return 1
}

// digits reads an integer of a base.
func digits(text string, base int) (n glua.LNumber, ok bool) {
	text = strings.ToLower(strings.TrimSpace(text[:min(len(text), maxNumeral+1)]))
	text, negative := strings.CutPrefix(text, "-")
	if base == 16 {
		text = strings.TrimPrefix(text, "0x")
	}
	for _, c := range []byte(text) {
		digit := strings.IndexByte("0123456789abcdefghijklmnopqrstuvwxyz"[:base], c)
		if digit < 0 {
			return 0, false
		}
		n = n*glua.LNumber(base) + glua.LNumber(digit)
	}
	if negative {
		n = -n
	}
	return n, text != "" && len(text) <= maxNumeral
}

// textArithmetic are the operators where an operand is a text.
var textArithmetic = map[string]*glua.LFunction{
	"__add": arithmetic("__add", func(a, b float64) float64 { return a + b }),
	"__sub": arithmetic("__sub", func(a, b float64) float64 { return a - b }),
	"__mul": arithmetic("__mul", func(a, b float64) float64 { return a * b }),
	"__div": arithmetic("__div", func(a, b float64) float64 { return a / b }),
	"__mod": arithmetic("__mod", modulo),
	"__pow": arithmetic("__pow", math.Pow),
	"__unm": arithmetic("__unm", func(a, _ float64) float64 { return -a }),
}

// arithmetic is an operator on numbers and texts that stand for them, and what the other operand has for it where that is neither.
func arithmetic(event string, f func(a, b float64) float64) *glua.LFunction {
	return sharedFunction(func(L *glua.LState) int {
		a, b := L.Get(1), L.Get(2)
		if L.GetTop() == 1 {
			b = a // of a sign
		}
		x, ok := operand(a)
		y, too := operand(b)
		if ok && too {
			L.Push(number(f(x, y)))
			return 1
		}
		if op, ok := L.GetMetaField(b, event).(*glua.LFunction); ok && b.Type() != glua.LTString {
			L.Insert(op, 1)
			L.Call(2, 1)
			return 1
		}
		want := ""
		if event == "__add" {
			want = ", want .. to join texts"
		}
		L.RaiseError("cannot perform %s operation between %s and %s%s", event[2:], a.Type(), b.Type(), want)
		return 0
	})
}

// operand is a number, or what a text stands for.
func operand(v glua.LValue) (float64, bool) {
	if text, ok := v.(glua.LString); ok {
		n, ok := numeral(string(text))
		return float64(n), ok
	}
	n, ok := v.(glua.LNumber)
	return float64(n), ok
}

// modulo is a % b, which has the sign of b.
func modulo(a, b float64) float64 {
	r := math.Mod(a, b)
	if r*b < 0 {
		r += b
	}
	return r
}
