package simulate

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// compose makes the nth message that answers a request, n from 0. r is checked.
func (x *exchange) compose(r *messageRequest, n int) *message {
	m := &message{id: x.id("msg", n), model: r.Model, usage: r.usage(), stop: "end_turn"}
	if r.Thinking.Type == "enabled" || r.Thinking.Type == "adaptive" {
		m.blocks = append(m.blocks, x.thinking(r.Thinking.Display))
	}
	text, fromTool := r.lastWords()
	calls := x.calls(r, text, n)
	sentence := "You said: " + excerpt(text)
	switch {
	case len(calls) > 0:
		sentence = "I use the tool."
		m.stop = "tool_use"
	case fromTool:
		sentence = "The tool said: " + excerpt(text)
	}
	m.blocks = append(m.blocks, block{kind: "text", pieces: x.fit(words("I am " + x.p.opts.Name + ". " + sentence))})
	m.blocks = append(m.blocks, calls...)
	m.stopAt(r.StopSequences)
	m.limit(*r.MaxTokens)
	return m
}

func (x *exchange) thinking(display string) block {
	const thought = "The user wants an answer. I have one."
	mark := sha256.Sum256([]byte(x.p.opts.Name + "\n" + thought))
	b := block{kind: "thinking", signature: base64.StdEncoding.EncodeToString(mark[:])}
	if display != "omitted" {
		b.pieces = words(thought)
	}
	return b
}

// words are the pieces of a text.
func words(text string) []string {
	pieces := strings.SplitAfter(text, " ")
	if last := len(pieces) - 1; pieces[last] == "" {
		return pieces[:last]
	}
	return pieces
}

// fit makes the pieces as many as Options.Words says.
func (x *exchange) fit(pieces []string) []string {
	want := x.p.opts.Words
	if want == 0 {
		return pieces
	}
	for len(pieces) < want {
		pieces = append(pieces, " more")
	}
	return pieces[:want]
}

// excerpt is the beginning of s on one line, at most 200 bytes of it, or "nothing".
func excerpt(s string) string {
	if len(s) > 200 {
		s = s[:200]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	if words := strings.Fields(s); len(words) > 0 {
		return strings.Join(words, " ")
	}
	return "nothing"
}
