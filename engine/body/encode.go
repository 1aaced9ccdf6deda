package body

import (
	"errors"
	"math"
	"strconv"
	"unicode/utf8"
)

// shortText is up to what length a string is looked at as a whole before anything of it is appended.
const shortText = 256

// AppendString appends s as a JSON string. Only what must be escaped is: quotes, backslashes and control characters. A byte that
// is not UTF-8 is written as \ufffd.
func AppendString(dst []byte, s string) []byte {
	if len(s) <= shortText && len(s)+2 <= cap(dst)-len(dst) && isOwnText(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	return Pieces{}.AppendString(dst, s)
}

// AppendString appends s as a JSON string, piece by piece.
func (p Pieces) AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 4; len(s) > piece; i += 4 { // what must be escaped takes four times as long as what is only moved
		n := gapNear(s, piece)
		dst, s = p.appendInside(dst, s[:n]), s[n:]
		p.pause(i)
	}
	return append(p.appendInside(dst, s), '"')
}

// AppendLong is AppendString, which calls grown with what there is between two pieces of a long s, and ends where that returns an error: what
// must be escaped takes up to six times as many bytes.
func (p Pieces) AppendLong(dst []byte, s string, grown func(dst []byte) error) ([]byte, error) {
	dst = append(p.Grow(dst, len(s)+2), '"')
	for len(s) > piece/4 {
		n := gapNear(s, piece/4)
		if dst, s = p.appendInside(dst, s[:n]), s[n:]; cap(dst)-len(dst) < len(s) {
			dst = p.Grow(dst, 6*piece)
		}
		if err := grown(dst); err != nil {
			return dst, err
		}
	}
	return append(p.appendInside(dst, s), '"'), nil
}

// appendInside appends s as it stands between the quotes.
func (p Pieces) appendInside(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		return appendRepaired(dst, s)
	}
	for i := 0; i < len(s); i++ {
		end := plainEnd(s, i)
		dst = p.AppendText(dst, s[i:end])
		if i = end; i < len(s) {
			dst = appendEscaped(dst, s[i])
		}
	}
	return dst
}

// appendRepaired is appendInside for a string that is not UTF-8.
func appendRepaired(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, `\ufffd`...)
		case r < ' ' || r == '"' || r == '\\':
			dst = appendEscaped(dst, s[i])
		default:
			dst = append(dst, s[i:i+size]...)
		}
		i += size
	}
	return dst
}

// appendEscaped appends the escape of a quote, a backslash or a control character.
func appendEscaped(dst []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

// AppendInt appends n in decimal.
func AppendInt(dst []byte, n int64) []byte {
	return strconv.AppendInt(dst, n, 10)
}

// AppendFloat appends the shortest number that reads back as f: without a fraction if f has none, with an exponent below 1e-6
// and from 1e21 on. Minus zero is 0. NaN and the infinities are errors.
func AppendFloat(dst []byte, f float64) ([]byte, error) {
	abs := math.Abs(f)
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return dst, errors.New("JSON has no number for " + strconv.FormatFloat(f, 'g', -1, 64))
	case f == 0:
		return append(dst, '0'), nil
	case abs < 1e-6 || abs >= 1e21:
		return strconv.AppendFloat(dst, f, 'e', -1, 64), nil
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64), nil
}
