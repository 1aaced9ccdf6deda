package lua

import (
	"fmt"

	"github.com/yuin/gopher-lua/ast"
)

// maxLookups bounds what the compiler goes through to find names, constants and labels, from the first one on. They take up to
// 60 ms, in which nobody can stop it.
const maxLookups = 1 << 25

// scope is where the compiler stands, with what it looks through there.
type scope struct {
	constants map[string]int // of the function: where each stands, from 1
	locals    int            // that are in sight
	functions int            // that stand in each other
}

// enter has the scope reach into a node.
func (in *scope) enter(node any) {
	switch node := node.(type) {
	case *ast.FunctionExpr:
		in.constants = make(map[string]int)
		in.locals += 2 + len(node.ParList.Names) // self and arg
		in.functions++
	case *ast.NumberForStmt:
		in.locals += 4 // three are hidden
	case *ast.GenericForStmt:
		in.locals += 3 + len(node.Names)
	}
}

func (g *guarding) look(n int) {
	if g.lookups += n; g.lookups > maxLookups {
		g.refuse("has too many names and constants")
	}
}

// name counts what finding a variable takes at most: each function that one of another comes through looks for it.
func (g *guarding) name(s string, depth int) {
	g.look(depth + g.in.functions*g.in.locals)
	g.constant(s)
}

// constant counts what finding a constant takes: it is compared with those before it, which takes longer than with a name.
func (g *guarding) constant(s string) {
	if g.in.constants[s] == 0 {
		g.in.constants[s] = len(g.in.constants) + 1
	}
	g.look(3 * g.in.constants[s])
}

// arithmetic counts what an operation takes: the compiler works it out where it can, which each operation that it stands in tries as well.
func (g *guarding) arithmetic(e ast.Expr, depth int) {
	g.look(16 * depth)
	if isNumber(e, depth) {
		g.constant(fmt.Sprintf("$%d", len(g.in.constants)))
	}
}

// isNumber reports whether the compiler makes an expression a number.
func isNumber(e ast.Expr, depth int) bool {
	switch e := e.(type) {
	case *ast.NumberExpr:
		return true
	case *ast.ArithmeticOpExpr:
		return depth <= maxNesting && isNumber(e.Lhs, depth+1) && isNumber(e.Rhs, depth+1)
	case *ast.UnaryMinusOpExpr:
		return depth <= maxNesting && isNumber(e.Expr, depth+1)
	}
	return false
}

// label counts what a label takes. It is held against all before it, and against each goto, which stands with a function: see user.
func (g *guarding) label() {
	g.labels++
	g.look(g.labels + 4*g.functions)
}
