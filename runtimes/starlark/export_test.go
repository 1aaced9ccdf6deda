package starlark

import (
	"maps"

	sky "go.starlark.net/starlark"
)

// NewPanicking makes a Runtime whose scripts have a function panic, as no function of the language does by itself.
func NewPanicking() *Runtime {
	rt := New()
	rt.libraries["panic"] = sky.NewBuiltin("panic", func(*sky.Thread, *sky.Builtin, sky.Tuple, []sky.Tuple) (sky.Value, error) {
		panic("here")
	})
	return rt
}

// NewUnguarded makes a Runtime that leaves scripts as they are written, to measure what the guards cost.
func NewUnguarded() *Runtime {
	rt := New()
	rt.unguarded = true
	maps.DeleteFunc(rt.libraries, func(name string, _ sky.Value) bool { return sky.Universe.Has(name) && name != "hash" })
	return rt
}
