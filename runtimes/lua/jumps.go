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
	block.Stmts = []ast.Stmt{nothing, stmt}
	if _, ok := stmt.(*ast.GotoStmt); ok {
		block.Stmts = append(block.Stmts, user(stmt))
	}
	for _, node := range []ast.PositionHolder{nothing, block} {
		node.SetLine(stmt.Line())
		node.SetLastLine(stmt.LastLine())
	}
	v.Set(reflect.ValueOf(block))
}

// user is a function that uses the local before a goto, and is never made since it stands behind that. The compiler works out which
// variables a goto leaves where a function uses one of its block; where none does it ends the sharing of all that are in scope.
func user(jump ast.Stmt) ast.Stmt {
	local := &ast.IdentExpr{Value: "$nothing"}
	result := &ast.ReturnStmt{Exprs: []ast.Expr{local}}
	function := &ast.FunctionExpr{ParList: &ast.ParList{}, Stmts: []ast.Stmt{result}}
	stmt := &ast.LocalAssignStmt{Names: []string{"$user"}, Exprs: []ast.Expr{function}}
	for _, node := range []ast.PositionHolder{local, result, function, stmt} {
		node.SetLine(jump.Line())
		node.SetLastLine(jump.LastLine())
	}
	return stmt
}

// leadLiteral is lead for a statement with a condition, which is only a jump where that is written out.
func (g *guarding) leadLiteral(v reflect.Value, condition ast.Expr) {
	if logical, ok := condition.(*ast.LogicalOpExpr); ok {
		condition = g.folded(logical)
	}
	if _, ok := literal(condition); ok {
		g.lead(v)
	}
}

// folded is "and" or "or" without a first operand that is written out, which would be a jump.
func (g *guarding) folded(e *ast.LogicalOpExpr) ast.Expr {
	if g.folds[e] {
		return e
	}
	if inner, ok := e.Lhs.(*ast.LogicalOpExpr); ok {
		e.Lhs = g.folded(inner)
	}
	holds, ok := literal(e.Lhs)
	switch {
	case !ok:
		g.folds[e] = true
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
