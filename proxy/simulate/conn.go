package simulate

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// maxEarly bounds what a client may send ahead while its answer waits, in bytes.
const maxEarly = 64 << 10

// slowPiece is how much is read at a time by the fault slow-read, in bytes.
const slowPiece = 1 << 10

var (
	errLeft     = errors.New("simulate: the client left") // not io.EOF, which in a stream means a good end
	errTooEarly = errors.New("simulate: the client sent too much before its answer")
)

// conn is an accepted connection on which a wait for time to pass and a watch for the client to leave are one parked read, without
// a second goroutine. Only the goroutine that serves the connection uses it; Close may come from any.
type conn struct {
	net.Conn
	number int  // from 1, in the order of acceptance
	timed  bool // a wait left its deadline behind
	early  []byte
	probe  [256]byte

	held  bool          // by the fault half-open
	slow  time.Duration // before each piece that is read
	short bool          // it is reset after that many more bytes:
	left  int
}

// Read gives what came during a wait before what comes now.
func (c *conn) Read(b []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(b, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	if c.timed {
		c.timed = false
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			return 0, err
		}
	}
	if c.slow > 0 {
		time.Sleep(c.slow)
		b = b[:min(len(b), slowPiece)]
	}
	return c.Conn.Read(b)
}

// Write resets the connection where it is to be short.
func (c *conn) Write(b []byte) (int, error) {
	if !c.short || len(b) < c.left {
		c.left -= len(b)
		return c.Conn.Write(b)
	}
	n, err := c.Conn.Write(b[:c.left])
	c.reset()
	if err == nil {
		err = net.ErrClosed
	}
	return n, err
}

// wait returns nil after d, or never if d is below 0, and an error as soon as the client is gone: net.ErrClosed if this side
// closed. A client that closes only its sending half counts as gone.
func (c *conn) wait(d time.Duration) error {
	if d == 0 {
		return nil
	}
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	if err := c.SetReadDeadline(deadline); err != nil {
		return err
	}
	c.timed = true
	for len(c.early) < maxEarly {
		n, err := c.Conn.Read(c.probe[:])
		c.early = append(c.early, c.probe[:n]...)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err == io.EOF:
			return errLeft
		case err != nil:
			return err
		}
	}
	return errTooEarly
}

// reset closes the connection with a TCP reset; where there is no TCP, it just closes.
func (c *conn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
