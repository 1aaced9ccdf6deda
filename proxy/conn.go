package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
)

const (
	// keepAlive is how long a client's connection may wait for its next request.
	keepAlive = 2 * time.Minute
	// lingerFor and lingerBytes bound what is read and thrown away of a request that was refused while it was still coming, so
	// that its answer is not lost to a reset.
	lingerFor   = 5 * time.Second
	lingerBytes = 64 << 20
)

// conn is a client's connection, below TLS if there is any. The goroutine that serves it owns it; kill and abort may come from
// others.
type conn struct {
	net.Conn
	socket net.Conn // the same, for reads and writes
	watch  watcher

	reading, writing bound
	hurried          atomic.Bool // no read waits any more: whatever its bound is

	eager  bool      // it does not tell when it is about to wait: each transfer may
	begun  bool      // it was read from
	secure bool      // TLS is spoken above
	hello  bool      // TLS is spoken where it is not expected
	noted  int       // bytes of start
	start  [256]byte // what the request began with, as far as it was not read along with the one before

	waits  engine.Timeouts // of the generation that the last request leased
	ended  bool            // the client sends no more: a read said so
	failed error           // of the last read, nil = it brought something
	linger bool            // a request is still coming while its answer is the last thing we say
	mute   bool            // what the HTTP server writes is dropped: the answer went out already, or nothing was asked
	reset  bool            // the end must not look like one

	active atomic.Bool          // a request is being read or served
	call   atomic.Pointer[life] // of the exchange that runs; nil = there is none
	closed atomic.Bool
}

// secured is a connection as the HTTP server knows it under TLS.
type secured struct {
	*tls.Conn
	under *conn
}

// Read notes the end that TLS may tell before the connection does.
func (s secured) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.under.ended = s.under.ended || err == io.EOF
	s.under.note(p[:n])
	return n, err
}

// Write drops what is not to be sent, above TLS, whose own goodbye goes out.
func (s secured) Write(p []byte) (int, error) {
	if s.under.mute {
		return len(p), nil
	}
	return s.Conn.Write(p)
}

// Handshake tells a client that speaks plain HTTP to speak TLS, in the only words that it understands.
func (s secured) Handshake() error {
	err := s.Conn.Handshake()
	var plain tls.RecordHeaderError
	if errors.As(err, &plain) && 'A' <= plain.RecordHeader[0] && plain.RecordHeader[0] <= 'Z' {
		var answer fasthttp.Response
		writeRefusal(&answer, refuse(engine.CodeBadRequest, "this listener speaks TLS: ask it by https"), newRequestID())
		s.under.linger = true
		_, _ = answer.WriteTo(s.under)
	}
	return err
}

// connOf returns our connection under the one that the HTTP server knows.
func connOf(c net.Conn) *conn {
	if s, ok := c.(secured); ok {
		return s.under
	}
	return c.(*conn)
}

// abort cancels the exchange that runs on c, if any, also while it reads its request.
func (c *conn) abort(cause error) {
	if call := c.call.Load(); call != nil {
		call.end(cause)
		c.hurry()
	}
}

// kill closes the connection at once, whatever runs on it.
func (c *conn) kill() { _ = c.Conn.Close() }

// hurry ends the wait for the rest of a request. Whatever else runs on the connection goes on.
func (c *conn) hurry() {
	c.hurried.Store(true)
	_ = c.Conn.SetReadDeadline(past)
}

// newConn is the connection over nc.
func newConn(nc net.Conn) *conn {
	c := &conn{Conn: nc, socket: newSocket(nc)}
	c.reading.set, c.writing.set = nc.SetReadDeadline, nc.SetWriteDeadline
	if p, ok := c.socket.(pauser); ok {
		p.pauses(c.awaitInput, c.writing.arm)
	} else {
		c.eager = true
	}
	return c
}

// pauser is a connection that tells when it is about to wait.
type pauser interface{ pauses(read, write func()) }

// awaitInput is called before a read waits.
func (c *conn) awaitInput() {
	c.reading.arm()
	if c.hurried.Load() { // after arm: whoever hurries comes after it or is seen
		_ = c.Conn.SetReadDeadline(past)
	}
}

// SetReadDeadline bounds the reads that follow.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.reading.until(t)
	return nil
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// errHello ends the wait for the rest of a head that will not come.
var errHello = errors.New("a TLS handshake, want plain HTTP")

// tlsHandshake is the first byte of a TLS connection. No HTTP request begins with it.
const tlsHandshake = 0x16

// Read notes how it went.
func (c *conn) Read(p []byte) (int, error) {
	if c.hello {
		return 0, errHello
	}
	n, err := c.read(p)
	if !c.secure {
		c.hello = !c.begun && n > 0 && p[0] == tlsHandshake
		c.note(p[:n])
	}
	c.begun, c.ended, c.failed = true, c.ended || err == io.EOF, err
	return n, err
}

func (c *conn) read(p []byte) (int, error) {
	for {
		if c.eager {
			c.awaitInput()
		}
		n, err := c.socket.Read(p)
		if n > 0 || c.hurried.Load() || !c.reading.early(err) {
			return n, err
		}
	}
}

// note keeps the first line of a request, or as much of it as there is room for.
func (c *conn) note(p []byte) {
	if c.noted < len(c.start) && bytes.IndexByte(c.start[:c.noted], '\n') < 0 {
		c.noted += copy(c.start[c.noted:], p)
	}
}

// Write gives every write its own bound: a stream may last, a client that takes no byte may not.
func (c *conn) Write(p []byte) (int, error) {
	if c.mute && !c.secure {
		return len(p), nil
	}
	c.writing.first(c.waits.ClientWrite)
	for done := 0; ; {
		if c.eager {
			c.writing.arm()
		}
		n, err := c.socket.Write(p[done:])
		if done += n; !c.writing.early(err) {
			return done, err
		}
	}
}

// SetWriteDeadline does nothing: every write has its own bound.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// Close ends the connection, once.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	tcp, _ := c.Conn.(*net.TCPConn)
	switch {
	case c.reset && tcp != nil:
		_ = tcp.SetLinger(0)
	case c.linger && tcp != nil:
		_ = c.Conn.SetReadDeadline(time.Now().Add(lingerFor))
		if tcp.CloseWrite() == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}
	return c.Conn.Close()
}

// onState bounds the reads between requests: the next request may take its time to begin, but not to tell its head.
func (s *Server) onState(nc net.Conn, state fasthttp.ConnState) {
	c := connOf(nc)
	switch state {
	case fasthttp.StateActive:
		c.active.Store(true)
		c.reading.first(c.waits.ClientHeader)
	case fasthttp.StateIdle:
		c.mute = false
		c.noted = 0
		c.active.Store(false)
		c.reading.first(keepAlive)
	default:
		return
	}
	c.hurried.Store(false)
	if s.closing.Load() { // after the stores: Shutdown sees the one or we see the other
		c.hurry()
	}
}
