package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"sluice/engine"
)

// answerHead is the head of an upstream's answer.
type answerHead struct {
	status  int
	length  int64 // of the body: -1 = it comes in chunks, -2 = it ends with its connection
	closing bool  // the connection serves no other request
	lines   engine.Headers
}

// The errors of a head repeat nothing of what the upstream sent.
var (
	errHeadTooLarge = fmt.Errorf("it is larger than %d bytes", upstreamBuffer)
	errHeadInvalid  = errors.New("it is not HTTP/1.1")
)

// parseAnswerHead reads a head with its empty line. It is strict where two parsers could differ on where the body ends.
func parseAnswerHead(raw []byte) (h answerHead, err error) {
	first, rest, _ := bytes.Cut(raw, []byte("\r\n"))
	if !h.statusLine(first) {
		return h, errHeadInvalid
	}
	h.length = -2
	h.lines = make(engine.Headers, 0, bytes.Count(rest, []byte{'\n'}))
	for text := string(rest); ; { // one piece of memory for all lines
		i := strings.IndexByte(text, '\n')
		if i == 1 && text[0] == '\r' {
			return h, nil
		}
		if i < 1 || text[i-1] != '\r' {
			return h, errHeadInvalid
		}
		if err := h.line(text[:i-1]); err != nil {
			return h, err
		}
		text = text[i+1:]
	}
}

// statusLine reads "HTTP/1.1 200 OK". What came of HTTP/1.0 ends with its connection.
func (h *answerHead) statusLine(line []byte) bool {
	const version = "HTTP/1.1 "
	if len(line) < len(version)+3 || string(line[:7]) != version[:7] || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return false
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return false
		}
		h.status = 10*h.status + int(c-'0')
	}
	h.closing = line[7] == '0'
	return h.closing || line[7] == '1'
}

// line takes one line. One with a space in its name is dropped, with the connection after it: nobody else reads it.
func (h *answerHead) line(line string) error {
	n := engine.TokenLen(line)
	name, value := line[:n], line[n:]
	if name != "" && value != "" && value[0] == ':' {
		value = value[1:]
	} else {
		var found bool
		name, value, found = strings.Cut(line, ":")
		name = strings.TrimRight(name, " ") // RFC 9112: a proxy removes what stands there
		if !found || name == "" || name[0] == ' ' || !engine.ValidName(strings.ReplaceAll(name, " ", "")) {
			return errHeadInvalid
		}
	}
	switch value = trimBlank(value); {
	case !headText(value):
		return errHeadInvalid
	case len(name) > n:
		h.closing = true
		return nil
	}
	switch {
	case engine.EqualFold(name, "content-length"):
		return h.contentLength(value)
	case engine.EqualFold(name, "transfer-encoding"):
		return h.transferEncoding(value)
	case engine.EqualFold(name, "connection"):
		h.closing = h.closing || namesClose(value)
	}
	h.lines = append(h.lines, engine.Header{Name: name, Value: value})
	return nil
}

// contentLength takes the length, which may be told once; chunks go before it, and the connection is then done with.
func (h *answerHead) contentLength(value string) error {
	if h.length >= 0 || value == "" || len(value) > 18 {
		return errHeadInvalid
	}
	n := int64(0)
	for i := range len(value) {
		if value[i] < '0' || value[i] > '9' {
			return errHeadInvalid
		}
		n = 10*n + int64(value[i]-'0')
	}
	if h.length == -1 {
		h.closing = true
		return nil
	}
	h.length = n
	return nil
}

func (h *answerHead) transferEncoding(value string) error {
	if h.length == -1 || !engine.EqualFold(value, "chunked") {
		return errHeadInvalid
	}
	h.closing = h.closing || h.length >= 0
	h.length = -1
	return nil
}

func namesClose(value string) bool {
	for token := range strings.SplitSeq(value, ",") {
		if engine.EqualFold(trimBlank(token), "close") {
			return true
		}
	}
	return false
}

// headText reports whether a line's value has no control characters.
func headText(s string) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; len(s) >= 8; s = s[8:] { // eight bytes at a time: below a space, or 0x7f, which is the one below 0 after the exclusive or
		word := binary.LittleEndian.Uint64([]byte(s[:8]))
		below, delete := (word-ones*' ')&^word, (word^ones*0x7f-ones)&^(word^ones*0x7f)
		if (below|delete)&tops != 0 && !plainText(s[:8]) {
			return false
		}
	}
	return plainText(s)
}

func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// headEnd is where the head ends that b begins with, behind its empty line; -1 = further on.
func headEnd(b []byte) int {
	for at := 0; ; { // from line to line: a search for all four bytes stops at each as well, and takes longer
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return -1
		}
		if i == 1 && b[at] == '\r' && at > 1 && b[at-2] == '\r' {
			return at + 2
		}
		at += i + 1
	}
}

// mayBecomeHead reports whether a head can begin with b. Who speaks another protocol might say no more.
func mayBecomeHead(b []byte) bool {
	const begin = "HTTP/1."
	n, end := min(len(b), len(begin)), bytes.IndexByte(b, '\n')
	return string(b[:n]) == begin[:n] && (end < 0 || b[end-1] == '\r')
}

// readHead reads heads up to the one that is final.
func (c *upstreamConn) readHead() error {
	for range maxInterim {
		raw, err := c.peekHead()
		if err != nil {
			return err
		}
		if c.head, err = parseAnswerHead(raw); err != nil {
			return err
		}
		_, _ = c.br.Discard(len(raw))
		switch {
		case c.head.status < 100, c.head.status == 101:
			return errHeadInvalid
		case c.head.status >= 200:
			return nil
		}
	}
	return errHeadInvalid
}

// peekHead waits until a head is here, and leaves it there.
func (c *upstreamConn) peekHead() ([]byte, error) {
	for {
		b := c.br.here()
		if n := headEnd(b); n >= 0 {
			return b[:n], nil
		}
		switch {
		case !mayBecomeHead(b):
			return nil, errHeadInvalid
		case len(b) == upstreamBuffer:
			return nil, errHeadTooLarge
		}
		if _, err := c.br.Peek(len(b) + 1); err != nil {
			if closed(err) || errors.Is(err, net.ErrClosed) {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}
