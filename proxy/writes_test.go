package proxy_test

import (
	"net"
	"sync/atomic"
	"testing"
)

// countingListener counts the writes to the connections that it accepts.
type countingListener struct {
	net.Listener
	writes atomic.Int64
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, &l.writes}, err
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestAnAnswerThatIsHereIsOneWrite: what can be sent together wakes the client once, the end of an event stream included.
func TestAnAnswerThatIsHereIsOneWrite(t *testing.T) {
	for what, answer := range benchAnswers {
		s := quiet(t, instant(t, answer))
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		counting := &countingListener{Listener: ln}
		served := make(chan error, 1)
		go func() { served <- s.Serve(counting) }()
		c := newCaller(t, ln.Addr().String(), claudeRequest)
		for range 20 {
			c.call(t)
		}
		c.nc.Close()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-served
		if n := counting.writes.Load(); n != 21 {
			t.Errorf("%s: %d writes for 21 answers, want one each", what, n)
		}
	}
}
