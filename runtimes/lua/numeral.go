package lua

import (
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

// toNumber makes tonumber of the interpreter's: a long text is no number.
func toNumber(native glua.LGFunction) glua.LGFunction {
	return func(L *glua.LState) int {
		if text, ok := L.Get(1).(glua.LString); ok && len(text) > maxNumeral {
			L.Push(glua.LNil)
			return 1
		}
		return native(L)
	}
}
