package lua

import (
	"fmt"
	"reflect"
	"strconv"

	"sluice/engine/turn"

	"github.com/yuin/gopher-lua/ast"
)

// Bounds of a file beyond its size and maxLookups. The compiler recurses.
const (
	maxNesting = 500 // how deep expressions and statements stand in each other
	// maxFunctions bounds what a file's functions take while they are compiled, 20 KB each.
	maxFunctions = 2000
	// maxListed is how many positions a table constructor has: the compiler loses the number of the batch that comes after them, and the
	// interpreter would fill up billions of places.
	maxListed = 511 * batch
)

// batch is how many elements of a table are set at once: lua.FieldsPerFlush, which nobody changes.
const batch = 50

// concatFunction is the global that stands for the operator "..". No script can write its name.
const concatFunction = "$concat"

// tooComplex is a file that the compiler must not get.
type tooComplex struct {
	line   int
	reason string
}

func (e *tooComplex) Error() string { return "the source " + e.reason }

// guard prepares a parsed file for the compiler. It refuses what would take long. It makes each chain of ".." one call of concatFunction:
// the interpreter's own instruction has no bound, and a handful of them would take all memory. And it writes out the nil that "for k, v
// in next, t" leaves out, since the compiler puts nothing in its place. And it gives what "x, y = y, x" and "x = a and b" assign names of
// their own: the compiler gives x its value before it reads the second x, and leaves a local x as it was where a is an expression that
// turns out false. And nothing that a loop may begin with is only a jump: see lead. And numbers are in base 10: see number. It returns what
// the file requires. An error is a *tooComplex.
func guard(chunk []ast.Stmt, turns *turn.Shift) ([]need, error) {
	g := guarding{turns: turns, led: make(map[ast.Stmt]bool), folds: make(map[*ast.LogicalOpExpr]bool)}
	g.in.enter(&ast.FunctionExpr{ParList: &ast.ParList{}})
	g.walk(reflect.ValueOf(chunk), 0)
	if g.refused != nil {
		return nil, g.refused
	}
	return g.needs, nil
}

type guarding struct {
	turns     *turn.Shift
	visited   int
	line      int // of the last node seen
	in        scope
	lookups   int
	functions int
	labels    int
	needs     []need
	led       map[ast.Stmt]bool           // see lead
	folds     map[*ast.LogicalOpExpr]bool // those that folded leaves as they are
	refused   *tooComplex
}

func (g *guarding) refuse(format string, args ...any) {
	g.refused = &tooComplex{g.line, fmt.Sprintf(format, args...)}
}

// walk visits every node below v. It knows the shape of the tree by reflection, so that it misses no kind of node.
func (g *guarding) walk(v reflect.Value, depth int) {
	if depth > maxNesting && g.refused == nil {
		g.refuse("is nested deeper than %d", maxNesting)
	}
	if g.refused != nil {
		return
	}
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			g.walk(v.Index(i), depth)
		}
	case reflect.Interface:
		if g.visited++; g.visited%visits == 0 {
			g.turns.Part()
		}
		g.visit(v, depth)
		g.walk(v.Elem(), depth+1)
	case reflect.Pointer:
		around := g.in
		g.in.enter(v.Interface())
		g.walk(v.Elem(), depth)
		g.in = around
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				g.walk(f, depth)
			}
		}
	}
}

// visits are how many nodes are a part of the work.
const visits = 64

// visit counts or replaces one expression or statement.
func (g *guarding) visit(v reflect.Value, depth int) {
	if node, ok := v.Interface().(ast.PositionHolder); ok {
		g.line = node.Line()
	}
	switch node := v.Interface().(type) {
	case *ast.StringConcatOpExpr:
		v.Set(reflect.ValueOf(g.join(node)))
	case *ast.AssignStmt:
		if byLocals(node) {
			v.Set(reflect.ValueOf(named(node)))
		} else {
			g.assign(node)
		}
	case *ast.BreakStmt, *ast.GotoStmt:
		g.lead(v)
	case *ast.IfStmt:
		g.leadLiteral(v, node.Condition)
	case *ast.WhileStmt:
		g.leadLiteral(v, node.Condition)
	case *ast.LogicalOpExpr:
		if e := g.folded(node); e != node {
			v.Set(reflect.ValueOf(e))
			g.visit(v, depth)
		}
	case *ast.FunctionExpr, *ast.FuncDefStmt:
		if g.functions++; g.functions > maxFunctions {
			g.refuse("defines more than %d functions", maxFunctions)
		}
		if def, ok := node.(*ast.FuncDefStmt); ok {
			g.constant(def.Name.Method)
		}
	case *ast.FuncCallExpr:
		g.constant(node.Method)
		g.require(node)
	case *ast.TableExpr:
		g.table(node)
	case *ast.GenericForStmt:
		node.Exprs = padded(node.Exprs)
	case *ast.LocalAssignStmt:
		g.in.locals += len(node.Names)
	case *ast.LabelStmt:
		g.label()
	case *ast.ArithmeticOpExpr:
		g.arithmetic(node, depth)
	case *ast.UnaryMinusOpExpr:
		g.arithmetic(node, depth)
	case *ast.IdentExpr:
		g.name(node.Value, depth)
	case *ast.StringExpr:
		g.constant(node.Value)
	case *ast.NumberExpr:
		g.number(node)
		g.constant(node.Value)
	}
}

// number writes a number out so that the compiler reads it as it is meant: it would take 0012 for 10, and what it cannot read for no number.
func (g *guarding) number(node *ast.NumberExpr) {
	n, ok := numeral(node.Value)
	if !ok {
		g.refuse("has the malformed number %q", node.Value)
	}
	node.Value = strconv.FormatFloat(float64(n), 'g', -1, 64)
}

// join makes a call of a chain of "..".
func (g *guarding) join(chain *ast.StringConcatOpExpr) *ast.FuncCallExpr {
	call := callOf(chain)
	if len(call.Args) > maxNesting {
		g.refuse("joins more than %d texts at once", maxNesting)
	}
	return call
}

// require notes a call of require with a name that is written out.
func (g *guarding) require(call *ast.FuncCallExpr) {
	f, _ := call.Func.(*ast.IdentExpr)
	if f == nil || f.Value != "require" || len(call.Args) != 1 {
		return
	}
	if name, ok := call.Args[0].(*ast.StringExpr); ok {
		g.needs = append(g.needs, need{line: call.Line(), name: name.Value})
	}
}

func (g *guarding) table(node *ast.TableExpr) {
	listed := 0
	for _, f := range node.Fields {
		if f.Key == nil {
			listed++
		}
	}
	if len(node.Fields) > 0 {
		if last := node.Fields[len(node.Fields)-1]; last.Key != nil {
			single(last.Value) // the compiler would put what it gives into the list as well
		}
	}
	switch {
	case listed > maxListed:
		g.refuse("has a table of %d elements, want at most %d", listed, maxListed)
	case listed > 1 && (listed-1)%batch == 0 && manyValues(node.Fields[len(node.Fields)-1]):
		g.refuse("has a table of %d elements and one that gives several, want parentheses round that", listed-1)
	}
}

// manyValues reports whether a field stands for as many elements as its value gives. After a full batch of others the compiler would put
// them in the places of that batch.
func manyValues(f *ast.Field) bool {
	if f.Key != nil {
		return false
	}
	switch v := f.Value.(type) {
	case *ast.FuncCallExpr:
		return !v.AdjustRet
	case *ast.Comma3Expr:
		return !v.AdjustRet
	}
	return false
}

// callOf is the call that stands for a chain of "..". The operator joins from the right, so the chain hangs on its right side.
func callOf(chain *ast.StringConcatOpExpr) *ast.FuncCallExpr {
	function := &ast.IdentExpr{Value: concatFunction}
	call := &ast.FuncCallExpr{Func: function, AdjustRet: true}
	for _, node := range []ast.PositionHolder{function, call} {
		node.SetLine(chain.Line())
		node.SetLastLine(chain.LastLine())
	}
	var rest ast.Expr = chain
	for next, ok := rest.(*ast.StringConcatOpExpr); ok; next, ok = rest.(*ast.StringConcatOpExpr) {
		call.Args = append(call.Args, single(next.Lhs))
		rest = next.Rhs
	}
	call.Args = append(call.Args, single(rest))
	return call
}

// padded are the three values of a generic for, unless the last expression gives those that are missing.
func padded(exprs []ast.Expr) []ast.Expr {
	last := exprs[len(exprs)-1]
	switch last.(type) {
	case *ast.FuncCallExpr, *ast.Comma3Expr:
		return exprs
	}
	for len(exprs) < 3 {
		missing := &ast.NilExpr{}
		missing.SetLine(last.Line())
		exprs = append(exprs, missing)
	}
	return exprs
}

// single makes an operand give one value, also in the last place of a call.
func single(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		e.AdjustRet = true
	case *ast.Comma3Expr:
		e.AdjustRet = true
	}
	return e
}
