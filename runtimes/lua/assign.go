package lua

import (
	"fmt"
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

// assign sees to it that a call takes room of its own. Of one that gives a single value to the last parameter of a function the compiler
// would put the function in the parameter's place, before the arguments are read: x = a .. x and x = (f(x)).
func (g *guarding) assign(node *ast.AssignStmt) {
	if chain, ok := node.Rhs[0].(*ast.StringConcatOpExpr); ok {
		node.Rhs[0] = g.join(chain)
	}
	if call, ok := node.Rhs[0].(*ast.FuncCallExpr); ok && len(node.Lhs) == 1 {
		call.AdjustRet = false // one value is asked for
	}
}

// byLocals reports whether an assignment to a variable has several values, or that of "and" or "or".
func byLocals(stmt *ast.AssignStmt) bool {
	_, logical := stmt.Rhs[0].(*ast.LogicalOpExpr)
	return slices.ContainsFunc(stmt.Lhs, isVariable) && (logical || len(stmt.Lhs) > 1 || len(stmt.Rhs) > 1)
}

func isVariable(e ast.Expr) bool { _, ok := e.(*ast.IdentExpr); return ok }

// named is an assignment by way of locals: first to fields, as where they are may depend on the variables. No script can write the names of
// the locals.
func named(stmt *ast.AssignStmt) ast.Stmt {
	values, fields := &ast.LocalAssignStmt{Exprs: stmt.Rhs}, &ast.AssignStmt{}
	place := func(node ast.PositionHolder) {
		node.SetLine(stmt.Line())
		node.SetLastLine(stmt.LastLine())
	}
	var variables []ast.Stmt
	for i, to := range stmt.Lhs {
		value := &ast.IdentExpr{Value: fmt.Sprintf("$value%d", i)}
		place(value)
		values.Names = append(values.Names, value.Value)
		if !isVariable(to) {
			fields.Lhs, fields.Rhs = append(fields.Lhs, to), append(fields.Rhs, value)
			continue
		}
		variable := &ast.AssignStmt{Lhs: []ast.Expr{to}, Rhs: []ast.Expr{value}}
		place(variable)
		variables = append(variables, variable)
	}
	block := &ast.DoBlockStmt{Stmts: []ast.Stmt{values}}
	if len(fields.Lhs) > 0 {
		block.Stmts = append(block.Stmts, fields)
	}
	slices.Reverse(variables)
	block.Stmts = append(block.Stmts, variables...)
	for _, node := range []ast.PositionHolder{values, fields, block} {
		place(node)
	}
	return block
}
