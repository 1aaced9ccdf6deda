package runtimes

import (
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"sluice/engine"
	"sluice/engine/body"
)

// Bounds of what re does.
const (
	maxPatterns = 256     // kept compiled
	maxKept     = 1 << 16 // instructions of those, all in all
	maxPattern  = 4 << 10 // bytes of an expression
	maxMatches  = 1 << 16 // of find_all and replace
	maxGroups   = 64      // of an expression
	maxInsts    = 1 << 13 // instructions of an expression, about
	maxTemplate = 1 << 16 // bytes of what replaces a match and names groups
	maxTables   = 64      // classes of Unicode in an expression, each a table of some hundred ranges
	maxWide     = 16      // ranges beyond ASCII in an expression that folds case: each takes up to 3 ms
)

// Patterns keeps regular expressions compiled. It may be shared by any number of goroutines; the zero value is ready. When it is full it
// begins anew: a script that makes up expressions costs itself the compiling, and nobody memory.
type Patterns struct {
	compiled atomic.Pointer[map[string]*compiled] // replaced, never written to: what is found is found without a lock

	mu    sync.Mutex // of those who replace it
	insts int        // of compiled; guarded by mu
}

// compiled is an expression ready for use.
type compiled struct {
	*regexp.Regexp
	insts int    // instructions, about: a search may go through all of them for each byte
	part  string // stands in every match; "" = nothing does that is known
	hides string // stands in every JSON that holds part otherwise than as it is

	backslash bool                         // is named: a text is read with those that it has
	looksBack bool                         // at what stands before a match
	prog      func() (*syntax.Prog, error) // instructions for a machine, made when they are first asked for
}

// misses reports whether s has no match, where that is seen at a glance.
func (re *compiled) misses(s string) bool { return !strings.Contains(s, re.part) }

// missesJSON is misses for a text that may be JSON: part may stand there as escapes.
func (re *compiled) missesJSON(s string) bool {
	return re.misses(s) && (strings.IndexByte(s, '\\') < 0 || !strings.Contains(s, re.hides))
}

// searchSteps is what a search through n bytes costs.
func (re *compiled) searchSteps(n int) int { return n * (1 + re.insts/16) * (1 + re.NumSubexp()/8) }

// find returns an expression that was compiled before, or nil.
func (p *Patterns) find(expr string) *compiled {
	if p == nil {
		return nil
	}
	if known := p.compiled.Load(); known != nil {
		return (*known)[expr]
	}
	return nil
}

// keep keeps a compiled expression.
func (p *Patterns) keep(expr string, re *compiled) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	more := make(map[string]*compiled)
	if known := p.compiled.Load(); known == nil || len(*known) >= maxPatterns || p.insts+re.insts > maxKept {
		p.insts = 0
	} else {
		maps.Copy(more, *known)
	}
	more[expr] = re
	p.insts += re.insts
	p.compiled.Store(&more)
}

// compile returns an expression, compiled, and pays for that where it was not before.
func (c *Call) compile(expr string) (*compiled, error) {
	if re := c.Patterns.find(expr); re != nil {
		return re, nil
	}
	re, err := compilePattern(expr)
	if err != nil {
		return nil, err
	}
	c.Patterns.keep(re.String(), re)
	if err := c.spend(len(expr) + 16*re.insts); err != nil {
		return nil, err
	}
	return re, c.allocate(256 * re.insts)
}

func compilePattern(expr string) (*compiled, error) {
	if len(expr) > maxPattern {
		return nil, fmt.Errorf("an expression of %d bytes, want at most %d", len(expr), maxPattern)
	}
	if err := checkClasses(expr); err != nil {
		return nil, err
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("%q is no regular expression: %w", expr, err)
	}
	insts := instructions(tree)
	if insts > maxInsts {
		return nil, fmt.Errorf("an expression with too many repetitions: about %d instructions, want at most %d", insts, maxInsts)
	}
	re, err := regexp.Compile(strings.Clone(expr)) // which keeps it: expr may be a part of a long text
	if err != nil {
		return nil, fmt.Errorf("%q is no regular expression: %w", engine.Cut(expr, maxQuoted), err)
	}
	if groups := re.NumSubexp(); groups > maxGroups {
		return nil, fmt.Errorf("an expression with %d groups, want at most %d", groups, maxGroups)
	}
	part := partOf(tree)
	prog := sync.OnceValues(func() (*syntax.Prog, error) { return syntax.Compile(tree.Simplify()) })
	return &compiled{re, insts, part, hidesOf(part), namesBackslash(tree), looksBack(tree), prog}, nil
}

// foldsCase is where an expression begins to mean letters in either case.
var foldsCase = regexp.MustCompile(`\(\?[A-Za-z]*i`)

// checkClasses bounds what the library works out before anything else is known of an expression: it looks at each letter of a range for
// others that mean the same, and copies the tables of a language's letters.
func checkClasses(expr string) error {
	if n := strings.Count(expr, `\p`) + strings.Count(expr, `\P`); n > maxTables {
		return fmt.Errorf("an expression with %d classes \\p, want at most %d", n, maxTables)
	}
	if !foldsCase.MatchString(expr) {
		return nil
	}
	n := strings.Count(expr, `-\x{`)
	for _, end := range strings.Split(expr, "-")[1:] {
		if end != "" && end[0] >= utf8.RuneSelf {
			n++
		}
	}
	if n > maxWide {
		return fmt.Errorf("an expression in either case with %d ranges beyond ASCII, want at most %d", n, maxWide)
	}
	return nil
}

// hidesOf is how every escape begins that part may hide behind. A quote, a backslash, a solidus and a control character have short ones.
func hidesOf(part string) string {
	if strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r > 0xff || strings.ContainsRune(`"/\`, r) }) {
		return `\`
	}
	return `\u00`
}

// namesBackslash reports whether tree has a backslash, alone or in a list of characters. A range that goes over it names none, nor does
// a list of what is left out.
func namesBackslash(tree *syntax.Regexp) bool {
	switch tree.Op {
	case syntax.OpLiteral:
		return slices.Contains(tree.Rune, '\\')
	case syntax.OpCharClass:
		for i := 0; i < len(tree.Rune) && tree.Rune[len(tree.Rune)-1] != unicode.MaxRune; i += 2 {
			if tree.Rune[i] == '\\' && tree.Rune[i+1] == '\\' {
				return true
			}
		}
	}
	return slices.ContainsFunc(tree.Sub, namesBackslash)
}

// partOf is a text that is a part of every match of tree, "" = none is known.
func partOf(tree *syntax.Regexp) (part string) {
	switch tree.Op {
	case syntax.OpLiteral:
		return literalOf(tree)
	case syntax.OpCapture, syntax.OpPlus:
		return partOf(tree.Sub[0])
	case syntax.OpConcat:
		for _, sub := range tree.Sub {
			if p := partOf(sub); len(p) > len(part) {
				part = p
			}
		}
	}
	return part
}

// literalOf is the text of a literal, "" where it is not the only one that matches: a letter in either case, or U+FFFD, which every byte
// that is no UTF-8 reads as.
func literalOf(tree *syntax.Regexp) string {
	for _, r := range tree.Rune {
		if r == utf8.RuneError || tree.Flags&syntax.FoldCase != 0 && unicode.SimpleFold(r) != r {
			return ""
		}
	}
	return string(tree.Rune)
}

// instructions is about how many instructions an expression takes once its repetitions are written out.
func instructions(tree *syntax.Regexp) int {
	n := 1 + len(tree.Rune)/2
	for _, sub := range tree.Sub {
		n = min(n+instructions(sub), 1<<30)
	}
	if tree.Op == syntax.OpRepeat {
		n = min(n*max(1, tree.Min, tree.Max), 1<<30)
	}
	return n
}

// pattern compiles the first argument and pays for a search through the second.
func (c *Call) pattern(name string, args []Value) (*compiled, string, error) {
	expr, s := args[0].Str, args[1].Str
	if len(s) > MaxText {
		return nil, "", fmt.Errorf("%s: %w", name, errLongText)
	}
	re, err := c.compile(expr)
	if err == nil {
		err = c.spend(re.searchSteps(len(s)))
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	return re, s, nil
}

func libTest(c *Call, _ any, args []Value) (Value, error) {
	re, s, err := c.pattern("re.test", args)
	if err != nil {
		return Value{}, err
	}
	if re.misses(s) {
		return OfBool(false), nil
	}
	ok, err := c.hasMatch(re, s)
	return OfBool(ok), err
}

func libFind(c *Call, _ any, args []Value) (Value, error) {
	re, s, err := c.pattern("re.find", args)
	if err != nil {
		return Value{}, err
	}
	if re.misses(s) {
		return Value{}, nil
	}
	at, err := c.firstMatch(re, s)
	if err != nil || at == nil {
		return Value{}, err
	}
	return OfList(match{c, s, at}), nil
}

func libFindAll(c *Call, _ any, args []Value) (Value, error) {
	re, s, err := c.pattern("re.find_all", args)
	if err != nil {
		return Value{}, err
	}
	all, err := c.everyMatch("re.find_all", re, s)
	if err != nil {
		return Value{}, err
	}
	return OfList(matches{c, s, all}), nil
}

func libReplace(c *Call, _ any, args []Value) (Value, error) {
	re, s, err := c.pattern("re.replace", args)
	if err != nil {
		return Value{}, err
	}
	out, err := c.replaced("re.replace", re, source{text: s, read: body.Reading{Text: s}}, args[2].Str)
	return OfString(out), err
}

// source is a text that is searched by how it reads.
type source struct {
	text   string
	read   body.Reading
	inside bool // of a string of JSON: what is put there is escaped
}

// replaced is a text with every match of re replaced, and paid for. The search is paid for already.
func (c *Call) replaced(name string, re *compiled, s source, with string) (string, error) {
	all, err := c.everyMatch(name, re, s.read.Text)
	if err != nil || len(all) == 0 {
		return s.text, err
	}
	var out []byte
	end, groups := 0, strings.Count(with, "$")
	if groups > 0 && len(with) > maxTemplate {
		return "", fmt.Errorf("%s: a replacement with $ of %d bytes, want at most %d", name, len(with), maxTemplate)
	}
	if s.inside {
		if err := c.payText(6 * len(with)); err != nil {
			return "", err
		}
		quoted := c.pieces().AppendString(nil, with)
		with = body.TextOf(quoted[1 : len(quoted)-1])
	}
	for _, at := range all {
		for i := range at {
			if at[i] >= 0 { // a group that is in the match
				at[i] = s.read.From(at[i])
			}
		}
		// The template may name a group many times: what is about to grow is paid for before it does.
		start := at[0]
		grows := start - end + len(with) + groups*(at[1]-start)
		if len(out)+grows > MaxText {
			return "", fmt.Errorf("%s: %w", name, errLongText)
		}
		if err := c.payText(2 * grows); err != nil {
			return "", err
		}
		out = c.pieces().AppendText(c.pieces().Grow(out, grows), s.text[end:start])
		if groups == 0 {
			out = append(out, with...)
		} else {
			out = re.ExpandString(out, with, s.text, at) // a group is what was read there, with its escapes
		}
		end = at[1]
	}
	if err := c.payText(2*(len(s.text)-end) + len(out)); err != nil {
		return "", err
	}
	return body.TextOf(c.pieces().AppendText(out, s.text[end:])), nil
}
