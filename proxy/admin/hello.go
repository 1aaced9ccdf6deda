package admin

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/valyala/fasthttp"
)

// tlsHandshake is the first byte of a TLS connection. No HTTP request begins with it.
const tlsHandshake = 0x16

// errHello ends the wait for the rest of a head that will not come.
var errHello = errors.New("a TLS handshake, want plain HTTP")

const (
	// writePiece is how much of an answer a client must take within writeWait, in bytes.
	writePiece = 64 << 10
	writeWait  = 5 * time.Second
	// acceptPause is the wait after an accept that failed, for want of descriptors mostly.
	acceptPause = 50 * time.Millisecond
)

// plainListener notices who speaks TLS to it, and who does not read what it asked for.
type plainListener struct{ net.Listener }

// Accept fails only when the listener is closed: the HTTP server would end for want of a descriptor, and the gateway with it.
func (l plainListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			return &plainConn{Conn: c}, nil
		case errors.Is(err, net.ErrClosed):
			return nil, err
		}
		time.Sleep(acceptPause)
	}
}

// plainConn belongs to the goroutine that serves it.
type plainConn struct {
	net.Conn
	begun, hello bool
}

func (c *plainConn) Read(p []byte) (int, error) {
	if c.hello {
		return 0, errHello
	}
	n, err := c.Conn.Read(p)
	c.hello = !c.begun && n > 0 && p[0] == tlsHandshake
	c.begun = true
	return n, err
}

// Write bounds each piece by itself: a large answer may take its time.
func (c *plainConn) Write(p []byte) (n int, err error) {
	for piece := range slices.Chunk(p, writePiece) {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(writeWait))
		some, err := c.Conn.Write(piece)
		if n += some; err != nil {
			return n, err
		}
	}
	return n, nil
}

// broken answers what could not be read as a request. The HTTP server's own words may repeat it, tokens and all.
func (s *Server) broken(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch c, _ := ctx.Conn().(*plainConn); {
	case c != nil && c.hello:
		fail(ctx, 400, "this listener speaks plain HTTP: ask it by http")
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		if s.admit(ctx, asIs(ctx)) {
			fail(ctx, 413, fmt.Sprintf("the body is larger than %d MiB", maxBody>>20))
		}
	case errors.As(err, &small):
		fail(ctx, 431, "the head of the request is too large")
	case errors.As(err, &network) && network.Timeout():
		fail(ctx, 408, "the request did not come in time")
	default:
		fail(ctx, 400, "the request could not be read")
	}
}
