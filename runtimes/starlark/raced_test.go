//go:build race

package starlark_test

// raced: the race detector makes pools lose what they keep, so that allocations say nothing.
const raced = true
