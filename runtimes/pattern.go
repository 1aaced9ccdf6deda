package runtimes

import (
	"fmt"
	"regexp"
	"sync"

	"sluice/engine"
)

// Bounds of what re does.
const (
	maxPatterns = 256     // kept compiled
	maxPattern  = 4 << 10 // bytes of an expression
	maxMatches  = 1 << 16 // of find_all and replace
)

// Patterns keeps regular expressions compiled. It may be shared by any number of goroutines; the zero value is ready. When it is full it
// begins anew: a script that makes up expressions costs itself the compiling, and nobody memory.
type Patterns struct {
	mu       sync.RWMutex
	compiled map[string]*regexp.Regexp // guarded by mu
}

// compile returns the expression, compiled. A nil receiver compiles each time.
func (p *Patterns) compile(expr string) (*regexp.Regexp, error) {
	if p == nil {
		return compilePattern(expr)
	}
	p.mu.RLock()
	re := p.compiled[expr]
	p.mu.RUnlock()
	if re != nil {
		return re, nil
	}
	re, err := compilePattern(expr)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.compiled == nil || len(p.compiled) >= maxPatterns {
		p.compiled = make(map[string]*regexp.Regexp)
	}
	p.compiled[expr] = re
	return re, nil
}

func compilePattern(expr string) (*regexp.Regexp, error) {
	if len(expr) > maxPattern {
		return nil, fmt.Errorf("an expression of %d bytes, want at most %d", len(expr), maxPattern)
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("%q is no regular expression: %w", engine.Cut(expr, maxQuoted), err)
	}
	return re, nil
}

// pattern compiles the first argument and pays for a search through the second.
func (c *Call) pattern(name string, args []Value) (*regexp.Regexp, string, error) {
	expr, s := args[0].Str, args[1].Str
	if len(s) > MaxText {
		return nil, "", fmt.Errorf("%s: %w", name, errLongText)
	}
	re, err := c.Patterns.compile(expr)
	if err == nil {
		err = c.spend(len(s) * (1 + len(expr)/32))
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
	return OfBool(re.MatchString(s)), nil
}

func libFind(c *Call, _ any, args []Value) (Value, error) {
	re, s, err := c.pattern("re.find", args)
	if err != nil {
		return Value{}, err
	}
	if at := re.FindStringSubmatchIndex(s); at != nil {
		return OfList(match{s, at}), nil
	}
	return Value{}, nil
}

func libFindAll(c *Call, _ any, args []Value) (Value, error) {
	re, s, err := c.pattern("re.find_all", args)
	if err != nil {
		return Value{}, err
	}
	all, err := everyMatch("re.find_all", re, s)
	if err != nil {
		return Value{}, err
	}
	return OfList(matches{s, all}), nil
}

func libReplace(c *Call, _ any, args []Value) (Value, error) {
	re, s, err := c.pattern("re.replace", args)
	if err != nil {
		return Value{}, err
	}
	all, err := everyMatch("re.replace", re, s)
	if err != nil {
		return Value{}, err
	}
	var out []byte
	end := 0
	for _, at := range all {
		out = append(out, s[end:at[0]]...)
		out = re.ExpandString(out, args[2].Str, s, at)
		if end = at[1]; len(out) > MaxText {
			return Value{}, fmt.Errorf("re.replace: %w", errLongText)
		}
	}
	return OfString(string(append(out, s[end:]...))), c.spend(len(out) / 16)
}

func everyMatch(name string, re *regexp.Regexp, s string) ([][]int, error) {
	all := re.FindAllStringSubmatchIndex(s, maxMatches+1)
	if len(all) > maxMatches {
		return nil, fmt.Errorf("%s: more than %d matches", name, maxMatches)
	}
	return all, nil
}

// match is one match: the whole, then its groups. A group that took no part is nothing.
type match struct {
	s  string
	at []int
}

func (m match) Len() int { return len(m.at) / 2 }

func (m match) At(i int) Value {
	if m.at[2*i] < 0 {
		return Value{}
	}
	return OfString(m.s[m.at[2*i]:m.at[2*i+1]])
}

type matches struct {
	s   string
	all [][]int
}

func (m matches) Len() int       { return len(m.all) }
func (m matches) At(i int) Value { return OfList(match{m.s, m.all[i]}) }
