package lua

import (
	"reflect"

	"github.com/yuin/gopher-lua/ast"
)

// lead lets something else stand before a statement that begins with a jump. Where a loop comes back to a jump, the compiler makes both one,
// but takes how far that goes for where it leads.
func (g *guarding) lead(v reflect.Value) {
	stmt := v.Interface().(ast.Stmt)
	if g.led[stmt] {
		return
	}
	g.led[stmt] = true
	nothing, block := &ast.LocalAssignStmt{Names: []string{"$nothing"}}, &ast.DoBlockStmt{}
	for _, node := range []ast.PositionHolder{nothing, block} {
		node.SetLine(stmt.Line())
		node.SetLastLine(stmt.LastLine())
	}
	block.Stmts = []ast.Stmt{nothing, stmt}
	v.Set(reflect.ValueOf(block))
}

// leadLiteral is lead for a statement with a condition, which is only a jump where that is written out.
func (g *guarding) leadLiteral(v reflect.Value, condition ast.Expr) {
	if logical, ok := condition.(*ast.LogicalOpExpr); ok {
		condition = folded(logical)
	}
	if _, ok := literal(condition); ok {
		g.lead(v)
	}
}

// folded is "and" or "or" without a first operand that is written out, which would be a jump.
func folded(e *ast.LogicalOpExpr) ast.Expr {
	if inner, ok := e.Lhs.(*ast.LogicalOpExpr); ok {
		e.Lhs = folded(inner)
	}
	holds, ok := literal(e.Lhs)
	switch {
	case !ok:
		return e
	case holds == (e.Operator == "and"):
		return single(e.Rhs)
	default:
		return e.Lhs
	}
}

// literal reports whether a value that is written out is true in a condition.
func literal(e ast.Expr) (holds, ok bool) {
	switch e := e.(type) {
	case *ast.TrueExpr, *ast.NumberExpr, *ast.StringExpr:
		return true, true
	case *ast.FalseExpr, *ast.NilExpr:
		return false, true
	case *ast.UnaryNotOpExpr:
		holds, ok = literal(e.Expr)
		return !holds, ok
	}
	return false, false
}
