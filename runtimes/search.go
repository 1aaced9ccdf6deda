package runtimes

import (
	"fmt"
	"io"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// How far a search goes until others run: some 100 us.
const (
	manyMatches = 64
	manyRunes   = 4 << 10
	longSearch  = 64 << 10 // bytes of a text that is searched rune by rune
	manyBytes   = 1 << 10  // between two places where a match may begin, where they are rare
)

// everyMatch is where each match of re is. The search is paid for already.
func (c *Call) everyMatch(name string, re *compiled, s string) ([][]int, error) {
	if re.misses(s) {
		return nil, nil
	}
	all, err := c.matchesOf(re, s)
	if err == nil && len(all) > maxMatches {
		err = fmt.Errorf("more than %d matches", maxMatches)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return all, c.allocate(len(all) * 16 * (re.NumSubexp() + 4))
}

// matchesOf finds one match after the other, as the library does: an empty one right behind the one before it is none. What looks at what
// stands before a match finds that only where the library goes on by itself.
func (c *Call) matchesOf(re *compiled, s string) (all [][]int, err error) {
	if re.looksBack {
		return re.FindAllStringSubmatchIndex(s, maxMatches+1), nil
	}
	slow := re.slow(s)
	for from, end := 0, -1; from <= len(s) && len(all) <= maxMatches; {
		at, err := c.search(re, s[from:], slow)
		if err != nil || at == nil {
			return all, err
		}
		for i := range at {
			if at[i] >= 0 {
				at[i] += from
			}
		}
		if at[1] > from {
			from = at[1]
		} else {
			_, size := utf8.DecodeRuneInString(s[from:])
			from += max(1, size)
		}
		if at[0] == at[1] && at[0] == end {
			continue
		}
		end = at[1]
		if all = append(all, at); len(all)%manyMatches == 0 {
			if err := c.look(); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// firstMatch is where the first match is, nil = there is none.
func (c *Call) firstMatch(re *compiled, s string) ([]int, error) { return c.search(re, s, re.slow(s)) }

// search is firstMatch. Slowly, it looks at the clock.
func (c *Call) search(re *compiled, s string, slowly bool) ([]int, error) {
	if !slowly {
		return re.FindStringSubmatchIndex(s), nil
	}
	r := runes{call: c, rest: s}
	at := re.FindReaderSubmatchIndex(&r)
	return at, r.err
}

// hasMatch reports whether there is a match.
func (c *Call) hasMatch(re *compiled, s string) (bool, error) {
	if !re.slow(s) {
		return re.MatchString(s), nil
	}
	r := runes{call: c, rest: s}
	ok := re.MatchReader(&r)
	return ok, r.err
}

// slow reports whether s is to be read rune by rune, with looks at the clock, because it is long. The library is faster where each match
// begins with the same text and that is rare: it looks for that first.
func (re *compiled) slow(s string) bool {
	if len(s) <= longSearch {
		return false
	}
	prefix, _ := re.LiteralPrefix()
	return prefix == "" || strings.Count(s, prefix) > len(s)/manyBytes
}

// runes reads a text. It ends where the call does.
type runes struct {
	call *Call
	rest string
	read int
	err  error
}

var _ io.RuneReader = (*runes)(nil)

func (r *runes) ReadRune() (rune, int, error) {
	if r.read++; r.read%manyRunes == 0 && r.err == nil {
		r.err = r.call.look()
	}
	if r.rest == "" || r.err != nil {
		return 0, 0, io.EOF
	}
	c, size := utf8.DecodeRuneInString(r.rest)
	r.rest = r.rest[size:]
	return c, size, nil
}

// looksBack reports whether tree has a part that looks at what stands before it.
func looksBack(tree *syntax.Regexp) bool {
	switch tree.Op {
	case syntax.OpBeginLine, syntax.OpBeginText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	for _, sub := range tree.Sub {
		if looksBack(sub) {
			return true
		}
	}
	return false
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
