package starlark

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"sluice/engine"
	"sluice/runtimes"

	"go.starlark.net/resolve"
	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// maxResolveErrors caps how many errors of one file are told at once.
const maxResolveErrors = 10

// program is a compiled file. It is immutable and knows no config.
type program struct {
	*sky.Program
	bound []binding
	loads []loading
}

// loading is a name that a file takes from another, and its own name for it.
type loading struct {
	file, name string
	pos        syntax.Position
	as         *syntax.Ident
}

// binding is a name that a file gives a value at its top level.
type binding struct {
	name string
	pos  syntax.Position
}

// compile returns the program of a file. The error is a *engine.ScriptError.
func (rt *Runtime) compile(path string, src []byte) (*program, error) {
	return rt.programs.Compile(path, src, func() (*program, error) { return compile(path, src, rt.predeclares, rt.unguarded) })
}

func compile(path string, src []byte, predeclared func(string) bool, unguarded bool) (*program, error) {
	if len(src) > runtimes.MaxSource {
		message := fmt.Sprintf("the file has %d bytes, want at most %d", len(src), runtimes.MaxSource)
		return nil, &engine.ScriptError{File: path, Message: message}
	}
	src = bytes.TrimPrefix(src, []byte(runtimes.ByteOrderMark))
	options := &syntax.FileOptions{Set: true, TopLevelControl: true}
	file, err := options.Parse(path, src, 0)
	if err != nil {
		return nil, sourceError(path, src, err)
	}
	syntax.Walk(file, placeAtName)
	bound, loads := bindings(nil, file.Stmts), loadings(file.Stmts)
	if !unguarded {
		if err := guard(file); err != nil {
			return nil, err
		}
	}
	compiled, err := sky.FileProgram(file, fewUnknown(predeclared))
	if err != nil {
		return nil, sourceError(path, src, err)
	}
	return &program{compiled, bound, loads}, nil
}

// fewUnknown is predeclared, until a file has used so many names that nobody knows that it will be refused with them: from then on all are
// known. For each one that is not the resolver looks through all others for what was meant.
func fewUnknown(predeclared func(string) bool) func(string) bool {
	unknown := 0
	return func(name string) bool {
		if predeclared(name) {
			return true
		}
		if sky.Universe.Has(name) {
			return false
		}
		unknown++
		return unknown > 2*maxResolveErrors
	}
}

// placeAtName makes an error of a field be told at its name, not at the dot before it.
func placeAtName(n syntax.Node) bool {
	if x, ok := n.(*syntax.DotExpr); ok {
		x.Dot = x.Name.NamePos
	}
	return true
}

func loadings(stmts []syntax.Stmt) (out []loading) {
	for _, stmt := range stmts {
		if load, ok := stmt.(*syntax.LoadStmt); ok {
			for i, from := range load.From {
				out = append(out, loading{load.ModuleName(), from.Name, from.NamePos, load.To[i]})
			}
		}
	}
	return out
}

// bindings appends the names that statements of the top level bind, in the order of the file.
func bindings(out []binding, stmts []syntax.Stmt) []binding {
	for _, stmt := range stmts {
		switch stmt := stmt.(type) {
		case *syntax.DefStmt:
			out = append(out, binding{stmt.Name.Name, stmt.Def})
		case *syntax.AssignStmt:
			out = boundBy(out, stmt.LHS)
		case *syntax.IfStmt:
			out = bindings(bindings(out, stmt.True), stmt.False)
		case *syntax.ForStmt:
			out = bindings(boundBy(out, stmt.Vars), stmt.Body)
		}
	}
	return out
}

func boundBy(out []binding, target syntax.Expr) []binding {
	switch x := target.(type) {
	case *syntax.Ident:
		return append(out, binding{x.Name, x.NamePos})
	case *syntax.ParenExpr:
		return boundBy(out, x.X)
	case *syntax.TupleExpr:
		for _, e := range x.List {
			out = boundBy(out, e)
		}
	case *syntax.ListExpr:
		for _, e := range x.List {
			out = boundBy(out, e)
		}
	}
	return out
}

// missing reports whether the parser says that a line ended too early. It says so where the next one begins.
func missing(message string) bool {
	for _, end := range [...]string{"got newline", "got indent", "got outdent", "got end of file"} {
		if strings.HasPrefix(message, end) {
			return true
		}
	}
	return false
}

// blameTab tells an error of the indentation where a tab stands among spaces, as that is what makes lines that look alike differ. It
// returns e where there is no such tab above it, or all lines have tabs.
func blameTab(src []byte, e *engine.ScriptError) *engine.ScriptError {
	tabbed, column, spaced := 0, 0, false
	for n, line := range strings.Split(string(src), "\n") {
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		spaced = spaced || strings.Contains(indent, " ")
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 && n < e.Line && strings.TrimSpace(line) != "" {
			tabbed, column = n+1, tab+1
		}
	}
	if tabbed == 0 || !spaced {
		return e
	}
	const tab = "a tab in an indentation where other lines have spaces, want spaces"
	out := *e
	out.Line, out.Column, out.Message = tabbed, column, tab
	if tabbed != e.Line {
		out.Message = fmt.Sprintf("%s; line %d: %s", tab, e.Line, e.Message)
	}
	return &out
}

// before is the end of the last line with code that stands before a place.
func before(src []byte, line, column int) (int, int) {
	lines := strings.Split(string(src), "\n")
	for n := min(line-1, len(lines)); n >= 1 && column == 1; n-- {
		text := strings.TrimRight(lines[n-1], " \t\r")
		if code := strings.TrimLeft(text, " \t"); code != "" && code[0] != '#' {
			return n, len(text) + 1
		}
	}
	return line, column
}

// sourceError is an error of the parser or the resolver. The resolver tells of several at once: the others follow the first.
func sourceError(path string, src []byte, err error) *engine.ScriptError {
	var parse syntax.Error
	if errors.As(err, &parse) {
		if strings.HasPrefix(parse.Msg, "got ") {
			parse = refusedAt(src, parse)
		}
		e := at(parse.Pos, parse.Msg)
		if missing(parse.Msg) {
			e.Line, e.Column = before(src, e.Line, e.Column)
		}
		if strings.Contains(parse.Msg, "indent") || strings.Contains(parse.Msg, "outdent") {
			return blameTab(src, e)
		}
		return e
	}
	var list resolve.ErrorList
	if !errors.As(err, &list) {
		return &engine.ScriptError{File: path, Message: err.Error()}
	}
	for i := range list {
		list[i].Msg = meant(list[i].Msg)
	}
	first := at(list[0].Pos, engine.Cut(list[0].Msg, maxMessage))
	for _, e := range list[1:min(len(list), maxResolveErrors)] {
		first.Also = append(first.Also, engine.Cut(e.Error(), maxMessage))
	}
	if len(list) > maxResolveErrors {
		first.Also = append(first.Also, path+": and more")
	}
	return first
}
