package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

const (
	// lookEvery is how long an upload waits for an upstream that takes nothing, until it looks whether an answer has come.
	lookEvery = 250 * time.Millisecond
	// tlsPiece is how much of a body goes through TLS at a time, in bytes: about as much is kept when the upstream takes nothing.
	tlsPiece = 64 << 10
)

// errAnswered: the upstream takes no more of the request, and said why or ended the connection.
var errAnswered = errors.New("the upstream answered before it had read all of it")

// upload writes a request that is large. An upstream that takes nothing for timeout is given up, 0 = it is not.
func (c *upstreamConn) upload(timeout time.Duration, parts net.Buffers) error {
	step := lookEvery
	if timeout > 0 {
		step = min(step, timeout)
	}
	now := time.Now()
	for last := now; ; {
		_ = c.raw.SetWriteDeadline(now.Add(step))
		some, err := c.push(&parts)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			_ = c.raw.SetWriteDeadline(time.Time{})
			return err
		}
		now = time.Now()
		switch {
		case some:
			last = now
		case c.answers():
			return errAnswered
		case timeout > 0 && now.Sub(last) >= timeout:
			return err
		}
	}
}

// push writes of parts what the connection takes until the deadline, and reports whether that was something.
func (c *upstreamConn) push(parts *net.Buffers) (some bool, err error) {
	if c.under != nil {
		return c.under.push(c.conn, parts)
	}
	n, err := parts.WriteTo(c.raw) // in one call
	return n > 0, err
}

// answers reports whether the answer has come, or that none will.
func (c *upstreamConn) answers() bool {
	c.until = time.Now().Add(time.Millisecond)
	for range maxInterim {
		raw, err := c.peekHead()
		if err != nil {
			return !errors.Is(err, os.ErrDeadlineExceeded)
		}
		if h, err := parseAnswerHead(raw); err != nil || h.status >= 200 || h.status == 101 {
			return true
		}
		_, _ = c.br.Discard(len(raw))
	}
	return false
}

// underTLS is the connection as TLS knows it, which by itself takes an end without a goodbye for one in good order, and writes no more
// once a write was late.
type underTLS struct {
	net.Conn
	c    *upstreamConn
	late bool   // a write that is late counts as done
	rest []byte // what is still to be written of those
}

func (u *underTLS) Read(p []byte) (int, error) {
	n, err := u.Conn.Read(p)
	u.c.broken = u.c.broken || err == io.EOF
	return n, err
}

func (u *underTLS) Write(p []byte) (n int, err error) {
	if len(u.rest) == 0 {
		n, err = u.Conn.Write(p)
	}
	if n == len(p) || !u.late || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	u.rest = append(u.rest, p[n:]...)
	return len(p), nil
}

// push is upstreamConn.push. No write waits within TLS, where what came could not be read meanwhile.
func (u *underTLS) push(tls io.Writer, parts *net.Buffers) (some bool, err error) {
	for u.late = true; ; some = true {
		n, err := u.Conn.Write(u.rest)
		some, u.rest = some || n > 0, u.rest[n:]
		if err != nil {
			return some, err
		}
		if len(*parts) == 0 {
			u.late, u.rest = false, nil
			return some, nil
		}
		if err := pushPiece(tls, parts); err != nil {
			return some, err
		}
	}
}

// pushPiece writes a piece of the first of parts.
func pushPiece(w io.Writer, parts *net.Buffers) error {
	first := (*parts)[0]
	n, err := w.Write(first[:min(len(first), tlsPiece)])
	if (*parts)[0] = first[n:]; n == len(first) {
		*parts = (*parts)[1:]
	}
	return err
}
