package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"sluice/engine"
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

// beforeEach is a ledger that looks around when it gets a row.
type beforeEach func(*engine.Record)

func (f beforeEach) Record(r *engine.Record) { f(r) }

// TestARequestIsSettledBeforeItsClientHasTheWholeAnswer: it may ask again at once.
func TestARequestIsSettledBeforeItsClientHasTheWholeAnswer(t *testing.T) {
	answers := map[string]string{
		"limited": "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 16\r\n\r\n{\"type\":\"error\"}",
		"bound":   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
	}
	for what, answer := range answers {
		s := quiet(t, instant(t, answer))
		counting := &countingListener{}
		s.Ledger = beforeEach(func(r *engine.Record) {
			if n := counting.writes.Load(); n > 0 {
				t.Errorf("%s: the row of a request with status %d came after %d writes", what, r.Status, n)
			}
		})
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		counting.Listener = ln
		served := make(chan error, 1)
		go func() { served <- s.Serve(counting) }()
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Write([]byte(claudeRequest)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(what, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Error(what, err)
		}
		nc.Close()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-served
	}
}

// TestALedgerThatPanicsEndsTheConnection: the answer is not whole, and its client must not wait for the rest.
func TestALedgerThatPanicsEndsTheConnection(t *testing.T) {
	for what, answer := range benchAnswers {
		s := quiet(t, instant(t, answer))
		s.Ledger = beforeEach(func(*engine.Record) { panic("out of paper") })
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(ln) }()
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := nc.Write([]byte(claudeRequest)); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(nc); err != nil {
			t.Errorf("%s: %q, %v, want the end of the connection", what, got, err)
		}
		nc.Close()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-served
	}
}
