package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
	"sluice/engine/promptcache"
)

// Options are what a Server is made of.
type Options struct {
	World     *engine.World
	Transport engine.Transport
	Ledger    engine.Ledger       // nil = no rows
	Caches    *promptcache.Caches // nil = no prediction of prompt caches
	// LedgerFull reports that no request is to be served for want of its row. Nil: they always are.
	LedgerFull func() bool
	// Unlimited is told of a request that counts and had no limits when it began: it may have some by now. Nil: none come.
	Unlimited func(r *engine.Record)
	// LoopbackOnly refuses whatever a web page may have sent: for listeners that need no secret.
	LoopbackOnly bool
	TLS          *tls.Config                      // nil = plain
	PingEvery    time.Duration                    // the longest silence on an event stream, 0 = 15 s
	Notice       time.Duration                    // how long Shutdown keeps the listeners open, 0 = 2 s
	Logf         func(format string, args ...any) // nil drops; no line holds a credential
}

// Server answers clients. It is made by New.
type Server struct {
	Options
	Metrics Metrics

	http     fasthttp.Server
	buffers  sync.Pool // of *[]byte, relayBuffer long
	hangups  hangups
	judged   judgements
	heads    heads
	draining atomic.Bool   // no request is let in any more
	over     atomic.Bool   // the drain is over: nothing goes to an upstream any more
	closing  atomic.Bool   // no connection is kept any more
	idle     chan struct{} // gets a value when, while draining, the last exchange ended

	mu        sync.Mutex
	stopped   bool               // no connection is taken any more; guarded by mu
	listeners []net.Listener     // guarded by mu
	conns     map[*conn]struct{} // guarded by mu
	running   sync.WaitGroup     // one for each connection
}

const (
	defaultPing   = 15 * time.Second
	defaultNotice = 2 * time.Second
	// requestHead is the largest head of a request, in bytes.
	requestHead = 16 << 10
	// writeBuffer holds what one write of an answer to a client takes, in bytes.
	writeBuffer = 8 << 10
	// refusalBuffer holds what the HTTP server writes: our own errors, which are small. In bytes.
	refusalBuffer = 2 << 10
	// acceptPause is the wait after an accept that failed, for want of descriptors mostly.
	acceptPause = 50 * time.Millisecond
)

// New makes a Server, which serves on the listeners given to Serve.
func New(o Options) *Server {
	if o.PingEvery == 0 {
		o.PingEvery = defaultPing
	}
	if o.Notice == 0 {
		o.Notice = defaultNotice
	}
	s := &Server{Options: o, idle: make(chan struct{}, 1), conns: make(map[*conn]struct{})}
	s.buffers.New = func() any { b := make([]byte, relayBuffer); return &b }
	s.http = fasthttp.Server{
		Handler:                       s.handle,
		HeaderReceived:                s.gate,
		ErrorHandler:                  s.handleBroken,
		ConnState:                     s.onState,
		Logger:                        log.New(io.Discard, "", 0), // it would print heads, keys and all
		SecureErrorLogMessage:         true,
		ReadBufferSize:                requestHead,
		WriteBufferSize:               refusalBuffer,
		StreamRequestBody:             true,
		DisablePreParseMultipartForm:  true,
		DisableHeaderNamesNormalizing: true,
		NoDefaultServerHeader:         true,
		NoDefaultContentType:          true,
	}
	return s
}

// Serve answers on ln, which it closes, until Shutdown; then it returns nil. It may be called for several listeners.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return ln.Close()
	}
	s.listeners = append(s.listeners, ln)
	s.mu.Unlock()
	for {
		nc, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			s.logf("accept on %s: %v", ln.Addr(), err)
			time.Sleep(acceptPause)
		default:
			s.adopt(nc)
		}
	}
}

// adopt serves a connection on a goroutine of its own.
func (s *Server) adopt(nc net.Conn) {
	c := newConn(nc)
	c.secure, c.waits = s.TLS != nil, s.timeouts()
	c.watch = s.watcher(c)
	c.reading.first(c.waits.ClientHeader) // TLS handshake and first head
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		c.kill()
		return
	}
	s.conns[c] = struct{}{}
	s.running.Add(1)
	go s.serveConn(c)
}

// watcher is who tells that the client of a connection leaves.
func (s *Server) watcher(c *conn) watcher {
	if s.TLS == nil {
		if w := s.hangups.watch(c.Conn); w != nil {
			return w
		}
	}
	return newPeeker(c)
}

func (s *Server) serveConn(c *conn) {
	defer s.running.Done()
	var nc net.Conn = c
	if s.TLS != nil {
		nc = secured{tls.Server(c, s.TLS), c}
	}
	_ = s.http.ServeConn(nc) // how the client went away is in the records of its requests
	c.watch.end()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// timeouts are those of the current generation.
func (s *Server) timeouts() engine.Timeouts {
	g := s.World.Lease()
	if g == nil {
		return engine.Timeouts{}
	}
	defer g.Release()
	return g.Timeouts
}

// probe answers what clients ask to see whether anybody is there. It needs no key.
func (s *Server) probe(ctx *fasthttp.RequestCtx) bool {
	if !ctx.IsHead() || verdict(&ctx.Request.Header) != nil || !spoken(&ctx.Request.Header) {
		return false
	}
	uri := string(ctx.Request.Header.RequestURI())
	if uri != "/" && uri != "/api/hello" {
		return false
	}
	lines, ok := parseHeaders(string(ctx.Request.Header.RawHeaders()))
	if !ok || s.LoopbackOnly && !FromLoopback(lines) {
		return false
	}
	ctx.SetStatusCode(fasthttp.StatusOK)
	ctx.Response.Header.Set("request-id", newRequestID())
	return true
}

func (s *Server) logf(format string, args ...any) {
	if s.Logf != nil {
		s.Logf(format, args...)
	}
}
