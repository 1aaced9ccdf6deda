package body

import (
	"bytes"
	"strconv"
)

// SyntaxError says why bytes are refused as JSON, and where.
type SyntaxError struct {
	Offset  int    // bytes before the place
	Line    int    // from 1
	Column  int    // in bytes, from 1
	Message string // what was wanted and what was found; never more of the input than one byte, or a routed key
}

func (e *SyntaxError) Error() string {
	return "offset " + strconv.Itoa(e.Offset) + ": " + e.Message
}

func syntaxError(b []byte, offset int, message string) *SyntaxError {
	before := b[:offset]
	return &SyntaxError{
		Offset:  offset,
		Line:    bytes.Count(before, []byte{'\n'}) + 1,
		Column:  offset - bytes.LastIndexByte(before, '\n'),
		Message: message,
	}
}

// found names the byte at b[i] for a message.
func found(b []byte, i int) string {
	switch {
	case i >= len(b):
		return "end of input"
	case b[i] >= ' ' && b[i] <= '~':
		return strconv.QuoteRune(rune(b[i]))
	}
	return "byte 0x" + strconv.FormatUint(uint64(b[i])>>4, 16) + strconv.FormatUint(uint64(b[i])&15, 16)
}
