package starlark

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"go.starlark.net/syntax"
)

// bracket is one that was opened. Lines and columns count from 1, columns in characters.
type bracket struct {
	opened       rune
	line, column int
}

// brackets reads a file token by token and keeps the brackets that are open. Tokens must be sound.
type brackets struct {
	rest         []rune
	line, column int
	open         []bracket // outermost first
}

// readBrackets reads the tokens before a place. The last of them it leaves, if behind says that the place is behind the one that counts.
func readBrackets(src []byte, at syntax.Position, behind bool) *brackets {
	s := &brackets{rest: []rune(string(src)), line: 1, column: 1}
	for before := *s; s.before(at); before = *s {
		s.step()
		if behind && !s.before(at) {
			return &before
		}
	}
	return s
}

func (s *brackets) before(at syntax.Position) bool {
	return len(s.rest) > 0 && (s.line < int(at.Line) || s.line == int(at.Line) && s.column < int(at.Col))
}

// step reads a word, a string, a comment, or another character.
func (s *brackets) step() {
	switch c := s.rest[0]; {
	case c == '(' || c == '[' || c == '{':
		s.open = append(slices.Clip(s.open), bracket{c, s.line, s.column})
	case c == ')' || c == ']' || c == '}':
		s.open = s.open[:max(0, len(s.open)-1)]
	case c == '#':
		s.skip(max(0, slices.Index(s.rest, '\n')-1))
	case c == '"' || c == '\'':
		s.text(string(c))
	case inWord(c):
		for len(s.rest) > 1 && inWord(s.rest[1]) {
			s.skip(1)
		}
	}
	s.skip(1)
}

func inWord(c rune) bool { return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c) }

// text reads a string up to its last character.
func (s *brackets) text(quote string) {
	if long := strings.Repeat(quote, 3); s.begins(long) {
		quote = long
	}
	s.skip(len(quote))
	for len(s.rest) > 0 && !s.begins(quote) {
		if s.rest[0] == '\\' {
			s.skip(1)
		}
		s.skip(1)
	}
	s.skip(len(quote) - 1)
}

func (s *brackets) begins(text string) bool {
	n := len(text) // of ASCII
	return len(s.rest) >= n && string(s.rest[:n]) == text
}

func (s *brackets) skip(n int) {
	for range min(n, len(s.rest)) {
		s.column++
		if s.rest[0] == '\n' {
			s.line, s.column = s.line+1, 1
		}
		s.rest = s.rest[1:]
	}
}

// statements are the words that a statement begins with and no expression holds. In a bracket they mean that it was to be closed before.
var statements = map[string]bool{"def": true, "return": true, "load": true, "pass": true, "break": true, "continue": true}

// refusedAt places what a parser refused: at the token, or at the bracket before it that was to be closed. It says where a bracket is
// open.
func refusedAt(src []byte, e syntax.Error) syntax.Error {
	ended := missing(e.Msg)
	s := readBrackets(src, e.Pos, !ended && !strings.HasSuffix(e.Msg, "want primary expression"))
	if !ended {
		e.Pos.Line, e.Pos.Col = int32(s.line), int32(s.column)
	}
	if len(s.open) == 0 {
		return e
	}
	open := s.open[len(s.open)-1]
	got, _, _ := strings.Cut(strings.TrimPrefix(e.Msg, "got "), ",")
	switch {
	case ended: // in a bracket, lines end with the file alone
		e.Msg = fmt.Sprintf("'%c' is not closed", open.opened)
	case open.line == s.line:
		return e
	case statements[got]:
		e.Msg = fmt.Sprintf("'%c' is not closed before the %s of line %d", open.opened, got, s.line)
	default:
		e.Msg += fmt.Sprintf("; the '%c' of %d:%d is open", open.opened, open.line, open.column)
		return e
	}
	e.Pos.Line, e.Pos.Col = int32(open.line), int32(open.column)
	return e
}
