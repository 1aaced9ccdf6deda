package lua

// Unguarded makes states without a meter from now on, or with one again.
func Unguarded(on bool) { unguarded = on }
