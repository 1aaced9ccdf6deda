package runtimes

import (
	"errors"
	"fmt"
	"strings"

	"sluice/engine/body"
)

// libReplaceJSON is json.replace(p, s, with).
func libReplaceJSON(c *Call, _ any, args []Value) (Value, error) {
	s := args[1].Str
	if len(s) > MaxText {
		return Value{}, fmt.Errorf("json.replace: %w", errLongText)
	}
	exprs, replacements := args[0], args[2]
	if exprs.Kind == String && replacements.Kind == String {
		out, err := c.replaceJSON(exprs, s, replacements, 1)
		return OfString(out), err
	}
	from, ok := asList(exprs)
	to, both := asList(replacements)
	if !ok || !both || from.Len() != to.Len() {
		return Value{}, errors.New("json.replace: p and with are not two strings, nor two lists of one length")
	}
	looks := from.Len() // all are paid for with the first
	for i := range from.Len() {
		var err error
		if s, err = c.replaceJSON(from.At(i), s, to.At(i), looks); err != nil {
			return Value{}, err
		}
		looks = 0
	}
	return OfString(s), nil
}

// replaceJSON replaces the matches of one expression, and returns s itself where there are none. It pays for so many looks at s.
func (c *Call) replaceJSON(expr Value, s string, with Value, looks int) (string, error) {
	if expr.Kind != String || with.Kind != String {
		return "", fmt.Errorf("json.replace: a list holds %s, want strings", describeKind(notText(expr, with)))
	}
	re, err := c.compile(expr.Str)
	if err == nil && looks > 0 {
		err = c.spend(looks * (len(s) / 16))
	}
	if err != nil {
		return "", fmt.Errorf("json.replace: %w", err)
	}
	if re.missesJSON(s) {
		return s, nil
	}
	r := jsonReplacer{c, re, with.Str}
	return r.replace(s)
}

// notText is the first of two values that is no string.
func notText(a, b Value) Value {
	if a.Kind != String {
		return a
	}
	return b
}

// jsonReplacer replaces the matches of an expression in the strings of a JSON text, and in what is outside of them.
type jsonReplacer struct {
	call *Call
	re   *compiled
	with string
}

// replacePiece is how many bytes of strings lie between two looks at the clock.
const replacePiece = 64 << 10

func (r *jsonReplacer) replace(s string) (string, error) {
	var out []byte
	pieces := r.call.pieces()
	from, kept := 0, 0 // where what is outside of strings begins, and what out has not
	part, hides := finder{text: r.re.part, at: -1}, finder{text: r.re.hides, at: -1}
	pass := func(start, end int, inside bool) error {
		if part.next(s, start) >= end && hides.next(s, start) >= end {
			return nil
		}
		clean, err := r.text(s[start:end], inside)
		if err == nil && clean != s[start:end] {
			out, kept = pieces.AppendText(pieces.AppendText(out, s[kept:start]), clean), end
		}
		return err
	}
	looked := 0
	for start, end := range body.Strings(s) {
		if end-looked > replacePiece {
			if err := r.call.look(); err != nil {
				return "", err
			}
			looked = end
		}
		if err := pass(from, start+1, false); err != nil {
			return "", err
		}
		if err := pass(start+1, end-1, true); err != nil {
			return "", err
		}
		from = end - 1
	}
	if err := pass(from, len(s), false); err != nil || out == nil {
		return s, err
	}
	out = pieces.AppendText(out, s[kept:])
	return body.TextOf(out), r.call.payText(2 * len(out))
}

// finder finds where a text stands in another, from left to right, and looks at each byte of that once.
type finder struct {
	text string
	at   int // where it stands next, as far as is known
}

// next is where it stands at start or behind it, the length of s where it does not.
func (f *finder) next(s string, start int) int {
	if f.at < start {
		if f.at = start + strings.Index(s[start:], f.text); f.at < start {
			f.at = len(s)
		}
	}
	return f.at
}

// text is a text, the inside of a string of JSON or what stands outside of them, with its matches replaced.
func (r *jsonReplacer) text(s string, inside bool) (string, error) {
	if r.re.missesJSON(s) {
		return s, nil
	}
	if strings.IndexByte(s, '\\') >= 0 {
		if err := r.call.payText(6 * len(s)); err != nil {
			return "", err
		}
	}
	read := r.re.read(s, inside)
	if r.re.misses(read.Text) {
		return s, nil
	}
	if err := r.call.spend(r.re.searchSteps(len(read.Text))); err != nil {
		return "", err
	}
	return r.call.replaced("json.replace", r.re, source{s, read, inside}, r.with)
}

// read is how the expression sees a text. One that names no backslash sees the escapes of JSON within strings as characters, so that none
// of them is torn apart.
func (re *compiled) read(s string, inside bool) body.Reading {
	if re.backslash {
		return body.Read(s, inside)
	}
	return body.ReadDeep(s, inside)
}
