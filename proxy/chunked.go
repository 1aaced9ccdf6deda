package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxTrailer bounds the trailer section of a chunked body, in bytes.
const maxTrailer = 16 << 10

var errBadChunk = errors.New("malformed chunked encoding")

// chunkState says what a chunked body goes on with.
type chunkState uint8

const (
	chunkSize chunkState = iota // a line that tells the size of the next chunk
	chunkData
	chunkEnd // the empty line after a chunk
	chunkTrailer
	chunksDone
)

// chunks decodes a chunked body. A read that fails because its deadline passed may be repeated: no byte is lost. Only the last
// chunk is the end of the body: a connection that ends anywhere before it gives io.ErrUnexpectedEOF.
type chunks struct {
	br      *inbox
	state   chunkState
	left    uint64 // of the chunk
	trailer int    // bytes of the trailer section so far
}

// Read fills p as far as it can without waiting for more than the first byte.
func (c *chunks) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && c.state != chunksDone {
		if c.briefly() {
			continue
		}
		if n > 0 && !c.ready() {
			return n, nil
		}
		if c.state != chunkData {
			if err := c.advance(); err != nil {
				return n, err
			}
			continue
		}
		m, err := c.br.Read(p[n:min(uint64(len(p)), uint64(n)+c.left)])
		n += m
		if c.left -= uint64(m); c.left == 0 {
			c.state = chunkEnd
		}
		if err != nil {
			return n, unexpected(err)
		}
	}
	if c.state == chunksDone {
		return n, io.EOF
	}
	return n, nil
}

// ready reports whether the next step needs no byte beyond those that are here.
func (c *chunks) ready() bool {
	b := c.br.here()
	return len(b) > 0 && (c.state == chunkData || bytes.IndexByte(b, '\n') >= 0)
}

// advance takes one line of the framing.
func (c *chunks) advance() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	switch c.state {
	case chunkSize:
		if c.left, err = parseChunkSize(line); err != nil {
			return err
		}
		c.state = chunkData
		if c.left == 0 {
			c.state = chunkTrailer
		}
	case chunkEnd:
		if len(line) != 0 {
			return errBadChunk
		}
		c.state = chunkSize
	case chunkTrailer:
		if c.trailer += len(line); c.trailer > maxTrailer {
			return errBadChunk
		}
		if len(line) == 0 {
			c.state = chunksDone
		}
	}
	return nil
}

// briefly takes a line that is here and has nothing special, as nearly all have, and reports whether it did.
func (c *chunks) briefly() bool {
	b := c.br.here()
	switch c.state {
	case chunkEnd:
		if isCRLF(b) {
			_, _ = c.br.Discard(len("\r\n"))
			c.state = chunkSize
			return true
		}
	case chunkSize:
		if n, size := leadingHex(b); size > 0 && isCRLF(b[n:]) {
			_, _ = c.br.Discard(n + len("\r\n"))
			c.left, c.state = size, chunkData
			return true
		}
	}
	return false
}

// isCRLF reports whether b begins with the end of a line.
func isCRLF(b []byte) bool { return len(b) >= 2 && b[0] == '\r' && b[1] == '\n' }

// leadingHex reads up to eight hexadecimal digits.
func leadingHex(b []byte) (n int, value uint64) {
	for n < min(len(b), 8) && hexDigit(b[n]) >= 0 {
		value = value<<4 | uint64(hexDigit(b[n]))
		n++
	}
	return n, value
}

// line returns the next line without its CR LF. It is taken only when all of it is here.
func (c *chunks) line() ([]byte, error) {
	for {
		b := c.br.here()
		if i := bytes.IndexByte(b, '\n'); i >= 0 { // the one CR of a line stands before its LF
			if i == 0 || bytes.IndexByte(b, '\r') != i-1 {
				return nil, errBadChunk
			}
			_, _ = c.br.Discard(i + 1)
			return b[:i-1], nil
		}
		if _, err := c.br.Peek(len(b) + 1); err == bufio.ErrBufferFull {
			return nil, errBadChunk
		} else if err != nil {
			return nil, unexpected(err)
		}
	}
}

// parseChunkSize reads hexadecimal digits, and an extension that means nothing to us.
func parseChunkSize(line []byte) (uint64, error) {
	digits, _, _ := bytes.Cut(bytes.TrimRight(line, " \t"), []byte{';'})
	if len(digits) == 0 || len(digits) > 15 {
		return 0, errBadChunk
	}
	var n uint64
	for _, d := range digits {
		v := hexDigit(d)
		if v < 0 {
			return 0, errBadChunk
		}
		n = n<<4 | uint64(v)
	}
	return n, nil
}

// hexDigit is the value of a hexadecimal digit, -1 of any other byte.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// unexpected is err, where an end is one before its time.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
