package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one problem of a config file.
type Error struct {
	File    string
	Pos     Pos
	Message string
}

// Error is FILE:LINE:COLUMN: MESSAGE.
func (e Error) Error() string { return fmt.Sprintf("%s:%s: %s", e.File, e.Pos, e.Message) }

// Errors are all problems of a config file in the order of their positions. It is what Parse returns as its error.
type Errors []Error

// Error is one line for each problem.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
}
