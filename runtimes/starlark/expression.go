package starlark

import (
	"math/big"

	"go.starlark.net/syntax"
)

// What values of the language take, in bytes.
const (
	functionBytes = 160
	dictBytes     = 544 // with room for eight entries
	entryBytes    = 160 // of a dict or a set, with what it grew through
	listBytes     = 48
	slotBytes     = 16
	growBytes     = 48 // of an element of a list that grows one by one
	longBytes     = 96 // of an element of a list that one step makes grow one by one, to thousands
)

// maxWritten bounds integers that are written out, in bits: one is not known to those steps that are not guarded.
const maxWritten = 1 << 9

// expr rewrites an expression.
func (g *guarding) expr(p *syntax.Expr) {
	defer func() { g.depth-- }()
	if !g.deeper(*p) {
		return
	}
	switch e := (*p).(type) {
	case *syntax.Literal:
		if n, ok := e.Value.(*big.Int); ok && n.BitLen() > maxWritten {
			g.refuse(e.TokenPos, "an integer of %d bits is written out, want at most %d", n.BitLen(), maxWritten)
		}
	case *syntax.ParenExpr:
		g.expr(&e.X)
	case *syntax.UnaryExpr:
		if e.X != nil {
			g.expr(&e.X)
		}
	case *syntax.CondExpr:
		g.expr(&e.Cond)
		g.expr(&e.True)
		g.expr(&e.False)
	case *syntax.BinaryExpr:
		g.expr(&e.X)
		if g.expr(&e.Y); g.refused == nil {
			*p = binary(e)
		}
	case *syntax.IndexExpr:
		g.expr(&e.X)
		if g.expr(&e.Y); !simple(e.Y) {
			e.Y = look(e.Lbrack, keyCheck, e.Y)
		}
	case *syntax.SliceExpr:
		*p = g.slice(e)
	case *syntax.DotExpr:
		g.expr(&e.X)
		*p = dotted(e)
	case *syntax.CallExpr:
		*p = g.call(e)
	case *syntax.LambdaExpr:
		g.params(e.Params)
		g.expr(&e.Body)
		if n := stack(e.Body); n > smallStack {
			e.Body = charge(e.Lambda, n*slotBytes, e.Body)
		}
		*p = charge(e.Lambda, functionBytes+slotBytes*len(e.Params), e)
	case *syntax.ListExpr, *syntax.TupleExpr, *syntax.DictExpr:
		*p = g.literal(e)
	case *syntax.Comprehension:
		*p = g.comprehension(e)
	}
}

// binary guards an operator. Its operands are rewritten.
func binary(e *syntax.BinaryExpr) syntax.Expr {
	switch e.Op {
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.LE, syntax.GT, syntax.GE:
		if !simple(e.X) && !simple(e.Y) {
			e.X = look(e.OpPos, compareCheck, e.X)
		}
	case syntax.IN:
		if !simple(e.X) {
			return callOf(e.OpPos, "$in", e.X, e.Y)
		}
	case syntax.NOT_IN:
		if !simple(e.X) {
			return &syntax.UnaryExpr{OpPos: e.OpPos, Op: syntax.NOT, X: callOf(e.OpPos, "$in", e.X, e.Y)}
		}
	default:
		if grows(e.Op, e.X, e.Y) {
			return callOf(e.OpPos, "$"+e.Op.String(), e.X, e.Y)
		}
	}
	return e
}

// grows reports whether the result of x op y may be larger than an integer that is a little wider than one of them.
func grows(op syntax.Token, x, y syntax.Expr) bool {
	switch op {
	case syntax.PLUS, syntax.MINUS:
		return !numeric(x) && !numeric(y) && !(written(x) && written(y))
	case syntax.STAR:
		return !(numeric(x) && numeric(y)) && !float(x) && !float(y)
	case syntax.PERCENT:
		return !numeric(x) && !(numeric(y) && short(x))
	case syntax.LTLT, syntax.PIPE, syntax.AMP, syntax.CIRCUMFLEX:
		return true
	}
	return false
}

// simple reports whether an expression is a number, a text or another value that takes no time to compare and to hash.
func simple(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Literal:
		return true
	case *syntax.Ident:
		return e.Name == "None" || e.Name == "True" || e.Name == "False"
	case *syntax.ParenExpr:
		return simple(e.X)
	case *syntax.UnaryExpr:
		return e.Op == syntax.MINUS && numeric(e.X)
	}
	return false
}

// numeric reports whether an expression is a number that no more than 64 bits hold.
func numeric(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Literal:
		_, ok := e.Value.(int64)
		return ok || float(e)
	case *syntax.ParenExpr:
		return numeric(e.X)
	case *syntax.UnaryExpr:
		return e.Op == syntax.MINUS && numeric(e.X)
	}
	return false
}

func float(e syntax.Expr) bool {
	l, ok := e.(*syntax.Literal)
	return ok && l.Token == syntax.FLOAT
}

// written reports whether an expression is a text that the compiler joins of what stands in the source.
func written(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Literal:
		return e.Token == syntax.STRING
	case *syntax.ParenExpr:
		return written(e.X)
	case *syntax.BinaryExpr:
		return e.Op == syntax.PLUS && written(e.X) && written(e.Y)
	}
	return false
}

// short reports whether an expression is a text of a few bytes.
func short(e syntax.Expr) bool {
	l, ok := e.(*syntax.Literal)
	return ok && l.Token == syntax.STRING && len(l.Raw) <= 128
}

// slice guards x[lo:hi:step], which copies.
func (g *guarding) slice(e *syntax.SliceExpr) syntax.Expr {
	g.expr(&e.X)
	for _, part := range []*syntax.Expr{&e.Lo, &e.Hi, &e.Step} {
		if *part != nil {
			g.expr(part)
		}
	}
	guard, pos := "$[:]", e.Lbrack
	if e.Step != nil {
		guard = "$[::]"
	}
	if x, ok := e.X.(*syntax.Ident); ok {
		pos = x.NamePos // where the interpreter says that a slice is wrong
	}
	e.X = callOf(pos, guard, e.X)
	return e
}

// dotted guards x.name where that may be a method that is not bounded by itself.
func dotted(e *syntax.DotExpr) syntax.Expr {
	if methods[e.Name.Name] == nil {
		return e
	}
	return look(e.Dot, "$."+e.Name.Name, e.X)
}

// call guards the function and the arguments of a call.
func (g *guarding) call(e *syntax.CallExpr) syntax.Expr {
	if dot, ok := e.Fn.(*syntax.DotExpr); ok && firstChecks[dot.Name.Name] != "" && g.checkFirst(e, dot) {
		return e
	}
	if fn, ok := e.Fn.(*syntax.Ident); ok && asOperators[fn.Name] != nil && !g.rebound[fn.Name] && len(e.Args) == 1 && positional(e.Args[0]) {
		g.expr(&e.Args[0])
		return look(e.Lparen, "$"+fn.Name, e.Args[0])
	}
	g.expr(&e.Fn)
	for i := range e.Args {
		g.argument(&e.Args[i])
	}
	return e
}

// positional reports whether an argument is one value without a name.
func positional(arg syntax.Expr) bool {
	switch e := arg.(type) {
	case *syntax.UnaryExpr:
		return e.Op != syntax.STAR && e.Op != syntax.STARSTAR
	case *syntax.BinaryExpr:
		return e.Op != syntax.EQ
	}
	return true
}

// firstChecks are methods that most scripts call most often: it is enough to look at their first argument, by this check.
var firstChecks = map[string]string{"get": keyCheck, "startswith": affixCheck, "endswith": affixCheck}

// checkFirst guards a call of one of firstChecks.
func (g *guarding) checkFirst(e *syntax.CallExpr, dot *syntax.DotExpr) bool {
	if len(e.Args) == 0 {
		return false
	}
	if !positional(e.Args[0]) {
		return false
	}
	g.expr(&dot.X)
	for i := range e.Args {
		g.argument(&e.Args[i])
	}
	if !simple(e.Args[0]) {
		e.Args[0] = look(e.Lparen, firstChecks[dot.Name.Name], e.Args[0])
	}
	return true
}

func (g *guarding) argument(p *syntax.Expr) {
	switch e := (*p).(type) {
	case *syntax.BinaryExpr:
		if e.Op == syntax.EQ { // name = value
			g.expr(&e.Y)
			return
		}
	case *syntax.UnaryExpr:
		if e.Op == syntax.STAR || e.Op == syntax.STARSTAR {
			g.expr(&e.X)
			e.X = callOf(e.OpPos, "$"+e.Op.String()+"args", e.X)
			return
		}
	}
	g.expr(p)
}

// literal guards a list, a tuple or a dict that is written out. One that the price of its steps does not cover pays for itself.
func (g *guarding) literal(e syntax.Expr) syntax.Expr {
	pos, _ := e.Span()
	switch e := e.(type) {
	case *syntax.ListExpr:
		g.elements(e.List)
	case *syntax.TupleExpr:
		g.elements(e.List)
	case *syntax.DictExpr:
		for _, entry := range e.List {
			g.entry(entry.(*syntax.DictEntry))
		}
		return charge(pos, dictBytes+max(0, len(e.List)-8)*entryBytes, e)
	}
	return e
}

// elements rewrites the elements of a list or tuple. An empty list takes much for one step.
func (g *guarding) elements(list []syntax.Expr) {
	for i := range list {
		empty, ok := list[i].(*syntax.ListExpr)
		if ok && len(empty.List) == 0 {
			list[i] = charge(empty.Lbrack, listBytes, empty)
			continue
		}
		g.expr(&list[i])
	}
}

func (g *guarding) entry(e *syntax.DictEntry) {
	g.expr(&e.Key)
	g.expr(&e.Value)
	if !simple(e.Key) {
		e.Key = look(e.Colon, keyCheck, e.Key)
	}
}

func (g *guarding) comprehension(e *syntax.Comprehension) syntax.Expr {
	if len(e.Clauses) > maxClauses {
		g.refuse(e.Lbrack, "a comprehension of %d clauses, want at most %d", len(e.Clauses), maxClauses)
	}
	for _, clause := range e.Clauses {
		switch c := clause.(type) {
		case *syntax.ForClause:
			g.target(c.Vars, true)
			g.expr(&c.X)
		case *syntax.IfClause:
			g.expr(&c.Cond)
		}
	}
	if entry, ok := e.Body.(*syntax.DictEntry); ok {
		g.entry(entry)
		return charge(e.Lbrack, dictBytes, e)
	}
	g.expr(&e.Body)
	return e
}

// smallStack is how many values the frame of a function may have room for without paying for it.
const smallStack = 64

// stack is about how many values the frame of a function with such a body has room for: those of its longest literal or call, and its
// variables.
func stack(body ...syntax.Node) int {
	longest, variables := 0, 0
	for _, n := range body {
		syntax.Walk(n, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.ListExpr:
				longest = max(longest, len(n.List))
			case *syntax.TupleExpr:
				longest = max(longest, len(n.List))
			case *syntax.CallExpr:
				longest = max(longest, 2*len(n.Args))
			case *syntax.AssignStmt, *syntax.ForStmt, *syntax.ForClause:
				variables++
			case *syntax.LambdaExpr, *syntax.DefStmt:
				variables++
				return false
			}
			return true
		})
	}
	return longest + variables
}

// frame is a statement that pays for the frame of a function whose body needs much room; none where it does not.
func frame(pos syntax.Position, body []syntax.Stmt) []syntax.Stmt {
	nodes := make([]syntax.Node, len(body))
	for i, s := range body {
		nodes[i] = s
	}
	n := stack(nodes...)
	if n <= smallStack {
		return nil
	}
	return []syntax.Stmt{&syntax.ExprStmt{X: charge(pos, n*slotBytes, nil)}}
}
