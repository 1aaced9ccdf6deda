package runtimes

import (
	"fmt"
	"regexp/syntax"
	"unicode/utf8"
)

// easyWork is how much the library may do between two looks at the clock, in bytes by instructions: some milliseconds at the worst, and a
// tenth of that by most expressions.
const easyWork = 256 << 10

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
	r := searcher{call: c, re: re, text: s}
	for from, end := 0, -1; from <= len(s) && len(all) <= maxMatches; {
		at, err := r.next(from)
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

// searcher finds matches of an expression in a text.
type searcher struct {
	call    *Call
	re      *compiled
	text    string
	machine *machine // nil = none was needed yet
	work    int      // of the library since the last look at the clock, at most
}

// next is where the first match is that begins at from or later, nil = there is none.
func (r *searcher) next(from int) ([]int, error) {
	if !r.re.easy(r.text[from:]) || from > 0 && r.re.looksBack {
		return r.byMachine(from)
	}
	if r.work += r.re.work(r.text[from:]); r.work > easyWork {
		if err := r.call.look(); err != nil {
			return nil, err
		}
		r.work = 0
	}
	at := r.re.FindStringSubmatchIndex(r.text[from:])
	for i := range at {
		if at[i] >= 0 {
			at[i] += from
		}
	}
	return at, nil
}

func (r *searcher) byMachine(from int) (at []int, err error) {
	if r.machine == nil {
		r.machine, err = r.call.machine(r.re, r.text, false)
	}
	if err != nil {
		return nil, err
	}
	return r.machine.find(from)
}

// work is what the library may do to find the first match, in bytes by instructions.
func (re *compiled) work(s string) int { return len(s) * re.insts }

// easy reports whether the library finds the first match within easyWork.
func (re *compiled) easy(s string) bool { return re.work(s) <= easyWork }

// firstMatch is where the first match is, nil = there is none.
func (c *Call) firstMatch(re *compiled, s string) ([]int, error) {
	r := searcher{call: c, re: re, text: s}
	return r.next(0)
}

// hasMatch reports whether there is a match.
func (c *Call) hasMatch(re *compiled, s string) (bool, error) {
	if re.easy(s) {
		return re.MatchString(s), nil
	}
	m, err := c.machine(re, s, true)
	if err != nil {
		return false, err
	}
	at, err := m.find(0)
	return at != nil, err
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
