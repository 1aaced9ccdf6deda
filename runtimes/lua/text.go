package lua

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	glua "github.com/yuin/gopher-lua"
)

// maxText bounds the texts that one operation makes, in bytes.
const maxText = 16 << 20

// keptText is how much room to join texts in a state keeps from call to call, in bytes.
const keptText = 64 << 10

// spend charges for native work and ends the script when a budget is spent.
func (s *state) spend(L *glua.LState, steps int) {
	if err := s.meter.spend(int64(steps)); err != nil {
		L.RaiseError("%s", err.Error())
	}
}

// bound ends the script if a text grew over what one may have.
func (s *state) bound(L *glua.LState, operation string, n int) {
	if n > maxText {
		L.RaiseError("%s: the text is longer than %d MiB", operation, maxText>>20)
	}
}

// room is where a text is put together. It belongs to one operation until pushText.
func (s *state) room() []byte {
	out := s.text[:0]
	s.text = nil
	return out
}

// pushText gives the script a text that was made in the room.
func (s *state) pushText(L *glua.LState, made []byte) {
	s.spend(L, len(made)/64)
	L.Push(glua.LString(made))
	if cap(made) <= keptText {
		s.text = made
	}
}

// appendText appends a text or a number as the language prints it. It reports false for anything else.
func appendText(dst []byte, v glua.LValue) ([]byte, bool) {
	switch v := v.(type) {
	case glua.LString:
		return append(dst, v...), true
	case glua.LNumber:
		if whole(v) {
			return strconv.AppendInt(dst, int64(v), 10), true
		}
		return append(dst, v.String()...), true
	}
	digits, ok := digitsOf(v)
	return append(dst, digits...), ok
}

// concat is a .. b .. c; see guard.
func (s *state) concat(L *glua.LState) int {
	out := s.room()
	for i := 1; i <= L.GetTop(); i++ {
		var ok bool
		if out, ok = appendText(out, L.Get(i)); !ok {
			return concatValues(L)
		}
		s.bound(L, "..", len(out))
	}
	s.pushText(L, out)
	return 1
}

// concatValues joins from the right where an operand may have a __concat of its own.
func concatValues(L *glua.LState) int {
	for L.GetTop() > 1 {
		a, b := L.Get(-2), L.Get(-1)
		L.Pop(2)
		left, ok := appendText(nil, a)
		if ok {
			left, ok = appendText(left, b)
		}
		if ok {
			L.Push(glua.LString(left))
			continue
		}
		op, ok := L.GetMetaField(a, "__concat").(*glua.LFunction)
		if !ok {
			op, ok = L.GetMetaField(b, "__concat").(*glua.LFunction)
		}
		if !ok {
			L.RaiseError("cannot join %s and %s", describe(a), describe(b))
		}
		L.Push(op)
		L.Push(a)
		L.Push(b)
		L.Call(2, 1)
	}
	return 1
}

// rep is string.rep(s, n).
func (s *state) rep(L *glua.LState) int {
	text, n := L.CheckString(1), max(0, L.CheckInt(2))
	if len(text) > 0 && n > maxText/len(text) {
		s.bound(L, "string.rep", maxText+1)
	}
	s.spend(L, len(text)*n/64)
	L.Push(glua.LString(strings.Repeat(text, n)))
	return 1
}

// format is string.format(format, …).
func (s *state) format(L *glua.LState) int {
	format, arg := L.CheckString(1), 1
	out := s.room()
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			out = append(out, format[i])
			continue
		}
		end := i + 1 + strings.IndexFunc(format[i+1:], isVerb)
		if end <= i || !directive(format[i:end]) {
			L.RaiseError("string.format: bad directive %q", format[i:min(len(format), i+12)])
		}
		if format[end] == '%' {
			out = append(out, '%')
		} else {
			arg++
			out = s.appendVerb(L, out, format[i:end], format[end], arg)
		}
		s.bound(L, "string.format", len(out))
		i = end
	}
	s.pushText(L, out)
	return 1
}

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
		return fmt.Appendf(out, directive+"s", s.toText(L, L.Get(arg)))
	case 'q':
		return appendQuoted(out, L.CheckString(arg))
	case 'c':
		return append(out, byte(L.CheckInt(arg)))
	case 'd', 'i':
		return fmt.Appendf(out, directive+"d", toInt(L.CheckNumber(arg)))
	case 'u', 'o', 'x', 'X':
		return fmt.Appendf(out, directive+strings.Replace(string(verb), "u", "d", 1), uint64(toInt(L.CheckNumber(arg))))
	case 'e', 'E', 'f', 'g', 'G':
		if (verb == 'g' || verb == 'G') && !strings.Contains(directive, ".") {
			directive += ".6"
		}
		return fmt.Appendf(out, directive+string(verb), float64(L.CheckNumber(arg)))
	}
	L.RaiseError("string.format: unknown directive %s%c", directive, verb)
	return nil
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
func appendQuoted(out []byte, text string) []byte {
	out = append(out, '"')
	for i := 0; i < len(text); i++ {
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
