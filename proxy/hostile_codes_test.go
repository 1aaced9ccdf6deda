package proxy

import (
	"maps"
	"slices"

	"sluice/engine"
)

// Codes are those that have a row in the table of our own errors, sorted.
func Codes() []engine.Code { return slices.Sorted(maps.Keys(meanings)) }
