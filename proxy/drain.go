package proxy

import (
	"context"
	"time"
)

// Draining reports whether Shutdown was called: the server is not ready for new requests.
func (s *Server) Draining() bool { return s.draining.Load() }

// Shutdown ends the server in order. New requests are refused at once, so that whoever balances load notices; after Notice, or
// the drain timeout where that is shorter, the listeners close; open exchanges run on until the drain timeout, then each event stream is told with one error event, and what
// waits for an upstream, or for the rest of a body, is answered with an error. It returns when all exchanges and connections ended, or with ctx's error when
// ctx does, and then cuts what is left.
func (s *Server) Shutdown(ctx context.Context) error {
	limit := s.timeouts().Drain
	s.draining.Store(true)
	s.poke()
	notice := time.NewTimer(min(s.Notice, limit))
	defer notice.Stop()
	drained := time.NewTimer(limit)
	defer drained.Stop()
	select {
	case <-notice.C:
	case <-ctx.Done():
	}
	s.closeListeners()
	for s.Metrics.Streams() > 0 && ctx.Err() == nil {
		select {
		case <-s.idle:
		case <-drained.C:
			s.over.Store(true) // first: the place of one that is ended falls to the next in its line
			s.each(func(c *conn) { c.abort(errDraining) })
		case <-ctx.Done():
		}
	}
	return s.closeConns(ctx)
}

// poke makes Shutdown look whether an exchange is left.
func (s *Server) poke() {
	select {
	case s.idle <- struct{}{}:
	default:
	}
}

func (s *Server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, ln := range s.listeners {
		_ = ln.Close()
	}
	s.listeners = nil
}

func (s *Server) each(f func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		f(c)
	}
}

// closeConns closes the connections that wait for a request or are still telling one, and waits for the others to have sent their last
// bytes.
func (s *Server) closeConns(ctx context.Context) error {
	defer s.hangups.close()
	s.over.Store(true)
	s.closing.Store(true)
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	s.each(func(c *conn) {
		if !c.active.Load() {
			c.kill()
			return
		}
		c.abort(errDraining) // if ctx did not wait for it
		c.hurry()
	})
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.each((*conn).kill)
	<-done
	return ctx.Err()
}
