package body

import (
	"iter"
	"strings"
	"unicode/utf8"

	"sluice/engine/turn"
)

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
		if isHex4(s[2:]) {
			return 6
		}
	}
	return 0
}

// isHex4 reports whether s begins with four hexadecimal digits.
func isHex4(s string) bool {
	return len(s) >= 4 && hex(s[0]) >= 0 && hex(s[1]) >= 0 && hex(s[2]) >= 0 && hex(s[3]) >= 0
}

// Reading is a text with its escapes resolved, and where each of its bytes comes from.
type Reading struct {
	Text string
	at   []int32 // one for each byte of Text, and one for its end; nil = Text is what was read
}

// From is where the byte i of Text, or its end, stands in what was read.
func (r Reading) From(i int) int {
	if r.at == nil {
		return i
	}
	return int(r.at[i])
}

// Read resolves the escapes of s, the inside of a string of JSON where inside says so, else any text. Letters, digits and the signs %+-._@,
// which JSON never has to escape, are read behind as many backslashes as there are: in JSON within the strings of JSON, too. s has at most
// 2 GiB.
func Read(s string, inside bool) Reading { return read(s, inside, false) }

// ReadDeep is Read, and resolves as well what is left then that looks like an escape of JSON within strings: backslashes and what they escape,
// a letter, u and four digits, a quote or a solidus, or backslashes alone. Such an escape is one character of Text, be it for what it stands
// for or not: what begins behind it begins there.
func ReadDeep(s string, inside bool) Reading { return read(s, inside, true) }

func read(s string, inside, deep bool) Reading {
	if strings.IndexByte(s, '\\') < 0 {
		return Reading{Text: s}
	}
	text, at := Room(len(s)), make([]int32, 0, len(s)+1)
	var shift turn.Shift
	part, plain := 0, 0 // where the next one begins, and up to where no backslash is known to begin a plain escape
	for i := 0; i < len(s); {
		if i >= part {
			shift.Part()
			part = i + readPart
		}
		var c byte
		if i >= plain && s[i] == '\\' {
			var run int
			c, run = plainEscape(s[i:])
			plain = i + run
		}
		before, from, n := len(text), i, 1
		switch {
		case c != 0:
			text, n = append(text, c), plain-i+len("u0000")
		case s[i] == '\\' && inside:
			text, n = appendEscape(text, s[i:])
		case deep && before > 0 && text[before-1] == '\\' && deeperLen(s[i:]) > 0:
			from, n = int(at[before-1]), deeperLen(s[i:])
			text = appendDeeper(text[:before-1], s[i:])
		default:
			text = append(text, s[i])
		}
		if deep && c == 0 {
			text = joinEscape(text, before)
		}
		for len(at) < len(text) {
			at = append(at, int32(from))
		}
		i += n
	}
	return Reading{TextOf(text), append(at, int32(len(s)))}
}

// readPart is how many bytes are read between two looks at how long that takes.
const readPart = 4 << 10

// plainEscape is the letter, digit or sign that the escape at the start of s stands for, 0 = there is none, and how many backslashes s
// begins with.
func plainEscape(s string) (c byte, run int) {
	for run < len(s) && s[run] == '\\' {
		run++
	}
	rest := s[run:]
	if run == 0 || len(rest) < 5 || rest[:3] != "u00" || hex(rest[3]) < 0 || hex(rest[4]) < 0 {
		return 0, run
	}
	c = byte(hex(rest[3])<<4 | hex(rest[4]))
	if 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("%+-._@", c) >= 0 {
		return c, run
	}
	return 0, run
}

// appendEscape appends what the escape at the start of s stands for, and returns how long it is.
func appendEscape(dst []byte, s string) ([]byte, int) {
	if s[1] != 'u' {
		return append(dst, short(s[1])), 2
	}
	r, n := unescape([]byte(s[:min(len(s), 12)]))
	return utf8.AppendRune(dst, r), n
}

// joinEscape makes one character of a backslash before n and what begins there, if that is another, a quote or a solidus.
func joinEscape(text []byte, n int) []byte {
	if n == 0 || len(text) != n+1 || text[n-1] != '\\' || strings.IndexByte(`\"/`, text[n]) < 0 {
		return text
	}
	text[n-1] = text[n]
	return text[:n]
}

// deeperLen is how many bytes at the start of s are an escape together with a backslash before them, 0 = none. Those that hold no letter
// need no reading: nothing that is looked for begins with a part of them.
func deeperLen(s string) int {
	switch s[0] {
	case 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if isHex4(s[1:]) {
			return 5
		}
	}
	return 0
}

// appendDeeper appends what the escape stands for that is a backslash and the start of s; half of a pair as U+FFFD.
func appendDeeper(dst []byte, s string) []byte {
	if s[0] != 'u' {
		return append(dst, short(s[0]))
	}
	return utf8.AppendRune(dst, hex4([]byte(s[1:5])))
}
