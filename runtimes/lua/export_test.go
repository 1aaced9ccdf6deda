package lua

// NewMap makes a table of keys and values.
var NewMap = newMap

// Unguarded makes states without a meter from now on, or with one again.
func Unguarded(on bool) { unguarded = on }
