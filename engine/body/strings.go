package body

import "iter"

// Strings goes over the strings of s, keys as well, from left to right: s[start:end] is one, with its quotes. s need not be JSON: what looks
// like a string but breaks off, or holds what no string may, is passed over.
func Strings(s string) iter.Seq2[int, int] {
	return func(yield func(start, end int) bool) {
		for i := 0; i < len(s); {
			if s[i] != '"' {
				i++
				continue
			}
			end, ok := stringEnd(s, i+1)
			if ok && !yield(i, end) {
				return
			}
			i = end
		}
	}
}

// stringEnd is the index after the string whose inside begins at i; not ok: where that is no string any more.
func stringEnd(s string, i int) (end int, ok bool) {
	for {
		i = plainEnd(s, i)
		switch {
		case i == len(s):
			return i, false
		case s[i] == '"':
			return i + 1, true
		case s[i] != '\\':
			return i, false
		}
		n := escapeLen(s[i:])
		if n == 0 {
			return i + 1, false
		}
		i += n
	}
}

// escapeLen is how long the escape at the start of s is, 0 = it is none.
func escapeLen(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		for k := 2; k < 6; k++ {
			if k == len(s) || hex(s[k]) < 0 {
				return 0
			}
		}
		return 6
	}
	return 0
}

// Unquote is the text of a string that Strings found. It is always UTF-8, as Value.Text is.
func Unquote(literal string) string { return unquote([]byte(literal[1 : len(literal)-1])) }
