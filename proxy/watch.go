package proxy

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// watchAfter is how long an exchange runs before its client is watched: most answers need less, and a client that left in that
// time is found gone at once.
const watchAfter = 20 * time.Millisecond

// watcher notices that a client leaves while nobody reads from its connection. start and stop are called in turn, by the
// goroutine that serves the connection.
type watcher interface {
	// start has the life of an exchange ended with errClientGone when the client closes its side.
	start(of *life)
	// stop returns when it is not ended any more.
	stop()
	// end is called last, when the connection is closed.
	end()
}

// peeker is a watcher that parks a goroutine on the socket and looks at what arrives without taking it: that is the next request,
// or the end.
type peeker struct {
	conn   net.Conn
	raw    syscall.RawConn
	bound  *bound // of the connection's reads
	tls    bool
	timer  *time.Timer
	parked chan struct{} // gets one value when the goroutine of the timer is done
	off    atomic.Bool
	of     *life
}

func newPeeker(c *conn) *peeker {
	p := &peeker{conn: c.Conn, bound: &c.reading, tls: c.secure, parked: make(chan struct{}, 1)}
	if sc, ok := c.Conn.(syscall.Conn); ok {
		p.raw, _ = sc.SyscallConn()
	}
	return p
}

func (p *peeker) start(of *life) {
	p.of = of
	p.off.Store(false)
	if p.timer == nil {
		p.timer = time.AfterFunc(watchAfter, p.park)
		return
	}
	p.timer.Reset(watchAfter)
}

func (p *peeker) stop() {
	if !p.timer.Stop() {
		p.off.Store(true)
		_ = p.conn.SetReadDeadline(past)
		<-p.parked
		_ = p.conn.SetReadDeadline(time.Time{})
		p.bound.armed = time.Time{}
	}
	p.of = nil // a connection that waits must not keep its last exchange in memory
}

func (p *peeker) end() {}

// park waits until the client left or stop wakes it. The request was read under a deadline that ended with it.
func (p *peeker) park() {
	defer func() { p.parked <- struct{}{} }()
	if p.raw == nil {
		return
	}
	_ = p.conn.SetReadDeadline(time.Time{})
	left := false
	_ = p.raw.Read(func(fd uintptr) bool {
		if p.off.Load() {
			return true
		}
		left = p.left(int(fd))
		return left
	})
	if left {
		p.of.end(errClientGone)
	}
}

// left looks at the socket. Bytes that wait there are the next request and no end; the poller wakes us again when more arrives.
func (p *peeker) left(fd int) bool {
	var b [1]byte
	for {
		n, _, err := syscall.Recvfrom(fd, b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return false
		case err != nil || n == 0:
			return true
		default:
			return p.tls && b[0] == tlsAlert || finished(fd)
		}
	}
}

// tlsAlert is the type of the record with which a TLS 1.2 client says goodbye. In TLS 1.3 it looks like any other, and the end of
// the connection tells.
const tlsAlert = 0x15
