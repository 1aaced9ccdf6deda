//go:build !race

package starlark_test

const raced = false
