package lua

import (
	"errors"
	"strconv"
	"strings"

	glua "github.com/yuin/gopher-lua"
)

// refuseNumeral ends the script if an argument that should be a number is a text too long to be one: reading it would take long.
func refuseNumeral(L *glua.LState, arg int) {
	if text, ok := L.Get(arg).(glua.LString); ok && len(text) > maxNumeral {
		L.RaiseError("bad argument #%d (a text of %d bytes is no number)", arg, len(text))
	}
}

// numerals makes a function that takes numbers at some positions refuse long texts there; at none named, at all.
func numerals(f glua.LGFunction, at ...int) glua.LGFunction {
	return func(L *glua.LState) int {
		for _, arg := range at {
			refuseNumeral(L, arg)
		}
		for arg := 1; len(at) == 0 && arg <= L.GetTop(); arg++ {
			refuseNumeral(L, arg)
		}
		return f(L)
	}
}

// numbersAt are the positions at which functions take numbers. Those of the library math take nothing else.
var numbersAt = map[string][]int{
	"byte": {2, 3}, "concat": {3, 4}, "error": {2}, "find": {3}, "gsub": {4}, "match": {3}, "remove": {2}, "rep": {2}, "select": {1},
	"sub": {2, 3}, "tonumber": {2}, "unpack": {2, 3},
}

// decimal are the characters of a decimal number, and of what may stand around it.
const decimal = "0123456789.eE+-" + " \t\n\v\f\r"

// toNumber makes tonumber of the interpreter's: a long text is no number, and one with an exponent or with many digits is.
func toNumber(native glua.LGFunction) glua.LGFunction {
	return func(L *glua.LState) int {
		text, ok := L.Get(1).(glua.LString)
		switch {
		case ok && len(text) > maxNumeral:
			L.Push(glua.LNil)
		case ok && L.GetTop() == 1 && strings.Trim(string(text), decimal) == "":
			n, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
			if errors.Is(err, strconv.ErrSyntax) {
				L.Push(glua.LNil)
			} else {
				L.Push(number(n)) // one that is too large is infinite
			}
		default:
			return native(L)
		}
		return 1
	}
}
