package body

import (
	"bytes"
	"math/bits"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// One byte in each of the eight bytes of a word.
const (
	ones    = 0x0101010101010101
	blanks  = ' ' * ones
	quotes  = '"' * ones
	slashes = '\\' * ones
	highs   = 0x80 * ones
)

// plainEnd returns the index of the first byte of s, from i, that cannot stand for itself in a JSON string: a quote, a backslash
// or a control character; len(s) if there is none. It looks at eight bytes at a time: a subtraction sets the high bit of the
// bytes that match, and borrows only from bytes after a match, so the lowest high bit is exact.
func plainEnd[T string | []byte](s T, i int) int {
	for ; i+8 <= len(s); i += 8 {
		w := word(s[i : i+8])
		match := ((w - blanks) | ((w ^ quotes) - ones) | ((w ^ slashes) - ones)) &^ w & highs
		if match != 0 {
			return i + bits.TrailingZeros64(match)>>3
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// isOwnText reports whether s is ASCII that stands for itself in a JSON string.
func isOwnText(s string) bool {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := word(s[i : i+8])
		if (w|(w-blanks)|((w^quotes)-ones)|((w^slashes)-ones))&highs != 0 {
			return false
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// word is the first eight bytes of s, the first lowest. The compiler makes it one load.
func word[T string | []byte](s T) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// plain is true when the inside of a JSON string is its own text.
func plain(raw []byte) bool {
	return bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw)
}

// unquote returns the text of the inside of a scanned JSON string.
func unquote(raw []byte) string {
	if plain(raw) {
		return string(raw)
	}
	return string(appendUnquoted(nil, raw))
}

// appendUnquoted appends the text of the inside of a scanned JSON string. Bytes that are not UTF-8 and surrogates without a
// partner become U+FFFD, so a text out of this package is always UTF-8.
func appendUnquoted(dst, raw []byte) []byte {
	dst, _ = appendUnquotedTo(slices.Grow(dst, len(raw)), raw, 0, len(raw))
	return dst
}

// appendUnquotedTo is appendUnquoted from i to end, or to behind an escape that goes beyond. No character begins before end and ends after
// it. It returns where it came to.
func appendUnquotedTo(dst, raw []byte, i, end int) ([]byte, int) {
	for i < end {
		switch c := raw[i]; {
		case c == '\\' && raw[i+1] == 'u':
			r, n := unescape(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		case c == '\\':
			dst = append(dst, short(raw[i+1]))
			i += 2
		default:
			stop := plainEnd(raw[:end], i)
			dst, i = appendUTF8(dst, raw[i:stop]), stop
		}
	}
	return dst, i
}

// gapNear is a place near i, no further than the end of raw, at which no character goes on.
func gapNear[T string | []byte](raw T, i int) int {
	if i >= len(raw) {
		return len(raw)
	}
	for k := i; k > i-utf8.UTFMax; k-- {
		if utf8.RuneStart(raw[k]) {
			return k
		}
	}
	return i // within so many bytes that begin nothing none goes on
}

// appendUTF8 appends b with every byte that is not UTF-8 replaced.
func appendUTF8(dst, b []byte) []byte {
	if utf8.Valid(b) {
		return append(dst, b...)
	}
	for _, r := range string(b) {
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// unescape returns the rune of the \u escape at the start of raw, and the length of that escape or pair of escapes.
func unescape(raw []byte) (rune, int) {
	r := hex4(raw[2:])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(raw) >= 12 && raw[6] == '\\' && raw[7] == 'u' {
		if pair := utf16.DecodeRune(r, hex4(raw[8:])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(b []byte) rune {
	return hex(b[0])<<12 | hex(b[1])<<8 | hex(b[2])<<4 | hex(b[3])
}

// hex is the value of a hexadecimal digit, -1 of any other byte.
func hex(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

// short is the byte that a backslash and c stand for.
func short(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
