package starlark

import (
	"strings"

	"sluice/runtimes"
)

// advice is what follows a message of the interpreter that does not say what to do instead.
var advice = []struct{ prefix, suffix, want string }{
	{"", " frozen list", runtimes.Frozen},
	{"", " frozen hash table", runtimes.Frozen},
	{"local variable ", " referenced before assignment",
		"; a name that a function assigns is its own, and globals cannot change while a script serves"},
	{"function ", " called recursively", ", which Starlark does not have: want a loop"},
	{"body value does not support item assignment", "", ", want set(path, value)"},
	{"unknown binary op: string + ", "", ", want str(x)"},
	{"unknown conversion %", "", ", want %s %r %d %i %o %x %X %e %f %g %E %F %G %c or %%, without a width or a precision"},
}

// advised is a message of the interpreter with what it leaves unsaid.
func advised(message string) string {
	for _, a := range advice {
		if strings.HasPrefix(message, a.prefix) && strings.HasSuffix(message, a.suffix) {
			return message + a.want
		}
	}
	return message
}
