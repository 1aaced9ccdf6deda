package lua

import (
	"fmt"

	"sluice/runtimes"

	"github.com/yuin/gopher-lua/ast"
)

// hookLocals are the local variables of a file's top level that have a hook's name and may be meant as one: a function, what another file
// has under that name, or a name alone, of which "function NAME" makes no global either.
func hookLocals(chunk []ast.Stmt) (out []runtimes.Local) {
	for _, stmt := range chunk {
		local, _ := stmt.(*ast.LocalAssignStmt)
		if local == nil {
			continue
		}
		for i, name := range local.Names {
			if _, ok := runtimes.FindHook(name); ok && mayBeHook(name, i, local.Exprs) {
				message := fmt.Sprintf("%s is local to this file, which makes no hook: want it without \"local\"", name)
				out = append(out, runtimes.Local{Name: name, Line: local.Line(), Message: message})
			}
		}
	}
	return out
}

// mayBeHook reports whether the local variable of a name, which is given the value in a place, may be meant as a hook.
func mayBeHook(name string, place int, values []ast.Expr) bool {
	if place >= len(values) {
		return len(values) == 0
	}
	switch v := values[place].(type) {
	case *ast.FunctionExpr:
		return true
	case *ast.AttrGetExpr:
		key, ok := v.Key.(*ast.StringExpr)
		return ok && key.Value == name
	}
	return false
}
