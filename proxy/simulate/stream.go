package simulate

import (
	"io"
	"time"
)

// stream feeds an event stream to fasthttp, which makes one chunk of what a Read returns and flushes it. fasthttp calls both
// methods on the connection's goroutine, after the handler returned.
type stream struct {
	p      *Provider
	req    *Request
	conn   *conn
	events [][]byte
	rest   []byte // of an event longer than one Read takes
	pace   time.Duration
	burst  int
	begun  bool
}

// Read returns the next events, as many as burst says and as fit, or as much of one as fits.
func (s *stream) Read(b []byte) (int, error) {
	if len(s.rest) > 0 {
		n := copy(b, s.rest)
		s.rest = s.rest[n:]
		return n, nil
	}
	if len(s.events) == 0 {
		return 0, io.EOF
	}
	if s.begun {
		if err := s.conn.wait(s.pace); err != nil {
			return 0, err
		}
	}
	s.begun = true
	n := copy(b, s.events[0])
	s.rest, s.events = s.events[0][n:], s.events[1:]
	for i := 1; i < s.burst && len(s.events) > 0 && len(s.events[0]) <= len(b)-n; i++ {
		n += copy(b[n:], s.events[0])
		s.events = s.events[1:]
	}
	return n, nil
}

// CloseWithError learns how the stream ended: nil if all of it was written.
func (s *stream) CloseWithError(err error) error {
	s.p.finish(s.req, endOf(err))
	return nil
}
