package lua

import "strings"

// classEnd returns the index after the single class that starts at p.
func (m *matcher) classEnd(p int) int {
	switch m.pat[p] {
	case '%':
		if p+1 >= len(m.pat) {
			m.fail("malformed pattern: it ends in %%")
		}
		return p + 2
	case '[':
		return m.setEnd(p)
	}
	return p + 1
}

func (m *matcher) setEnd(p int) int {
	i := p + 1
	if i < len(m.pat) && m.pat[i] == '^' {
		i++
	}
	for first := true; ; first = false {
		switch {
		case i >= len(m.pat):
			m.fail("malformed pattern: \"[\" is not closed")
		case m.pat[i] == ']' && !first:
			return i + 1
		case m.pat[i] == '%':
			i++
		}
		i++
	}
}

// matchesOne reports whether the character at i is in the class between p and end.
func (m *matcher) matchesOne(i, p, end int) bool {
	if i >= len(m.src) {
		return false
	}
	switch c := m.src[i]; m.pat[p] {
	case '.':
		return true
	case '%':
		return inClass(c, m.pat[p+1])
	case '[':
		return m.inSet(c, p, end)
	default:
		return c == m.pat[p]
	}
}

// inSet reports whether c is in the set between p and end.
func (m *matcher) inSet(c byte, p, end int) bool {
	set := m.pat[p+1 : end-1]
	found := true
	if strings.HasPrefix(set, "^") {
		set, found = set[1:], false
	}
	for i := 0; i < len(set); i++ {
		switch {
		case set[i] == '%' && i+1 < len(set):
			i++
			if inClass(c, set[i]) {
				return found
			}
		case i+2 < len(set) && set[i+1] == '-':
			if set[i] <= c && c <= set[i+2] {
				return found
			}
			i += 2
		case set[i] == c:
			return found
		}
	}
	return !found
}

// inClass reports whether c is in the class %x. An upper-case letter is the class's complement, and what is no letter stands for itself.
func inClass(c, x byte) bool {
	var in bool
	switch x | 0x20 {
	case 'a':
		in = isLetter(c)
	case 'c':
		in = c < ' ' || c == 0x7f
	case 'd':
		in = isDigit(c)
	case 'l':
		in = 'a' <= c && c <= 'z'
	case 'p':
		in = c > ' ' && c < 0x7f && !isLetter(c) && !isDigit(c)
	case 's':
		in = c == ' ' || '\t' <= c && c <= '\r'
	case 'u':
		in = 'A' <= c && c <= 'Z'
	case 'w':
		in = isLetter(c) || isDigit(c)
	case 'x':
		in = isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
	case 'z':
		in = c == 0
	default:
		return c == x
	}
	if !isLetter(x) {
		return c == x
	}
	return in != ('A' <= x && x <= 'Z')
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
