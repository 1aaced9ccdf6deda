package lua

import (
	"strings"

	glua "github.com/yuin/gopher-lua"
)

// find is string.find(s, pattern, from, plain).
func (s *state) find(L *glua.LState) int {
	text, pattern := L.CheckString(1), L.CheckString(2)
	from := startOf(text, L.OptInt(3, 1))
	if glua.LVAsBool(L.Get(4)) || !strings.ContainsAny(pattern, "^$*+?.([%-") {
		return s.findPlain(L, text, pattern, from)
	}
	m, start, end := s.first(L, text, pattern, from)
	if start < 0 {
		L.Push(glua.LNil)
		return 1
	}
	L.Push(number(float64(start + 1)))
	L.Push(number(float64(end)))
	return 2 + m.push(start, end, false)
}

func (s *state) findPlain(L *glua.LState, text, wanted string, from int) int {
	at := s.index(L, text, wanted, from)
	if at < 0 {
		L.Push(glua.LNil)
		return 1
	}
	L.Push(number(float64(at + 1)))
	L.Push(number(float64(at + len(wanted))))
	return 2
}

// index is where wanted is in a text, at from or later, -1 = nowhere.
func (s *state) index(L *glua.LState, text, wanted string, from int) int {
	if len(wanted) > pieceOfText {
		return s.indexLong(L, text, wanted, from)
	}
	for {
		// A piece overlaps the next one by what is wanted but for one byte.
		end := min(len(text), from+pieceOfText+len(wanted))
		s.spend(L, (end-from)/16)
		if at := strings.Index(text[from:end], wanted); at >= 0 {
			return from + at
		}
		if end == len(text) {
			return -1
		}
		from = end - len(wanted) + 1
	}
}

// indexLong is index by a hash that rolls over the text, as the library has it.
func (s *state) indexLong(L *glua.LState, text, wanted string, from int) int {
	if len(text)-from < len(wanted) {
		return -1
	}
	const prime = 16777619
	var want, have, first uint32 = 0, 0, 1
	for i := range len(wanted) {
		if i%pieceOfText == 0 {
			s.spend(L, pieceOfText/16)
		}
		want, have, first = want*prime+uint32(wanted[i]), have*prime+uint32(text[from+i]), first*prime
	}
	for end := from + len(wanted); ; end++ {
		at := end - len(wanted)
		if have == want && s.begins(L, text[at:], wanted) {
			return at
		}
		if end == len(text) {
			return -1
		}
		if end%pieceOfText == 0 {
			s.spend(L, pieceOfText/16)
		}
		have = have*prime + uint32(text[end]) - first*uint32(text[at])
	}
}

// begins reports whether a text begins with another one, which may be long.
func (s *state) begins(L *glua.LState, text, with string) bool {
	if len(text) < len(with) {
		return false
	}
	for {
		n := min(len(with), pieceOfText)
		s.spend(L, n/64)
		if text[:n] != with[:n] {
			return false
		}
		if n == len(with) {
			return true
		}
		text, with = text[n:], with[n:]
	}
}

// match is string.match(s, pattern, from).
func (s *state) match(L *glua.LState) int {
	text, pattern := L.CheckString(1), L.CheckString(2)
	m, start, end := s.first(L, text, pattern, startOf(text, L.OptInt(3, 1)))
	if start < 0 {
		L.Push(glua.LNil)
		return 1
	}
	return m.push(start, end, true)
}

// first finds the first match at or after from. Its start is -1 if there is none.
func (s *state) first(L *glua.LState, text, pattern string, from int) (m *matcher, start, end int) {
	pattern, anchored := strings.CutPrefix(pattern, "^")
	m = s.newMatcher(L, text, pattern)
	s.allocate(L, matcherBytes)
	for start = from; start <= len(text); start++ {
		m.reset()
		if end = m.match(start, 0); end >= 0 {
			return m, start, end
		}
		if anchored {
			break
		}
	}
	return m, -1, 0
}

// gmatch is string.gmatch(s, pattern): an iterator over all matches.
func (s *state) gmatch(L *glua.LState) int {
	m := s.newMatcher(L, L.CheckString(1), L.CheckString(2))
	s.allocate(L, matcherBytes+closureBytes+upvalueBytes)
	L.Push(s.iterator(func(L *glua.LState, at int) (next, results int) {
		for start := at; start <= len(m.src); start++ {
			m.reset()
			if end := m.match(start, 0); end >= 0 {
				return max(end, start+1), m.push(start, end, true)
			}
		}
		L.Push(glua.LNil)
		return len(m.src) + 1, 1
	}))
	return 1
}

// iterator makes a function that goes on from where it stopped, at 0 first. The place is an upvalue: a file may keep the function from call to
// call, and locals must see that it moved.
func (s *state) iterator(step func(L *glua.LState, at int) (next, results int)) *glua.LFunction {
	place := glua.UpvalueIndex(1)
	return s.L.NewClosure(func(L *glua.LState) int {
		next, results := step(L, L.ToInt(place))
		L.Replace(place, number(float64(next)))
		return results
	}, number(0))
}

// gsub is string.gsub(s, pattern, replacement, limit).
func (s *state) gsub(L *glua.LState) int {
	text, pattern, with := L.CheckString(1), L.CheckString(2), L.Get(3)
	switch with.Type() {
	case glua.LTString, glua.LTNumber, glua.LTTable, glua.LTFunction:
	default:
		L.RaiseError("string.gsub: the replacement is %s, want a string, a table or a function", describe(with))
	}
	limit := L.OptInt(4, len(text)+1)
	pattern, anchored := strings.CutPrefix(pattern, "^")
	m := s.newMatcher(L, text, pattern)
	s.allocate(L, matcherBytes)
	var out []byte // not in s.text: the replacement may be a function of the script
	start, count := 0, 0
	for count < limit {
		m.reset()
		end := m.match(start, 0)
		if end >= 0 {
			count++
			out = m.appendReplacement(out, with, start, end)
		}
		switch {
		case end > start:
			start = end
		case start < len(text):
			out = append(s.need(L, "string.gsub", out, 1), text[start])
			start++
		default:
			limit = count
		}
		if anchored {
			break
		}
	}
	s.pushText(L, m.add(out, text[min(start, len(text)):]))
	L.Push(number(float64(count)))
	return 2
}

// appendReplacement appends what a match becomes: the match itself where a table or a function has nothing for it.
func (m *matcher) appendReplacement(out []byte, with glua.LValue, start, end int) []byte {
	var v glua.LValue
	switch with := with.(type) {
	case *glua.LTable:
		v = m.L.GetTable(with, m.text(0, start, end))
	case *glua.LFunction:
		m.L.Push(with)
		m.L.Call(m.push(start, end, true), 1)
		v = m.L.Get(-1)
		m.L.Pop(1)
	default:
		return m.appendTemplate(out, with.String(), start, end)
	}
	if glua.LVIsFalse(v) {
		return m.add(out, m.src[start:end])
	}
	made, ok := m.s.addText(m.L, "string.gsub", out, v)
	if !ok {
		m.fail("string.gsub: a replacement is %s, want a string", describe(v))
	}
	return made
}

// add appends to what becomes of the text.
func (m *matcher) add(out []byte, text string) []byte {
	return m.s.addLong(m.L, m.s.need(m.L, "string.gsub", out, len(text)), text)
}

// appendTemplate appends a replacement text, with %0 to %9 for captures.
func (m *matcher) appendTemplate(out []byte, template string, start, end int) []byte {
	for {
		plain, rest, found := strings.Cut(template, "%")
		out = m.add(out, plain)
		switch {
		case !found:
			return out
		case rest == "":
			return m.add(out, "%")
		}
		m.s.spend(m.L, 1)
		switch c := rest[0]; {
		case c == '0':
			out = m.add(out, m.src[start:end])
		case isDigit(c):
			out, _ = m.s.addText(m.L, "string.gsub", out, m.text(int(c-'1'), start, end))
		default:
			out = m.add(out, rest[:1])
		}
		template = rest[1:]
	}
}

// startOf makes an index of a position as scripts give it: from 1, and from the end if negative.
func startOf(text string, position int) int {
	if position < 0 {
		position += len(text) + 1
	}
	return min(max(position-1, 0), len(text))
}
