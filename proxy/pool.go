package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync"
	"syscall"
	"time"
)

// upstreamBuffer is the read buffer of an upstream connection, in bytes: also the largest head of an answer.
const upstreamBuffer = 16 << 10

// origin is where connections lead and who may vouch for the other side. Connections are shared within one origin alone.
type origin struct {
	scheme, host string
	roots        *x509.CertPool // nil = the bundled ones
}

// pool keeps the idle connections of one origin, the last used on top.
type pool struct {
	address string      // host:port to dial
	tls     *tls.Config // nil = plain
	max     int         // idle connections that are kept
	keep    time.Duration

	mu     sync.Mutex
	idle   []*upstreamConn // oldest first; guarded by mu
	sweep  *time.Timer     // runs while idle is not empty; guarded by mu
	used   time.Time       // when a connection was last asked for; guarded by mu
	closed bool            // guarded by mu
}

func newPool(o origin, bundled func() *x509.CertPool, max int, keep time.Duration) *pool {
	u := url.URL{Host: o.host}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[o.scheme]
	}
	p := &pool{address: net.JoinHostPort(u.Hostname(), port), max: max, keep: keep, used: time.Now()}
	if o.scheme == "https" {
		roots := o.roots
		if roots == nil {
			roots = bundled()
		}
		p.tls = &tls.Config{RootCAs: roots, ServerName: u.Hostname(), MinVersion: tls.VersionTLS12,
			NextProtos: []string{"http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(64)}
	}
	return p
}

// take returns the idle connection that was used last, or nil.
func (p *pool) take() *upstreamConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used = time.Now()
	n := len(p.idle) - 1
	if n < 0 || p.used.Sub(p.idle[n].since) > p.keep {
		return nil
	}
	c := p.idle[n]
	p.idle[n] = nil
	p.idle = p.idle[:n]
	c.reused, c.last = true, p.used
	return c
}

// unused reports whether nobody asked for a connection for so long that none is left. A reload may have left such an origin
// behind.
func (p *pool) unused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle) == 0 && time.Since(p.used) > p.keep
}

// put keeps a connection that waits for its next request, or closes it when there are enough.
func (p *pool) put(c *upstreamConn) {
	c.since = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= p.max {
		c.kill()
		return
	}
	if len(p.idle) == 0 {
		if p.sweep == nil {
			p.sweep = time.AfterFunc(p.keep, p.expire)
		} else {
			p.sweep.Reset(p.keep)
		}
	}
	p.idle = append(p.idle, c)
}

// expire closes the connections that were idle too long, and comes back for the others.
func (p *pool) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.idle) && time.Since(p.idle[n].since) >= p.keep {
		p.idle[n].kill()
		n++
	}
	rest := copy(p.idle, p.idle[n:])
	clear(p.idle[rest:])
	p.idle = p.idle[:rest]
	if rest > 0 && !p.closed {
		p.sweep.Reset(p.keep - time.Since(p.idle[0].since))
	}
}

// close closes what is idle. Connections in use are closed when they come back.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		c.kill()
	}
	p.idle = nil
	if p.sweep != nil {
		p.sweep.Stop()
	}
}

// dial opens a connection; timeout bounds it with its TLS handshake, 0 = no bound.
func (p *pool) dial(ctx context.Context, timeout time.Duration) (*upstreamConn, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", p.address, lookedUp(err))
	}
	c := &upstreamConn{raw: raw, conn: newSocket(raw), pool: p}
	if p.tls != nil {
		c.under = &underTLS{Conn: c.conn, c: c}
		client := tls.Client(c.under, p.tls)
		if err := client.HandshakeContext(ctx); err != nil {
			c.kill()
			return nil, fmt.Errorf("tls handshake with %s: %w", p.address, err)
		}
		c.conn = client
	}
	c.killed, c.bound.set = c.kill, raw.SetReadDeadline
	if sc, ok := raw.(syscall.Conn); ok {
		c.control, _ = sc.SyscallConn()
		c.look = c.peek
	}
	c.br.from = c
	return c, nil
}

// lookedUp adds to the error of a name that was not found why nobody could look: without a descriptor no name is known, and no error
// tells that.
func lookedUp(err error) error {
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		return err
	}
	f, short := os.Open(os.DevNull)
	if short != nil {
		return marked{err, short}
	}
	_ = f.Close()
	return err
}

// upstreamConn is one connection to an upstream. It belongs to one call, or to its pool. kill may be called by anyone.
type upstreamConn struct {
	raw    net.Conn
	conn   net.Conn  // a socket of raw, or TLS over it
	under  *underTLS // what TLS is over, nil = there is none
	br     inbox
	head   answerHead // of the answer at hand
	pool   *pool
	since  time.Time // when it came back to the pool
	reused bool      // it served a call before this one
	spent  bool      // its request was not sent to the end
	broken bool      // under TLS: it ended without the other side's goodbye

	// What quiet works with, made once.
	killed  func() // kill
	control syscall.RawConn
	look    func(fd uintptr) // peek
	waiting int
	looked  error
	byte    [1]byte

	// What bounds the next read from the network: a fixed moment while it is set, else the time since last.
	until time.Time
	idle  time.Duration // 0 = no bound
	last  time.Time     // since when the next byte is waited for: whoever takes an answer may take long over what came
	came  bool          // something came since then
	bound bound         // of the reads from the network
	pace  *pace         // of who reads the answer, nil = it waits as long as it takes
}

// quiet reports whether nothing came while c was idle: neither its end, nor bytes that nobody asked for and that this call would take for
// its answer. Only TLS may have sent something of its own.
func (c *upstreamConn) quiet() bool {
	if c.control == nil || c.control.Control(c.look) != nil {
		return false
	}
	if c.looked != nil || c.waiting == 0 || c.under == nil {
		return c.looked == syscall.EAGAIN
	}
	c.until = time.Now().Add(time.Millisecond)
	_, err := c.br.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// peek looks at what the socket has, and takes nothing.
func (c *upstreamConn) peek(fd uintptr) {
	c.waiting, _, c.looked = syscall.Recvfrom(int(fd), c.byte[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
}

// kill closes the connection at once, whatever runs on it.
func (c *upstreamConn) kill() { _ = c.raw.Close() }

// Read is called only when something must be waited for.
func (c *upstreamConn) Read(p []byte) (int, error) {
	for c.arm(); ; {
		n, err := c.conn.Read(p)
		if n == 0 && c.bound.early(err) {
			continue
		}
		c.came = c.came || n > 0
		return n, err
	}
}

// fill waits as Read does, without memory where the connection can.
func (c *upstreamConn) fill() (buf *[]byte, n int, err error) {
	if f, ok := c.conn.(filler); ok {
		for c.arm(); ; {
			if buf, n, err = f.fill(); n == 0 && c.bound.early(err) {
				continue
			}
			c.came = c.came || n > 0
			return buf, n, err
		}
	}
	buf = inboxBuffers.Get().(*[]byte)
	if n, err = c.Read(*buf); n > 0 {
		return buf, n, nil
	}
	inboxBuffers.Put(buf)
	return nil, 0, err
}

// arm bounds the next read.
func (c *upstreamConn) arm() {
	if c.came {
		c.last, c.came = time.Now(), false
	}
	c.bound.until(c.deadline())
	c.bound.arm()
}

func (c *upstreamConn) deadline() time.Time {
	d := c.until
	if d.IsZero() && c.idle > 0 {
		d = c.last.Add(c.idle)
	}
	if c.pace != nil && !c.pace.wake.IsZero() && (d.IsZero() || c.pace.wake.Before(d)) {
		return c.pace.wake
	}
	return d
}
