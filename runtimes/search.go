package runtimes

import (
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// How a search makes room for others: each some 100 us.
const (
	searchedMost = 512 << 10 // bytes that searches may have gone through until the next look at the clock
	longSearch   = 64 << 10  // bytes of a text that is read rune by rune
	searchPiece  = 4 << 10   // bytes of that between two looks at the clock
	manyBytes    = 16        // from one place to the next where a match may begin, at most, where they stand everywhere
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

// matchesOf finds one match after the other, as the library does: an empty one right behind the one before it is none. Each search may go
// through all that is left of the text.
func (c *Call) matchesOf(re *compiled, s string) (all [][]int, err error) {
	r, read := c.slowly(re, s), 0
	for from, end := 0, -1; from <= len(s) && len(all) <= maxMatches; {
		if read += len(s) - from; read > searchedMost {
			if err := c.look(); err != nil {
				return nil, err
			}
			read = 0
		}
		at, err := re.searchFrom(s, from, r)
		if err != nil || at == nil {
			return all, err
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
		all = append(all, at)
	}
	return all, nil
}

// searchFrom is where the first match in s is that begins at from or later. What looks back is searched with the rune before from. A match
// that begins with that rune is none; only then it is searched by the expression that passes over it, which is slow.
func (re *compiled) searchFrom(s string, from int, r *runes) ([]int, error) {
	size := 0
	if re.behind != nil {
		_, size = utf8.DecodeLastRuneInString(s[:from])
	}
	from -= size
	at, err := firstIn(re.Regexp, s[from:], r)
	if err == nil && at != nil && at[0] < size {
		behind, err := re.behind()
		if err != nil {
			return nil, fmt.Errorf("what looks at what stands before a match: %w", err)
		}
		if at, err = firstIn(behind, s[from:], r); err != nil || at == nil {
			return nil, err
		}
		at = at[2:]
	}
	for i := range at {
		if at[i] >= 0 {
			at[i] += from
		}
	}
	return at, err
}

// firstMatch is where the first match is, nil = there is none.
func (c *Call) firstMatch(re *compiled, s string) ([]int, error) {
	return firstIn(re.Regexp, s, c.slowly(re, s))
}

// firstIn is firstMatch, by r where that is not nil.
func firstIn(re *regexp.Regexp, s string, r *runes) ([]int, error) {
	if r == nil {
		return re.FindStringSubmatchIndex(s), nil
	}
	r.text, r.at, r.turn = s, 0, 0
	at := re.FindReaderSubmatchIndex(r)
	return at, r.err
}

// hasMatch reports whether there is a match.
func (c *Call) hasMatch(re *compiled, s string) (bool, error) {
	r := c.slowly(re, s)
	if r == nil {
		return re.MatchString(s), nil
	}
	r.text = s
	ok := re.MatchReader(r)
	return ok, r.err
}

// slowly is for a long text, which is read rune by rune; nil = the library reads it by itself. It is faster where each match begins with the
// same text and that does not stand everywhere: it looks for that first.
func (c *Call) slowly(re *compiled, s string) *runes {
	if len(s) <= longSearch {
		return nil
	}
	if prefix, _ := re.LiteralPrefix(); prefix != "" && strings.Count(s, prefix) <= len(s)/manyBytes {
		return nil
	}
	return &runes{call: c}
}

// runes reads a text with looks at the clock. It ends where the call does.
type runes struct {
	call *Call
	text string
	at   int
	turn int // where to look at the clock
	err  error
}

var _ io.RuneReader = (*runes)(nil)

func (r *runes) ReadRune() (rune, int, error) {
	if r.at >= r.turn && !r.more() {
		return 0, 0, io.EOF
	}
	if c := r.text[r.at]; c < utf8.RuneSelf {
		r.at++
		return rune(c), 1, nil
	}
	c, size := utf8.DecodeRuneInString(r.text[r.at:])
	r.at += size
	return c, size, nil
}

// more reports whether there is more to read.
func (r *runes) more() bool {
	if r.at > 0 && r.err == nil {
		r.err = r.call.look()
	}
	r.turn = min(len(r.text), r.at+searchPiece)
	return r.err == nil && r.at < len(r.text)
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
	call *Call
	s    string
	at   []int
}

func (m match) Len() int { return len(m.at) / 2 }

func (m match) At(i int) Value {
	if m.at[2*i] < 0 {
		return Value{}
	}
	piece, copied := Piece(m.s, m.at[2*i], m.at[2*i+1])
	if m.call.payText(copied) != nil {
		return Value{} // the call is over, whatever it is told
	}
	return OfString(piece)
}

type matches struct {
	call *Call
	s    string
	all  [][]int
}

func (m matches) Len() int       { return len(m.all) }
func (m matches) At(i int) Value { return OfList(match{m.call, m.s, m.all[i]}) }
