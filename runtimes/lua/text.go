package lua

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"sluice/engine/body"
	"sluice/runtimes"

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

// allocate charges for bytes that native code is about to allocate and ends the script when they are too many.
func (s *state) allocate(L *glua.LState, bytes int) {
	if err := s.meter.allocate(int64(bytes)); err != nil {
		L.RaiseError("%s", err.Error())
	}
}

// look ends the script when a budget is spent.
func (s *state) look(L *glua.LState) {
	if err := s.meter.tick(); err != nil {
		L.RaiseError("%s", err.Error())
	}
}

// bound ends the script if a text would be longer than one may be.
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

// need makes room for n more bytes of a text.
func (s *state) need(L *glua.LState, operation string, out []byte, n int) []byte {
	s.bound(L, operation, len(out)+n)
	if cap(out)-len(out) >= n {
		return out
	}
	size := max(64, 2*cap(out), len(out)+n)
	s.allocate(L, size)
	return s.addLong(L, body.Room(size), body.TextOf(out))
}

// pushText gives the script a text that was made in the room. A long one is not copied: nobody writes to where it lies.
func (s *state) pushText(L *glua.LState, made []byte) {
	s.spend(L, len(made)/64)
	if cap(made) > keptText {
		s.allocate(L, boxBytes)
		L.Push(glua.LString(body.TextOf(made)))
		return
	}
	s.allocate(L, boxBytes+len(made))
	L.Push(glua.LString(made))
	s.text = made
}

// numeralRoom is how long a number is at most.
const numeralRoom = 32

// addText appends a text or a number as the language prints it. It reports false for anything else.
func (s *state) addText(L *glua.LState, operation string, out []byte, v glua.LValue) ([]byte, bool) {
	n := numeralRoom
	if text, ok := v.(glua.LString); ok {
		n = len(text)
	} else if digits, ok := digitsOf(v); ok {
		n = len(digits)
	}
	out = s.need(L, operation, out, n)
	if text, ok := v.(glua.LString); ok && n > pieceOfText {
		return s.addLong(L, out, string(text)), true
	}
	return appendText(out, v)
}

// addLong appends a long text into what has the room. Between two pieces the call makes room for others.
func (s *state) addLong(L *glua.LState, out []byte, text string) []byte {
	for ; len(text) > pieceOfText; text = text[pieceOfText:] {
		out = append(out, text[:pieceOfText]...)
		s.look(L)
	}
	return append(out, text...)
}

// appendText is addText into what has the room.
func appendText(dst []byte, v glua.LValue) ([]byte, bool) {
	switch v := v.(type) {
	case glua.LString:
		return append(dst, v...), true
	case glua.LNumber:
		if whole(v) {
			return strconv.AppendInt(dst, int64(v), 10), true
		}
		return append(dst, numberText(v)...), true
	}
	digits, ok := digitsOf(v)
	return append(dst, digits...), ok
}

// concat is a .. b .. c; see guard.
func (s *state) concat(L *glua.LState) int {
	out := s.room()
	for i := 1; i <= L.GetTop(); i++ {
		var ok bool
		if out, ok = s.addText(L, "..", out, L.Get(i)); !ok {
			return s.concatValues(L)
		}
	}
	s.pushText(L, out)
	return 1
}

// concatValues joins from the right where an operand may have a __concat of its own.
func (s *state) concatValues(L *glua.LState) int {
	for L.GetTop() > 1 {
		a, b := L.Get(-2), L.Get(-1)
		L.Pop(2)
		joined, ok := s.addText(L, "..", nil, a)
		if ok {
			joined, ok = s.addText(L, "..", joined, b)
		}
		if ok {
			s.pushText(L, joined)
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

// piece is text[from:to] as a value, paid for.
func (s *state) piece(L *glua.LState, text string, from, to int) glua.LValue {
	piece, copied := runtimes.Piece(text, from, to)
	s.spend(L, copied/64)
	s.allocate(L, boxBytes+copied)
	return glua.LString(piece)
}

// sub is string.sub(s, from, to).
func (s *state) sub(L *glua.LState) int {
	text := L.CheckString(1)
	from, to := fromStart(text, L.CheckInt(2)), fromStart(text, L.OptInt(3, -1))
	from, to = max(from, 1), min(to, len(text))
	L.Push(s.piece(L, text, min(from-1, max(to, 0)), max(to, 0)))
	return 1
}

// rep is string.rep(s, n).
func (s *state) rep(L *glua.LState) int {
	text, n := L.CheckString(1), max(0, L.CheckInt(2))
	if len(text) > 0 && n > maxText/len(text) {
		s.bound(L, "string.rep", maxText+1)
	}
	s.spend(L, len(text)*n/64)
	s.allocate(L, boxBytes+len(text)*n)
	L.Push(glua.LString(body.Pieces{By: s.meter}.Repeat(text, n)))
	return 1
}

// byteOf is string.byte(s, from, to).
func (s *state) byteOf(L *glua.LState) int {
	text := L.CheckString(1)
	from := L.OptInt(2, 1)
	to := L.OptInt(3, from)
	from, to = fromStart(text, from), fromStart(text, to)
	from, to = max(from, 1), min(to, len(text))
	if to-from >= maxUnpacked {
		L.RaiseError("string.byte gives at most %d values", maxUnpacked)
	}
	s.spend(L, max(0, to-from)/8)
	for i := from; i <= to; i++ {
		L.Push(small[text[i-1]])
	}
	return max(0, to-from+1)
}

// fromStart makes a position count from the start: a negative one counts from the end.
func fromStart(text string, position int) int {
	if position < 0 {
		return len(text) + position + 1
	}
	return position
}

// char is string.char(…).
func (s *state) char(L *glua.LState) int {
	out := s.need(L, "string.char", s.room(), L.GetTop())
	for i := 1; i <= L.GetTop(); i++ {
		n := L.CheckInt(i)
		if n < 0 || n > math.MaxUint8 {
			L.RaiseError("string.char: %d is no byte, want 0 to 255", n)
		}
		out = append(out, byte(n))
	}
	s.pushText(L, out)
	return 1
}

// mapped is a function that makes a text of another one piece by piece.
func (s *state) mapped(operation string, f func(out []byte, piece string) []byte) glua.LGFunction {
	return func(L *glua.LState) int {
		text := L.CheckString(1)
		out := s.room()
		for len(text) > 0 {
			n := min(len(text), pieceOfText)
			for n < len(text) && n > pieceOfText-utf8.UTFMax && !utf8.RuneStart(text[n]) {
				n--
			}
			s.spend(L, n/16)
			out = f(s.need(L, operation, out, 2*n), text[:n])
			text = text[n:]
		}
		s.pushText(L, out)
		return 1
	}
}

// pieceOfText is how many bytes native code works on between two looks at the budget.
const pieceOfText = 64 << 10

func appendUpper(out []byte, s string) []byte { return appendCase(out, s, 'a', strings.ToUpper) }
func appendLower(out []byte, s string) []byte { return appendCase(out, s, 'A', strings.ToLower) }

// appendCase is append(out, change(s)...), which for ASCII needs no room of its own. Letters from first on change their case.
func appendCase(out []byte, s string, first byte, change func(string) string) []byte {
	from := len(out)
	out = append(out, s...)
	for i, c := range out[from:] {
		switch {
		case c >= utf8.RuneSelf:
			return append(out[:from], change(s)...)
		case c-first < 26:
			out[from+i] = c ^ ('a' ^ 'A')
		}
	}
	return out
}

// reverse is string.reverse(s).
func (s *state) reverse(L *glua.LState) int {
	text := L.CheckString(1)
	out := s.need(L, "string.reverse", s.room(), len(text))
	for len(text) > 0 {
		from := max(0, len(text)-pieceOfText)
		s.spend(L, (len(text)-from)/32)
		out = append(out, text[from:]...)
		slices.Reverse(out[len(out)-(len(text)-from):])
		text = text[:from]
	}
	s.pushText(L, out)
	return 1
}
