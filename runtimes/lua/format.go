package lua

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	glua "github.com/yuin/gopher-lua"
)

// formatRoom is how long a number is with any flags, width and precision: 1e308 has 309 digits before the point.
const formatRoom = 512

// verbBytes is what formatting a number allocates beyond its text.
const verbBytes = 64

// format is string.format(format, …).
func (s *state) format(L *glua.LState) int {
	format, arg := L.CheckString(1), 1
	out := s.room()
	for len(format) > 0 {
		s.spend(L, 1)
		plain := strings.IndexByte(format, '%')
		if plain < 0 {
			plain = len(format)
		}
		out = s.addLong(L, s.need(L, "string.format", out, plain), format[:plain])
		if format = format[plain:]; format == "" {
			break
		}
		end := 1 + strings.IndexFunc(format[1:min(len(format), maxDirective)], isVerb)
		if end < 1 || !directive(format[:end]) {
			L.RaiseError("string.format: bad directive %q", format[:min(len(format), 12)])
		}
		if format[end] == '%' {
			out = append(s.need(L, "string.format", out, 1), '%')
		} else {
			arg++
			out = s.appendVerb(L, out, format[:end], format[end], arg)
		}
		format = format[end+1:]
	}
	s.pushText(L, out)
	return 1
}

// maxDirective is how long a directive may be in bytes.
const maxDirective = 32

// isVerb is true for what ends a directive of a format.
func isVerb(r rune) bool { return !strings.ContainsRune("-+ #0123456789.", r) }

// directive reports whether s is a percent sign with flags, and at most two digits of width and of precision.
func directive(s string) bool {
	width, precision, _ := strings.Cut(strings.TrimLeft(s[1:], "-+ #0"), ".")
	return len(width) <= 2 && len(precision) <= 2 && strings.Trim(width+precision, "0123456789") == ""
}

// appendVerb formats one argument. Directive has the flags, width and precision.
func (s *state) appendVerb(L *glua.LState, out []byte, directive string, verb byte, arg int) []byte {
	if arg > L.GetTop() {
		L.RaiseError("string.format: %s%c has no argument", directive, verb)
	}
	switch verb {
	case 's':
		return s.appendPadded(L, out, directive, s.toText(L, L.Get(arg)))
	case 'q':
		return s.appendQuoted(L, out, L.CheckString(arg))
	case 'c':
		return s.appendPadded(L, out, directive, string([]byte{byte(s.checkNumber(L, arg))}))
	}
	s.allocate(L, verbBytes)
	out = s.need(L, "string.format", out, formatRoom)
	switch verb {
	case 'd', 'i':
		return fmt.Appendf(out, directive+"d", toInt(s.checkNumber(L, arg)))
	case 'u', 'o', 'x', 'X':
		return fmt.Appendf(out, directive+strings.Replace(string(verb), "u", "d", 1), uint64(toInt(s.checkNumber(L, arg))))
	case 'e', 'E', 'f', 'g', 'G':
		n := s.checkNumber(L, arg)
		if f := float64(n); math.IsInf(f, 0) || math.IsNaN(f) {
			flags, _, _ := strings.Cut(directive, ".")
			return s.appendPadded(L, out, flags, numberText(n))
		}
		if (verb == 'g' || verb == 'G') && !strings.Contains(directive, ".") {
			directive += ".6"
		}
		return fmt.Appendf(out, directive+string(verb), float64(n))
	}
	L.RaiseError("string.format: unknown directive %s%c", directive, verb)
	return nil
}

// checkNumber is an argument that is a number or a text that stands for one.
func (s *state) checkNumber(L *glua.LState, arg int) glua.LNumber {
	readNumeral(L, arg)
	return L.CheckNumber(arg)
}

// appendPadded is %s: bytes cut to the precision and filled up to the width.
func (s *state) appendPadded(L *glua.LState, out []byte, directive, text string) []byte {
	flags := strings.TrimLeft(directive[1:], "-+ #0")
	width, precision, cut := strings.Cut(flags, ".")
	if most, _ := strconv.Atoi(precision); cut && most < len(text) {
		text = text[:most]
	}
	least, _ := strconv.Atoi(width)
	fill := max(0, least-len(text))
	out = s.need(L, "string.format", out, len(text)+fill)
	if strings.Contains(directive[:len(directive)-len(flags)], "-") {
		return append(s.addLong(L, out, text), strings.Repeat(" ", fill)...)
	}
	return s.addLong(L, append(out, strings.Repeat(" ", fill)...), text)
}

// toInt cuts the fraction off. What an integer cannot hold becomes the nearest one that it can.
func toInt(n glua.LNumber) int64 {
	switch f := float64(n); {
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	default:
		return int64(f) // 0 for NaN
	}
}

// appendQuoted writes a text as Lua reads it.
func (s *state) appendQuoted(L *glua.LState, out []byte, text string) []byte {
	out = append(s.need(L, "string.format", out, 2), '"')
	for i := range len(text) {
		if i%pieceOfText == 0 {
			n := min(pieceOfText, len(text)-i)
			s.spend(L, n/8)
			out = s.need(L, "string.format", out, 4*n+1)
		}
		switch c := text[i]; c {
		case '"', '\\', '\n':
			out = append(out, '\\', c)
		case '\r':
			out = append(out, `\r`...)
		case 0:
			out = append(out, `\000`...)
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}
