package starlark

import (
	"fmt"
	"math/bits"
	"strconv"

	"sluice/engine"

	"go.starlark.net/syntax"
)

// Bounds of a file beyond its size: the compiler recurses, a call looks for each name that it is given among all parameters, and the end of
// each clause is looked for through the ends of those in it.
const (
	maxNesting = 500
	maxParams  = 255
	maxClauses = 255
)

// guard rewrites a parsed file so that no step of the interpreter takes or allocates more than the budget can see: an operator whose
// result may be large becomes a call of the built-in function of that name behind "$", which no script can write, and so does a method
// that is not bounded by itself. What only needs to be looked at, such as an operand of a comparison, becomes the operand of an operator
// of ours, which costs no call. New nodes have the positions of those they stand for, so that errors keep their places. The error is a
// *engine.ScriptError.
func guard(file *syntax.File) error {
	g := &guarding{rebound: rebound(file)}
	file.Stmts = g.stmts(file.Stmts)
	if g.refused != nil {
		return g.refused
	}
	return nil
}

type guarding struct {
	depth   int
	temps   int
	rebound map[string]bool     // of asOperators: what the file may use for something else
	refused *engine.ScriptError // the first thing that the compiler must not get
}

func (g *guarding) refuse(pos syntax.Position, format string, args ...any) {
	if g.refused == nil {
		g.refused = at(pos, fmt.Sprintf(format, args...))
	}
}

// deeper enters a node and reports whether the file is still one to go on with. The caller leaves with depth--.
func (g *guarding) deeper(n syntax.Node) bool {
	if g.depth++; g.depth > maxNesting && g.refused == nil {
		start, _ := n.Span()
		g.refuse(start, "the source is nested deeper than %d", maxNesting)
	}
	return g.refused == nil
}

func (g *guarding) stmts(list []syntax.Stmt) []syntax.Stmt {
	if list == nil {
		return nil // an if without else
	}
	out := make([]syntax.Stmt, 0, len(list))
	for _, s := range list {
		out = append(g.stmt(out, s), s)
	}
	return out
}

// stmt rewrites a statement in place. What must run before it is appended to out.
func (g *guarding) stmt(out []syntax.Stmt, s syntax.Stmt) []syntax.Stmt {
	defer func() { g.depth-- }()
	if !g.deeper(s) {
		return out
	}
	switch s := s.(type) {
	case *syntax.AssignStmt:
		return g.assign(out, s)
	case *syntax.DefStmt:
		g.constant(s.Name)
		g.params(s.Params)
		s.Body = g.stmts(s.Body)
		if g.refused != nil {
			return out
		}
		s.Body = append(frame(s.Def, s.Body), s.Body...)
		if g.depth > 1 {
			return append(out, &syntax.ExprStmt{X: charge(s.Def, functionBytes+16*len(s.Params), nil)})
		}
	case *syntax.ExprStmt:
		g.expr(&s.X)
	case *syntax.IfStmt:
		g.expr(&s.Cond)
		s.True, s.False = g.stmts(s.True), g.stmts(s.False)
	case *syntax.ForStmt:
		g.target(s.Vars, true)
		g.expr(&s.X)
		s.Body = g.stmts(s.Body)
	case *syntax.ReturnStmt:
		if s.Result != nil {
			g.expr(&s.Result)
		}
	case *syntax.LoadStmt:
		for _, name := range s.To {
			g.constant(name)
		}
	}
	return out
}

// constant refuses to give another value to the names that are known to be of a simple kind wherever they stand.
func (g *guarding) constant(name *syntax.Ident) {
	switch name.Name {
	case "None", "True", "False":
		g.refuse(name.NamePos, "%s cannot be given another value", name.Name)
	}
}

func (g *guarding) params(params []syntax.Expr) {
	for i, p := range params {
		if i == maxParams {
			start, _ := p.Span()
			g.refuse(start, "a function of %d parameters, want at most %d", len(params), maxParams)
		}
		switch p := p.(type) {
		case *syntax.Ident:
			g.constant(p)
		case *syntax.BinaryExpr: // name = default
			g.constant(p.X.(*syntax.Ident))
			g.expr(&p.Y)
		case *syntax.UnaryExpr: // *name, **name
			if name, ok := p.X.(*syntax.Ident); ok {
				g.constant(name)
			}
		}
	}
}

// target rewrites what is assigned to. A key of it may be one that is new.
func (g *guarding) target(e syntax.Expr, anew bool) {
	defer func() { g.depth-- }()
	if !g.deeper(e) {
		return
	}
	switch e := e.(type) {
	case *syntax.Ident:
		g.constant(e)
	case *syntax.ParenExpr:
		g.target(e.X, anew)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			g.target(x, anew)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			g.target(x, anew)
		}
	case *syntax.DotExpr:
		g.expr(&e.X)
	case *syntax.IndexExpr:
		g.expr(&e.X)
		if g.expr(&e.Y); !simple(e.Y) {
			e.Y = charge(e.Lbrack, entryBytes/2, look(e.Lbrack, keyCheck, e.Y))
			if anew {
				e.X = look(e.Lbrack, writeCheck, e.X)
			}
		}
	}
}

// assign rewrites an assignment. In x op= y the operator is told both operands, so x is read twice; where that could have an effect, its
// parts are given names first.
func (g *guarding) assign(out []syntax.Stmt, s *syntax.AssignStmt) []syntax.Stmt {
	g.target(s.LHS, s.Op == syntax.EQ)
	g.expr(&s.RHS)
	op := binaryOp[s.Op]
	if s.Op == syntax.EQ || g.refused != nil || !grows(op, s.LHS, s.RHS) {
		return out
	}
	switch lhs := s.LHS.(type) {
	case *syntax.IndexExpr:
		out = g.name(out, s.OpPos, &lhs.X)
		out = g.name(out, s.OpPos, &lhs.Y)
		s.LHS = lhs
	case *syntax.DotExpr:
		out = g.name(out, s.OpPos, &lhs.X)
	case *syntax.Ident:
	default:
		return out // the resolver refuses it
	}
	switch op {
	case syntax.PLUS, syntax.PIPE: // these may work in place
		s.RHS = callOf(s.OpPos, "$"+s.Op.String(), again(s.LHS), s.RHS)
	default:
		s.Op, s.RHS = syntax.EQ, callOf(s.OpPos, "$"+op.String(), again(s.LHS), s.RHS)
	}
	return out
}

var binaryOp = map[syntax.Token]syntax.Token{
	syntax.PLUS_EQ: syntax.PLUS, syntax.MINUS_EQ: syntax.MINUS, syntax.STAR_EQ: syntax.STAR, syntax.SLASH_EQ: syntax.SLASH,
	syntax.SLASHSLASH_EQ: syntax.SLASHSLASH, syntax.PERCENT_EQ: syntax.PERCENT, syntax.AMP_EQ: syntax.AMP,
	syntax.PIPE_EQ: syntax.PIPE, syntax.CIRCUMFLEX_EQ: syntax.CIRCUMFLEX, syntax.LTLT_EQ: syntax.LTLT, syntax.GTGT_EQ: syntax.GTGT,
}

// name lets a new variable stand for an expression that is no plain name.
func (g *guarding) name(out []syntax.Stmt, pos syntax.Position, e *syntax.Expr) []syntax.Stmt {
	switch (*e).(type) {
	case *syntax.Ident, *syntax.Literal:
		return out
	}
	g.temps++
	name := "$" + strconv.Itoa(g.temps)
	out = append(out, &syntax.AssignStmt{OpPos: pos, Op: syntax.EQ, LHS: ident(pos, name), RHS: *e})
	*e = ident(pos, name)
	return out
}

// again is a copy of the left side of x op= y, to be read.
func again(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.Ident:
		return ident(e.NamePos, e.Name)
	case *syntax.DotExpr:
		return &syntax.DotExpr{X: again(e.X), Dot: e.Dot, NamePos: e.NamePos, Name: e.Name}
	case *syntax.IndexExpr:
		return &syntax.IndexExpr{X: again(e.X), Lbrack: e.Lbrack, Y: again(e.Y), Rbrack: e.Rbrack}
	}
	return e // a literal
}

func ident(pos syntax.Position, name string) *syntax.Ident {
	return &syntax.Ident{NamePos: pos, Name: name}
}

// callOf is a call of a guard, which seems to stand where pos is.
func callOf(pos syntax.Position, name string, args ...syntax.Expr) *syntax.CallExpr {
	return &syntax.CallExpr{Fn: ident(pos, name), Lparen: pos, Args: args, Rparen: pos}
}

// look makes e the operand of a check, which costs no call.
func look(pos syntax.Position, check string, e syntax.Expr) syntax.Expr {
	return &syntax.BinaryExpr{X: ident(pos, check), OpPos: pos, Op: syntax.PIPE, Y: e}
}

// charge is e, having paid so many bytes before; without e it only pays.
func charge(pos syntax.Position, bytes int, e syntax.Expr) syntax.Expr {
	paid := callOf(pos, payName(bits.Len(uint(bytes*4/3))-1))
	if e == nil {
		return paid
	}
	return &syntax.BinaryExpr{X: paid, OpPos: pos, Op: syntax.AND, Y: e}
}
