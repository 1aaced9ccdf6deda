package proxy

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"sluice/engine"
)

const (
	// inlineBody is up to which size, in bytes, a body goes out in one write with its head by being copied behind it.
	inlineBody = 16 << 10
	// earlyAnswer is how long the answer may take of an upstream that stopped reading.
	earlyAnswer = time.Second
	// refusalIdle is the longest silence within an answer that is an error. Its body is small and known from the start, and until it is here
	// nobody learns what to leave alone, or goes elsewhere.
	refusalIdle = 5 * time.Second
	// maxInterim is how many 1xx heads an answer may begin with.
	maxInterim = 16
)

// Transport is the engine.Transport over the network: HTTP/1.1 on connections that it keeps by origin.
type Transport struct {
	pools   table[origin, *pool]
	bundled func() *x509.CertPool
	maxIdle int
	keep    time.Duration
	heads   sync.Pool // of *[]byte
}

// NewTransport makes a Transport that keeps up to maxIdle idle connections to each origin for at most keep.
func NewTransport(maxIdle int, keep time.Duration) *Transport {
	return &Transport{maxIdle: maxIdle, keep: keep, bundled: BundledRoots}
}

// BundledRoots are the roots that came with the program: it runs where the system has none.
var BundledRoots = sync.OnceValue(func() *x509.CertPool {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		switch {
		case err != nil:
		case root.Constraint != nil:
			pool.AddCertWithConstraint(cert, root.Constraint)
		default:
			pool.AddCert(cert)
		}
	}
	return pool
})

// Close closes the idle connections, and those in use when their calls end.
func (t *Transport) Close() {
	for _, p := range t.pools.all() {
		p.close()
	}
}

// RoundTrip sends s and returns the head of the answer. A kept connection that was closed by the other side before a byte of an
// answer came is replaced once by a fresh one; what must not be sent twice goes out on a fresh one. When ctx ends the error is its cause.
func (t *Transport) RoundTrip(ctx context.Context, s engine.Signed) (*engine.Response, error) {
	if !s.Valid() {
		return nil, engine.ErrUnsigned
	}
	o := origin{s.Scheme(), s.Host(), s.Upstream().Roots}
	p := t.pools.get(o, func() *pool { return newPool(o, t.bundled, t.maxIdle, t.keep) }, (*pool).unused)
	for again := !once(ctx); again; {
		c := p.take()
		if c == nil {
			break
		}
		resp, err := t.call(ctx, c, s)
		again = errors.Is(err, errNotQuiet)
		switch stale := errors.Is(err, errStale); {
		case stale:
			sentAgain(ctx)
		case !again:
			return resp, err
		}
	}
	c, err := p.dial(ctx, s.Upstream().Timeouts.Connect)
	if err != nil {
		return nil, causeOr(ctx, marked{err, engine.ErrUnsent})
	}
	return t.call(ctx, c, s)
}

// marked is an error that is also another, of which its text says nothing.
type marked struct {
	error
	also error
}

func (m marked) Unwrap() []error { return []error{m.error, m.also} }

var (
	// errStale: a kept connection was closed before a byte of the answer came.
	errStale = errors.New("the kept connection was closed")
	// errNotQuiet: something came on a kept connection while nothing was asked. Nothing was sent.
	errNotQuiet = errors.New("the kept connection was not quiet")
)

func causeOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// call does one request on c, which is then the body's, or gone.
func (t *Transport) call(ctx context.Context, c *upstreamConn, s engine.Signed) (*engine.Response, error) {
	detach := afterEnd(ctx, c.killed)
	err := t.exchange(c, s)
	if err == nil {
		var a struct { // in one piece of memory
			engine.Response
			body answerBody
		}
		a.Status, a.Headers = c.head.status, endToEnd(c.head.lines)
		a.body = answerBody{ctx: ctx, detach: detach, conn: c}
		a.Body, a.Length = &a.body, a.body.begin(s.Method())
		return &a.Response, nil
	}
	detach()
	c.kill()
	return nil, causeOr(ctx, err)
}

// exchange writes the request and reads the head of the answer. An upstream may answer before it read all: such an answer counts.
func (t *Transport) exchange(c *upstreamConn, s engine.Signed) error {
	wait := s.Upstream().Timeouts
	writeErr := t.send(c, s, wait)
	switch {
	case writeErr == errNotQuiet:
		return writeErr
	case writeErr != nil:
		c.last = time.Now()
		c.until, c.spent = c.last.Add(earlyAnswer), true
	}
	_, err := c.br.Peek(1)
	begun := err == nil
	switch {
	case begun:
		err = c.readHead()
	case c.reused && (closed(err) || closed(writeErr)) && time.Since(c.last) < staleWithin:
		return errStale
	}
	c.until, c.idle = time.Time{}, wait.Idle
	switch {
	case err == nil:
		if c.head.status >= 400 && (c.idle == 0 || c.idle > refusalIdle) {
			c.idle = refusalIdle
		}
		return nil
	case !begun && writeErr != nil:
		return marked{fmt.Errorf("send the request: %w", writeErr), engine.ErrUnsent}
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("%w: waited %s", engine.ErrUpstreamTimeout, wait.ResponseHeader)
	default:
		err = fmt.Errorf("read the head of the answer: %w", err)
	}
	if begun {
		err = marked{err, engine.ErrBegun}
	}
	return err
}

// staleWithin is how soon after a request a kept connection must close for it to have been dead before. One that closes later may have
// worked on the request, which is then not sent again.
const staleWithin = 100 * time.Millisecond

// closed reports whether err says that the other side closed the connection.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// send writes the request, head and body in one write where the body is small, and sets the time that the answer has.
func (t *Transport) send(c *upstreamConn, s engine.Signed, wait engine.Timeouts) error {
	buf, _ := t.heads.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer t.heads.Put(buf)
	body := s.Body()
	head := appendHead((*buf)[:0], s)
	if len(body) <= inlineBody {
		head = append(head, body...)
		body = nil
	}
	*buf = head
	if a, ok := c.conn.(asker); ok && c.reused && len(body) == 0 {
		return c.ask(a, head, wait)
	}
	defer func() { c.expect(wait, time.Now()) }()
	switch {
	case c.reused && !c.quiet():
		return errNotQuiet
	case len(body) == 0:
		return c.write(wait.Idle, head)
	}
	return c.upload(wait.Idle, net.Buffers{head, body})
}

// asker is a connection that can write and wait for the answer in one. A read in the place of that wait would look at once, in vain.
type asker interface {
	// Ask returns how much of p was written, once something can be read or the wait for it ended; the next Read says which. It
	// returns errNotQuiet, and writes nothing, if there was something to read before.
	Ask(p []byte) (n int, err error)
}

// ask sends a request that is small, at once after the connection was taken.
func (c *upstreamConn) ask(a asker, request []byte, wait engine.Timeouts) error {
	c.expect(wait, c.last)
	c.arm()
	n, err := a.Ask(request)
	for n == 0 && c.bound.early(err) { // of a bound from before it was kept
		n, err = a.Ask(request)
	}
	if err == nil && n < len(request) {
		err = c.write(wait.Idle, request[n:])
		c.expect(wait, time.Now())
	}
	return err
}

// expect sets the time that the head of the answer has, from now on.
func (c *upstreamConn) expect(wait engine.Timeouts, now time.Time) {
	c.last, c.came, c.idle, c.until = now, false, wait.Idle, time.Time{}
	if wait.ResponseHeader > 0 {
		c.until = c.last.Add(wait.ResponseHeader)
	} else {
		c.idle = 0
	}
}

// write writes p before timeout has passed, 0 = no bound.
func (c *upstreamConn) write(timeout time.Duration, p []byte) error {
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	_ = c.raw.SetWriteDeadline(deadline)
	_, err := c.conn.Write(p)
	return err
}

// appendHead writes the head of s. The framing is ours, and the answer must come as it is: of neither s says anything, for no shaped request
// has a reserved line.
func appendHead(b []byte, s engine.Signed) []byte {
	b = append(append(append(b, s.Method()...), ' '), s.RequestURI()...)
	b = append(append(append(b, " HTTP/1.1\r\nHost: "...), s.Host()...), "\r\n"...)
	for i := range s.HeaderLines() {
		line := s.HeaderLine(i)
		b = appendLine(b, line.Name, line.Value)
	}
	b = append(b, "accept-encoding: identity\r\n"...)
	if n := len(s.Body()); n > 0 || s.Method() == "POST" || s.Method() == "PUT" || s.Method() == "PATCH" {
		b = append(strconv.AppendInt(append(b, "content-length: "...), int64(n), 10), "\r\n"...)
	}
	return append(b, "\r\n"...)
}
