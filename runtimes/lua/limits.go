package lua

import (
	"fmt"

	glua "github.com/yuin/gopher-lua"
)

// Bounds that need no tree: what the parser and the compiler take without complaint and get wrong, or take too much room for.
const (
	maxOpen     = 20_000 // open brackets in a file, texts and comments included; the parser has a kilobyte for each
	maxUpvalues = 255    // variables of other functions that a function uses, which it counts in a byte
)

// checkOpen refuses a file whose brackets the parser could not take.
func checkOpen(src []byte) error {
	open, line := 0, 1
	for _, c := range src {
		switch c {
		case '(', '[', '{':
			open++
		case ')', ']', '}':
			open = max(0, open-1)
		case '\n':
			line++
		}
		if open > maxOpen {
			return &tooComplex{line, fmt.Sprintf("has more than %d open brackets", maxOpen)}
		}
	}
	return nil
}

// checkUpvalues refuses a function that the compiler made without noticing that it counts too many variables.
func checkUpvalues(p *glua.FunctionProto) error {
	if n := len(p.DbgUpvalues); n > maxUpvalues {
		return &tooComplex{p.LineDefined, fmt.Sprintf("has a function that uses %d variables of others, want at most %d", n, maxUpvalues)}
	}
	for _, inner := range p.FunctionPrototypes {
		if err := checkUpvalues(inner); err != nil {
			return err
		}
	}
	return nil
}
