package runtimes

import (
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
	re, err := c.compile(args[0].Str)
	if err == nil {
		err = c.spend(len(s) / 16)
	}
	if err != nil {
		return Value{}, fmt.Errorf("json.replace: %w", err)
	}
	if re.misses(s) && !strings.Contains(s, escaped) {
		return args[1], nil
	}
	r := jsonReplacer{c, re, args[2].Str}
	out, err := r.replace(s)
	return OfString(out), err
}

// jsonReplacer replaces the matches of an expression in the strings of a JSON text, and in what is outside of them.
type jsonReplacer struct {
	call *Call
	re   *compiled
	with string
}

func (r *jsonReplacer) replace(s string) (string, error) {
	var out []byte
	from, kept := 0, 0 // where what is outside of strings begins, and what out has not
	pass := func(start, end int, inside bool) error {
		clean, err := r.text(s[start:end], inside)
		if err == nil && clean != s[start:end] {
			out, kept = append(append(out, s[kept:start]...), clean...), end
		}
		return err
	}
	for start, end := range body.Strings(s) {
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
	out = append(out, s[kept:]...)
	return string(out), r.call.payText(2 * len(out))
}

// escaped is a part of every escape that a match may hide behind.
const escaped = `\u00`

// text is a text, the inside of a string of JSON or what stands outside of them, with its matches replaced.
func (r *jsonReplacer) text(s string, inside bool) (string, error) {
	if r.re.misses(s) && !strings.Contains(s, escaped) {
		return s, nil
	}
	if strings.IndexByte(s, '\\') >= 0 {
		if err := r.call.payText(6 * len(s)); err != nil {
			return "", err
		}
	}
	read := body.Read(s, inside)
	if r.re.misses(read.Text) {
		return s, nil
	}
	if err := r.call.spend(r.re.searchSteps(len(read.Text))); err != nil {
		return "", err
	}
	return r.call.replaced("json.replace", r.re, source{s, read, inside}, r.with)
}
