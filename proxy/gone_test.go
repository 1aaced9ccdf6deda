package proxy_test

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sluice/engine"
)

// leaving are the ways in which a client goes away.
var leaving = map[string]func(net.Conn){
	"closed":      func(c net.Conn) { c.Close() },
	"reset":       reset,
	"half closed": func(c net.Conn) { _ = c.(interface{ CloseWrite() error }).CloseWrite() },
	"closed behind the next request": func(c net.Conn) {
		_, _ = io.WriteString(c, post("/v1/messages", hello))
		c.Close()
	},
	"reset behind the next request": func(c net.Conn) {
		_, _ = io.WriteString(c, post("/v1/messages", hello))
		reset(c)
	},
}

func reset(c net.Conn) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// TestAClientThatLeavesCancelsItsCall: the upstream sees its connection end, though nothing is ever written to the client.
func TestAClientThatLeavesCancelsItsCall(t *testing.T) {
	for how, leave := range leaving {
		for when, said := range map[string]string{"before the head": "", "before the first event": eventHead, "in the stream": eventHead + chunk(start),
			"in a body": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx"} {
			t.Run(how+" "+when, func(t *testing.T) {
				t.Parallel()
				leaveDuring(t, nil, said, leave)
			})
		}
	}
}

func TestATLSClientThatLeavesCancelsItsCall(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		for how := range leaving {
			if how == "half closed" { // says goodbye and leaves the connection open, which TLS 1.3 hides
				continue
			}
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				leaveDuring(t, &tls.Config{MaxVersion: version}, eventHead+chunk(start), leaving[how])
				leaveDuring(t, &tls.Config{MaxVersion: version}, "", leaving[how])
			})
		}
	}
}

func leaveDuring(t *testing.T, secure *tls.Config, said string, leave func(net.Conn)) {
	t.Helper()
	asked, gone := make(chan struct{}), make(chan struct{})
	p := plays(t, func(s *stage) {
		s.next()
		s.say(said)
		close(asked)
		s.gone()
		close(gone)
	})
	r := newRig(t, p.upstream("a"))
	if secure != nil {
		cert, der := selfSigned(t)
		r.options.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		secure.RootCAs, secure.ServerName = roots(der), "localhost"
	}
	r.start()
	c := r.dial()
	if secure != nil {
		c = newClient(t, tls.Client(c.nc, secure))
	}
	c.send(post("/v1/messages", helloStream))
	<-asked
	if strings.HasPrefix(said, eventHead) {
		c.head("POST")
	}
	leave(c.nc)
	select {
	case <-gone:
	case <-time.After(patience):
		t.Fatal("the call upstream goes on")
	}
	row := r.ledger.wait(t, 1)[0]
	want(t, "status", row.Status, 499)
	want(t, "code", row.Code, engine.CodeClientGone)
}

func TestAWatchedClientLosesNoByte(t *testing.T) {
	more := make(chan struct{})
	p := plays(t, func(s *stage) {
		for {
			if _, ok := s.next(); !ok {
				return
			}
			<-more
			s.say(ok("{}"))
		}
	})
	r := newRig(t, p.upstream("a")).start()
	c := r.dial()
	for range 3 {
		c.send(post("/v1/messages", hello))
		c.send(post("/v1/other", "--"))   // waits behind the one that is watched
		time.Sleep(60 * time.Millisecond) // room for the watcher to look at it
		for range 2 {
			more <- struct{}{}
			want(t, "body", c.read("POST").body, "{}")
		}
	}
	r.ledger.wait(t, 6)
}

func TestAClientThatReadsNothingIsGivenUp(t *testing.T) {
	gone := make(chan struct{})
	p := plays(t, func(s *stage) {
		s.next()
		s.say(eventHead + chunk(start))
		for {
			if _, err := io.WriteString(s, chunk(strings.Repeat(delta, 100))); err != nil {
				close(gone)
				return
			}
		}
	})
	r := newRig(t, p.upstream("a"))
	r.gen.Timeouts.ClientWrite = 50 * time.Millisecond
	r.start()
	r.dial().send(post("/v1/messages", helloStream))
	<-gone
	want(t, "status", r.ledger.wait(t, 1)[0].Status, 499)
}

// TestARowCountsWhatAClientGot: a client that is given up reads then what the network took for it.
func TestARowCountsWhatAClientGot(t *testing.T) {
	for name, said := range map[string]string{"short chunks": strings.Repeat(delta, 100), "long chunks": "data: " + strings.Repeat("x", 500_000) + "\n\n"} {
		p := plays(t, func(s *stage) {
			s.next()
			s.say(eventHead + chunk(start))
			for err := error(nil); err == nil; {
				_, err = io.WriteString(s, chunk(said))
			}
		})
		r := newRig(t, p.upstream("a"))
		r.gen.Timeouts.ClientWrite = 50 * time.Millisecond
		c := r.start().dial().send(post("/v1/messages", helloStream))
		row := r.ledger.wait(t, 1)[0]
		if got := c.read("POST"); row.BytesOut != int64(len(got.body)) || got.err == nil {
			t.Errorf("%s: the row counts %d bytes, and the client got %d, %v", name, row.BytesOut, len(got.body), got.err)
		}
	}
}

func TestAPanicIsAnAnswerAndAnEnd(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1"))
	r.filter(func(*engine.RequestContext, *engine.Principal, []engine.UpstreamCandidate) (engine.FilterOutput, error) {
		panic("boom")
	})
	r.start()
	got := r.do(post("/v1/messages", hello))
	want(t, "code", got.code(), "500 internal")
	if strings.Contains(got.body, "boom") {
		t.Errorf("the answer tells: %s", got.body)
	}
	want(t, "row", r.ledger.wait(t, 1)[0].Code, engine.CodeInternal)
}

func TestAPanicInTheMiddleOfAnAnswerEndsIt(t *testing.T) {
	r := newRig(t, plays(t, rough(eventHead+chunk(start)+chunk("event: error\ndata: {}\n\n")+lastChunk)).upstream("a"))
	r.gen.Upstreams[0].Dialect = &engine.DialectSlot{Dialect: panicking{}, Script: "x.star", Meter: &engine.Meter{}}
	r.start()
	b, _ := io.ReadAll(r.dial().send(post("/v1/messages", helloStream)).nc)
	if strings.HasSuffix(string(b), lastChunk) {
		t.Errorf("it ends cleanly: %q", b)
	}
	want(t, "row", r.ledger.wait(t, 1)[0].Code, engine.CodeInternal)
}

type panicking struct{ engine.Passthrough }

func (panicking) NormalizeError(int, engine.Headers, []byte) (*engine.NormalizedError, error) {
	panic("boom")
}
