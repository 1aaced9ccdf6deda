package lua

import (
	"fmt"
	"strings"

	glua "github.com/yuin/gopher-lua"
)

// Limits of one pattern.
const (
	maxPattern  = 8 << 10 // bytes
	maxCaptures = 32
	maxMatching = 200 // how deep the parts of a pattern may try each other
)

// matcherBytes is what matching allocates before it makes texts.
const matcherBytes = 160

// Lengths of a capture that are no length.
const (
	captureOpen     = -1
	capturePosition = -2
)

// matcher matches Lua patterns as the reference implementation does, and charges what it tries to the call: a pattern that backtracks
// ends by the budget, where the interpreter's own matcher would go on for hours.
type matcher struct {
	s        *state
	L        *glua.LState
	src, pat string
	depth    int
	captures []capture
}

type capture struct{ start, length int }

func (s *state) newMatcher(L *glua.LState, src, pat string) *matcher {
	if len(pat) > maxPattern {
		L.RaiseError("the pattern has %d bytes, want at most %d", len(pat), maxPattern)
	}
	return &matcher{s: s, L: L, src: src, pat: pat}
}

// fail ends the script with an error.
func (m *matcher) fail(format string, args ...any) { m.s.raise(fmt.Errorf(format, args...)) }

// reset makes the matcher ready to start at another place.
func (m *matcher) reset() {
	m.s.spend(m.L, 1)
	m.depth, m.captures = 0, m.captures[:0]
}

// match returns where the match of the pattern from p on ends that starts at i, or -1.
func (m *matcher) match(i, p int) int {
	if m.depth++; m.depth > maxMatching {
		m.fail("the pattern is too complex")
	}
	defer func() { m.depth-- }()
	for p < len(m.pat) {
		m.s.spend(m.L, 1)
		switch c := m.pat[p]; {
		case c == '(' && p+1 < len(m.pat) && m.pat[p+1] == ')':
			return m.open(i, p+2, capturePosition)
		case c == '(':
			return m.open(i, p+1, captureOpen)
		case c == ')':
			return m.close(i, p+1)
		case c == '$' && p+1 == len(m.pat):
			if i == len(m.src) {
				return i
			}
			return -1
		case c == '%' && p+1 < len(m.pat) && strings.IndexByte("bf0123456789", m.pat[p+1]) >= 0:
			if i, p = m.special(i, p+1); i < 0 {
				return -1
			}
			continue
		}
		end := m.classEnd(p)
		m.s.spend(m.L, (end-p)/8)
		if end < len(m.pat) && strings.IndexByte("?*+-", m.pat[end]) >= 0 {
			return m.repeated(i, p, end)
		}
		if !m.matchesOne(i, p, end) {
			return -1
		}
		i, p = i+1, end
	}
	return i
}

// special matches %b, %f and %1 to %9. It returns where to go on in the text, -1 if it does not match, and in the pattern.
func (m *matcher) special(i, p int) (int, int) {
	switch c := m.pat[p]; c {
	case 'b':
		return m.balanced(i, p+1), p + 3
	case 'f':
		return m.frontier(i, p+1)
	default:
		return m.again(i, c), p + 1
	}
}

// repeated matches a class followed by ?, *, + or -.
func (m *matcher) repeated(i, p, end int) int {
	switch m.pat[end] {
	case '?':
		if m.matchesOne(i, p, end) {
			if to := m.match(i+1, end+1); to >= 0 {
				return to
			}
		}
		return m.match(i, end+1)
	case '-':
		for {
			if to := m.match(i, end+1); to >= 0 {
				return to
			}
			if !m.matchesOne(i, p, end) {
				return -1
			}
			m.s.spend(m.L, (end-p)/8)
			i++
		}
	}
	n := 0
	for m.matchesOne(i+n, p, end) {
		if n++; n%1024 == 0 {
			m.s.spend(m.L, 1024*(end-p+7)/8/4)
		}
	}
	m.s.spend(m.L, n%1024*(end-p+7)/8/4)
	least := 0
	if m.pat[end] == '+' {
		least = 1
	}
	for ; n >= least; n-- {
		if to := m.match(i+n, end+1); to >= 0 {
			return to
		}
	}
	return -1
}

func (m *matcher) open(i, p, length int) int {
	if len(m.captures) >= maxCaptures {
		m.fail("the pattern has more than %d captures", maxCaptures)
	}
	m.captures = append(m.captures, capture{i, length})
	to := m.match(i, p)
	if to < 0 {
		m.captures = m.captures[:len(m.captures)-1]
	}
	return to
}

func (m *matcher) close(i, p int) int {
	for n := len(m.captures) - 1; n >= 0; n-- {
		if m.captures[n].length != captureOpen {
			continue
		}
		m.captures[n].length = i - m.captures[n].start
		to := m.match(i, p)
		if to < 0 {
			m.captures[n].length = captureOpen
		}
		return to
	}
	m.fail("malformed pattern: \")\" closes nothing")
	return -1
}

// balanced matches %bxy.
func (m *matcher) balanced(i, p int) int {
	if p+1 >= len(m.pat) {
		m.fail("malformed pattern: %%b wants two characters")
	}
	if i >= len(m.src) || m.src[i] != m.pat[p] {
		return -1
	}
	open := 1
	for j := i + 1; j < len(m.src); j++ {
		if (j-i)%1024 == 0 {
			m.s.spend(m.L, 1024/16)
		}
		switch m.src[j] {
		case m.pat[p+1]:
			if open--; open == 0 {
				return j + 1
			}
		case m.pat[p]:
			open++
		}
	}
	return -1
}

// frontier matches %f[set].
func (m *matcher) frontier(i, p int) (int, int) {
	if p >= len(m.pat) || m.pat[p] != '[' {
		m.fail("malformed pattern: %%f wants a set")
	}
	end := m.classEnd(p)
	var before, here byte
	if i > 0 {
		before = m.src[i-1]
	}
	if i < len(m.src) {
		here = m.src[i]
	}
	if m.inSet(before, p, end) || !m.inSet(here, p, end) {
		return -1, end
	}
	return i, end
}

// again matches what an earlier capture took.
func (m *matcher) again(i int, digit byte) int {
	n := int(digit - '1')
	if n < 0 || n >= len(m.captures) || m.captures[n].length == captureOpen {
		m.fail("the pattern has no capture %%%c", digit)
	}
	c := m.captures[n]
	taken := m.src[c.start : c.start+max(0, c.length)]
	if !m.s.begins(m.L, m.src[i:], taken) {
		return -1
	}
	return i + len(taken)
}

// text is what capture n took: a text, or a position; the whole match where the pattern has none.
func (m *matcher) text(n, from, to int) glua.LValue {
	if n >= len(m.captures) {
		if n != 0 {
			m.fail("the pattern has no capture %%%d", n+1)
		}
		return m.s.piece(m.L, m.src, from, to)
	}
	switch c := m.captures[n]; c.length {
	case capturePosition:
		return number(float64(c.start + 1))
	case captureOpen:
		m.fail("malformed pattern: a capture is not closed")
		return nil
	default:
		return m.s.piece(m.L, m.src, c.start, c.start+c.length)
	}
}

// push gives the script all captures, or the whole match where there is none and it is wanted.
func (m *matcher) push(from, to int, whole bool) int {
	n := len(m.captures)
	if n == 0 && whole {
		n = 1
	}
	for i := range n {
		m.L.Push(m.text(i, from, to))
	}
	return n
}
