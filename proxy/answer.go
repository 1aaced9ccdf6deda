package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// pace is how the reader of an answer and the Transport speak past whatever wraps the body between them: it travels in the
// context of the call. One goroutine uses it.
type pace struct {
	wake  time.Time // when a Read that waits gives up with 0 bytes and no error, which loses nothing; zero = never
	begun bool      // some of the body came with its head
	once  bool      // the request must not be sent twice
	twice bool      // it was: a kept connection closed as it went out
}

// once reports whether the request of a call must not be sent twice.
func once(ctx context.Context) bool {
	p, _ := ctx.Value(paceKey{}).(*pace)
	return p != nil && p.once
}

// sentAgain notes that the request of a call is sent a second time.
func sentAgain(ctx context.Context) {
	if p, _ := ctx.Value(paceKey{}).(*pace); p != nil {
		p.twice = true
	}
}

// paceKey is where a context holds a *pace.
type paceKey struct{}

// answerBody reads the body of one answer off its connection. At the exact end the connection goes back to its pool; any other
// end closes it. One goroutine uses it; ctx may end at any time, which closes the connection under it.
type answerBody struct {
	ctx    context.Context
	detach func() bool // takes ctx's hand off the connection; false: it was there first
	conn   *upstreamConn
	read   io.Reader
	left   int64 // of a body of known length
	keep   bool  // the connection may serve another call
	err    error // what every further read returns
}

// begin makes b the body of the answer whose head its connection read last, and returns its length, -1 = unknown.
func (b *answerBody) begin(method string) int64 {
	c := b.conn
	b.keep = !c.spent && !c.head.closing
	if c.pace, _ = b.ctx.Value(paceKey{}).(*pace); c.pace != nil {
		c.pace.begun = len(c.br.here()) > 0
	}
	length, status := c.head.length, c.head.status
	switch {
	case method == "HEAD":
		b.settle(io.EOF)
		return max(length, -1)
	case status == 204, status == 304, length == 0:
		b.settle(io.EOF)
		return 0
	case length > 0:
		b.left, b.read = length, fixedLength{b}
		return length
	case length == -1:
		b.read = &chunks{br: &c.br}
		return -1
	}
	b.keep, b.read = false, untilClose{b}
	return -1
}

// fixedLength reads a body of known length.
type fixedLength struct{ *answerBody }

func (f fixedLength) Read(p []byte) (int, error) {
	n, err := f.conn.br.Read(p[:min(int64(len(p)), f.left)])
	if f.left -= int64(n); f.left == 0 {
		return n, io.EOF
	}
	return n, unexpected(err)
}

// untilClose reads a body that ends with its connection.
type untilClose struct{ *answerBody }

func (u untilClose) Read(p []byte) (int, error) {
	n, err := u.conn.br.Read(p)
	if u.conn.broken {
		err = unexpected(err)
	}
	return n, err
}

// Read returns io.EOF only at the answer's exact end. When the context ended, the error is its cause. It returns 0 bytes and no
// error when its reader's moment to wake has come.
func (b *answerBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.read.Read(p)
	if err == nil {
		return n, nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && b.ctx.Err() == nil {
		if b.conn.idle == 0 || time.Now().Before(b.conn.last.Add(b.conn.idle)) {
			return n, nil
		}
		err = fmt.Errorf("%w: nothing came for %s", errIdle, b.conn.idle)
	}
	b.settle(err)
	return n, b.err
}

// errIdle: an upstream sent nothing for too long in the middle of its answer.
var errIdle = errors.New("the answer stalled")

// Close gives the connection up, unless the end of the answer was reached before or is here already: of an error that nobody reads, it
// mostly is.
func (b *answerBody) Close() error {
	if b.err == nil && b.left > 0 && int64(len(b.conn.br.here())) >= b.left {
		_, _ = b.conn.br.Discard(int(b.left))
		b.settle(io.EOF)
	}
	if b.err == nil {
		b.settle(errClosedBody)
	}
	return nil
}

var errClosedBody = errors.New("read of a closed answer")

// settle ends the use of the connection, once. The order matters: first ctx lets go of it, then whether ctx was faster is looked
// at, and only then may anybody else have it.
func (b *answerBody) settle(err error) {
	c := b.conn
	b.conn = nil
	free := b.detach()
	if !free && err != io.EOF { // an answer that is whole stays whole
		err = causeOr(b.ctx, err)
	}
	b.err = err
	if free && err == io.EOF && b.keep && len(c.br.here()) == 0 {
		c.pace = nil
		c.br.release()
		c.pool.put(c)
		return
	}
	c.kill()
}
