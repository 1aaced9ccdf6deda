package runtimes

import (
	"fmt"
	"regexp"
	"strconv"
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
	for start, end := range body.Strings(s) {
		for _, part := range []struct {
			from, to int
			clean    func(string) (string, error)
		}{{from, start, r.text}, {start, end, r.literal}} {
			clean, err := part.clean(s[part.from:part.to])
			if err != nil {
				return "", err
			}
			if clean != s[part.from:part.to] {
				out, kept = append(append(out, s[kept:part.from]...), clean...), part.to
			}
		}
		from = end
	}
	tail, err := r.text(s[from:])
	if err != nil || out == nil && tail == s[from:] {
		return s, err
	}
	out = append(append(out, s[kept:from]...), tail...)
	return string(out), r.call.payText(2 * len(out))
}

// literal is a string of JSON with the matches in its text replaced.
func (r *jsonReplacer) literal(s string) (string, error) {
	if r.re.misses(s) && !strings.Contains(s, escaped) {
		return s, nil
	}
	text := s[1 : len(s)-1]
	if strings.IndexByte(text, '\\') >= 0 {
		if err := r.call.payText(len(s)); err != nil {
			return "", err
		}
		text = body.Unquote(s)
	}
	clean, err := r.text(text)
	if err != nil || clean == text {
		return s, err
	}
	return string(body.AppendString(nil, clean)), r.call.payText(2 * len(clean))
}

// text is a text with its matches replaced, and with what they were escaped by resolved.
func (r *jsonReplacer) text(s string) (string, error) {
	plain := s
	if strings.Contains(s, escaped) {
		if err := r.call.payText(2 * len(s)); err != nil {
			return "", err
		}
		plain = escapes.ReplaceAllStringFunc(s, resolved)
	}
	if r.re.misses(plain) {
		return s, nil
	}
	if err := r.call.spend(r.re.searchSteps(len(plain))); err != nil {
		return "", err
	}
	clean, err := r.call.replaced("json.replace", r.re, plain, r.with)
	if err != nil || clean == plain {
		return s, err
	}
	return clean, nil
}

// escaped is a part of each escape that escapes finds, behind as many backslashes as the depth of the JSON within JSON asks for.
const escaped = `\u00`

var escapes = regexp.MustCompile(`\\+u00[2-7][0-9a-fA-F]`)

// resolved is what an escape stands for, where that is a letter, a digit or a sign that JSON never has to escape.
func resolved(escape string) string {
	n, err := strconv.ParseUint(escape[len(escape)-2:], 16, 8)
	c := byte(n)
	if err == nil && ('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("%+-._@", c) >= 0) {
		return string(rune(c))
	}
	return escape
}
