package lua

import (
	"fmt"
	"strings"

	"sluice/engine"
)

// opened is a block or a bracket that is open. Lines and columns count from 1.
type opened struct {
	word         string // that opened it
	want         string // then or do, which must come next; then end, until, or the closing bracket
	line, column int
	indent       int // of its line
}

// outline reads a file word by word and keeps what is open. The text must be sound as far as words and strings go.
type outline struct {
	src          string
	at           int
	line, start  int // of the line that at is in
	open         []opened
	endless      *opened // a long text or comment that has no end
	closedTooFar *opened // the first block whose end stands left of its beginning: its own end is missing perhaps

	endLine, endColumn int // behind the last word
}

var opening = map[string]string{"function": "end", "if": "then", "elseif": "then", "while": "do", "for": "do", "do": "end", "repeat": "until",
	"(": ")", "[": "]", "{": "}"}

// statements are the words that begin or end a statement and stand in no expression. Some of them end a block.
var (
	statements = map[string]bool{"local": true, "return": true, "break": true, "if": true, "while": true, "for": true, "repeat": true,
		"do": true, "end": true, "until": true, "else": true, "elseif": true}
	ends = map[string]bool{"end": true, "until": true, "else": true, "elseif": true}
)

// readOutline reads the words before a place, or all of them if line is 0.
func readOutline(src string, line, column int) *outline {
	o := &outline{src: src, line: 1}
	for {
		word := o.next()
		if word == "" || line > 0 && (o.line > line || o.line == line && o.column(word) >= column) {
			return o
		}
		o.take(word)
	}
}

// column is that of the word which was just read.
func (o *outline) column(word string) int { return o.at - len(word) - o.start + 1 }

// take follows one word.
func (o *outline) take(word string) {
	o.endLine, o.endColumn = o.line, o.at-o.start+1
	top := len(o.open) - 1
	switch {
	case top >= 0 && o.open[top].want == word && (word == "then" || word == "do"):
		o.open[top].want = "end"
	case top >= 0 && o.open[top].want == word:
		o.noteIndent(&o.open[top], word)
		o.open = o.open[:top]
	case word == "elseif" && top >= 0:
		o.open[top].want = "then"
	case opening[word] != "":
		line := o.src[o.start:]
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		o.open = append(o.open, opened{word, opening[word], o.line, o.column(word), indent})
	}
}

func (o *outline) noteIndent(b *opened, word string) {
	first := strings.TrimSpace(o.src[o.start:o.at-len(word)]) == ""
	if first && o.column(word)-1 < b.indent && o.closedTooFar == nil {
		copied := *b
		o.closedTooFar = &copied
	}
}

const letters = "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// next is the next word: a name, a keyword, a string or another character of code. "" is the end.
func (o *outline) next() string {
	for o.at < len(o.src) {
		rest := o.src[o.at:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			o.skip(1)
		case strings.HasPrefix(rest, "--"):
			o.skip(2)
			if n := longText(rest[2:]); n > 0 {
				o.noteEndless(rest[:2], rest[2:])
				o.skip(n)
			} else {
				line, _, _ := strings.Cut(rest[2:], "\n")
				o.skip(len(line))
			}
		default:
			o.noteEndless("", rest)
			n := max(1, len(rest)-len(strings.TrimLeft(rest, letters)), longText(rest), quotedText(rest))
			o.skip(n)
			return rest[:n]
		}
	}
	return ""
}

func (o *outline) skip(n int) {
	for range n {
		o.at++
		if o.src[o.at-1] == '\n' {
			o.line, o.start = o.line+1, o.at
		}
	}
}

// noteEndless keeps where a long text that is never closed begins, and with what before it. It is where o stands.
func (o *outline) noteEndless(before, text string) {
	open, end := longBrackets(text)
	if open != "" && !strings.Contains(text, end) {
		o.endless = &opened{word: before + open, want: end, line: o.line, column: o.at - len(before) - o.start + 1}
	}
}

// longText is the length of the text in long brackets that s begins with, 0 if with none.
func longText(s string) int {
	open, end := longBrackets(s)
	if open == "" {
		return 0
	}
	if i := strings.Index(s, end); i >= 0 {
		return i + len(end)
	}
	return len(s)
}

// longBrackets are the long bracket that s begins with and the one that ends the text, "" if it begins with none.
func longBrackets(s string) (open, end string) {
	level := len(s) - len(strings.TrimLeft(strings.TrimPrefix(s, "["), "=")) - 1
	if !strings.HasPrefix(s, "[") || !strings.HasPrefix(s[1+level:], "[") {
		return "", ""
	}
	return s[:level+2], "]" + strings.Repeat("=", level) + "]"
}

// quotedText is the length of the text in quotes that s begins with, 0 if with none.
func quotedText(s string) int {
	if s[0] != '"' && s[0] != '\'' {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return len(s)
}

// unclosed tells an error of the parser where something was left open before the token that it refused, which may be lines below. It
// returns e where it knows no better. A token of "" is the end of the file.
func unclosed(src, token string, e *engine.ScriptError) *engine.ScriptError {
	line := e.Line
	if token == "" {
		line = 0
	}
	o := readOutline(src, line, e.Column)
	open := o.innermost(token == "")
	if open == nil {
		open = &opened{line: e.Line}
	}
	better := *e
	switch bracket := len(open.word) == 1; {
	case open.word != "" && token == "":
		better.Line, better.Column = open.line, open.column
		better.Message = fmt.Sprintf("%q is not closed, want %q", open.word, open.want)
	case bracket && open.line < e.Line && statements[token]:
		better.Line, better.Column = open.line, open.column
		better.Message = fmt.Sprintf("%q is not closed before the %q of line %d", open.word, token, e.Line)
	case bracket && open.line < e.Line:
		better.Message += fmt.Sprintf("; the %q of %d:%d is open", open.word, open.line, open.column)
	case o.endLine == e.Line || o.endLine == 0: // the line with the token is the one at fault
	case open.want == "then" || open.want == "do":
		better.Line, better.Column = o.endLine, o.endColumn
		better.Message = fmt.Sprintf("want %q for the %q of line %d", open.want, open.word, open.line)
	case statements[token] && (open.want == token || !ends[token]):
		better.Line, better.Column = o.endLine, o.endColumn
		better.Message = fmt.Sprintf("the line ends too early, before the %q of line %d", token, e.Line)
	}
	return &better
}

// innermost is what is open, nil if nothing is. For the end of the file it is the first block that was left open by the looks of it.
func (o *outline) innermost(atEnd bool) *opened {
	switch {
	case len(o.open) == 0:
		return nil
	case atEnd && o.closedTooFar != nil:
		return o.closedTooFar
	}
	return &o.open[len(o.open)-1]
}
