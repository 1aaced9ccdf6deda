package proxy_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sluice/engine"
)

const aliceKey = "x-api-key: alice-key"

// smuggled is a request that hides behind another. No upstream may ever see it.
const smuggled = "POST /v1/smuggled HTTP/1.1\r\nHost: sluice.test\r\n" + aliceKey + "\r\nContent-Length: 2\r\n\r\n{}"

// head is the head of a POST of alice's without its end: what it says of a body is left to the lines.
func head(lines ...string) string {
	return "POST /v1/messages HTTP/1.1\r\nHost: sluice.test\r\n" + aliceKey + "\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// TestAHostileHeadEndsItsConnectionAndNothingElse: whatever stands behind it is not looked at, and the bystander has his stream.
func TestAHostileHeadEndsItsConnectionAndNothingElse(t *testing.T) {
	t.Parallel()
	p := plays(t, answers(ok("{}")))
	r, bob := withBystander(t, p.upstream("hers"))
	r.start()
	bob.open(t)
	n := 0
	f := func(raw string) {
		t.Helper()
		c := r.dial().send(raw + smuggled)
		row(engine.CodeBadRequest, 400, "invalid_request_error", "connection: close").check(t, c, c.read("POST"))
		c.nc.Close()
		if n++; t.Failed() {
			t.Fatalf("after %.80q", raw)
		}
	}
	f(head(strings.Repeat("X: y\r\n", 10_000) + "Content-Length: 2"))
	f(head("X: "+strings.Repeat("y", 1<<20), "Content-Length: 2"))
	f(head(strings.Repeat("x", 1<<20)+": y", "Content-Length: 2"))
	f(strings.Replace(head("Content-Length: 2"), "/v1/messages", "/"+strings.Repeat("x", 1<<20), 1))
	for _, bad := range []string{"X: a\x00b", "X\x00Y: b", "X: a\rb", "X: a\x7fb", "X\xff: b", "X : b", " X: b", "\tX: b", ": b",
		"X", "X;y: b", "X: a\r\n\tb"} {
		f(head(bad, "Content-Length: 2"))
	}
	for _, length := range []string{"+2", "-2", "0x2", "2 2", "2, 2", "2;", "", "99999999999999999999", "2\r\nContent-Length: 2",
		"2\r\ncontent-length: 3"} {
		f(head("Content-Length: " + length))
	}
	for _, coding := range []string{"chunked\r\nContent-Length: 2", "gzip", "gzip, chunked", "chunked, chunked",
		"chunked\r\ntransfer-encoding: chunked", "xchunked",
		"\x0bchunked", "chunked\r\nTransfer-Encoding: identity", "identity", "chunked;q=1", ""} {
		f(head("Transfer-Encoding: " + coding))
	}
	f(head("Content-Length: 2", "Transfer-Encoding: chunked"))
	f(head("Transfer-Encoding : chunked"))
	f(strings.Replace(head("Transfer-Encoding: chunked"), "HTTP/1.1", "HTTP/1.0", 1))
	for _, line := range []string{"PRI * HTTP/2.0", "OPTIONS * HTTP/1.1", "CONNECT up.test:443 HTTP/1.1", "TRACE / HTTP/1.1",
		"GET /", "GET  / HTTP/1.1",
		"GET / HTTP/1.1 ", "GET / http/1.1", "GET / HTTP/11", "G\x00T / HTTP/1.1", "<GET> / HTTP/1.1", "get / HTTP/1.1",
		strings.Repeat("G", 5000) + " / HTTP/1.1",
		" / HTTP/1.1", "GET http://sluice.test/v1/models HTTP/1.1", "GET \\v1\\models HTTP/1.1", "GET v1 HTTP/1.1",
		"GET /\x00 HTTP/1.1", "220 smtp.test ESMTP"} {
		f(line + "\r\nHost: sluice.test\r\n" + aliceKey + "\r\n\r\n")
	}
	f("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 garbage \n of a TLS hello\r\n\r\n")
	bob.finish(t)
	for _, row := range bob.rowsBut(t, n) {
		want(t, "row", fmt.Sprint(row.Status, row.Code), "400bad_request")
	}
	want(t, "requests upstream", len(p.requests()), 0)
}

func TestAHostileChunkIsRefusedAndNothingBehindItIsServed(t *testing.T) {
	t.Parallel()
	p := plays(t, answers(ok("{}")))
	r, bob := withBystander(t, p.upstream("hers"))
	r.start()
	bob.open(t)
	n := 0
	f := func(code engine.Code, rest string) {
		t.Helper()
		c := r.dial().send(chunkedPost + rest + smuggled)
		if got := c.read("POST"); got.Header.Get("x-sluice-error") != string(code) || !got.Close || !c.ended() {
			t.Errorf("%.60q: got %s, close %v, want %s and the end", rest, got.code(), got.Close, code)
		}
		c.nc.Close()
		n++
	}
	for _, rest := range []string{"\r\n", "g\r\n", " 2\r\n{}\r\n" + lastChunk, "+2\r\n{}\r\n" + lastChunk, "-2\r\n{}\r\n",
		"0x2\r\n{}\r\n" + lastChunk, "2\n{}\r\n" + lastChunk,
		"2\r\n{}\n" + lastChunk, "2\r\n{}}\r\n" + lastChunk, "10000000000000000\r\n{}\r\n", "fffffffffffffffff\r\n",
		"2 2\r\n{}\r\n" + lastChunk, "2;a\nb\r\n{}\r\n" + lastChunk,
		strings.Repeat("0", 5000) + "2\r\n{}\r\n" + lastChunk, chunk("{}") + "0\r\nno trailer\r\n\r\n",
		chunk("{}") + "0\r\nContent-Length: 2\r\n\r\n",
		chunk("{}") + "0\r\nX: \x00\r\n\r\n", chunk("{}") + "0\r\nX: " + strings.Repeat("y", 100_000) + "\r\n\r\n"} {
		f(engine.CodeBadRequest, rest)
	}
	f(engine.CodeBodyTooLarge, "7fffffff\r\n"+strings.Repeat(" ", 2<<20))
	f(engine.CodeBodyTooLarge, strings.Repeat(chunk(strings.Repeat(" ", 1000)), 2000))
	bob.finish(t)
	bob.rowsBut(t, n)
	want(t, "requests upstream", len(p.requests()), 0)
}

// TestARequestHidesInNoBody: a body belongs to the request that announces it, whatever its method.
func TestARequestHidesInNoBody(t *testing.T) {
	t.Parallel()
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a")).start()
	n := 0
	f := func(method, path string) {
		t.Helper()
		c := r.dial().send(request(method, path, smuggled, aliceKey), request("HEAD", "/api/hello", ""))
		want(t, method, c.read(method).StatusCode, 200)
		want(t, method+" and the next", c.read("HEAD").StatusCode, 200)
		sent := p.requests()
		if n++; len(sent) != n || !strings.HasPrefix(sent[n-1], method+" "+path+" ") || !strings.HasSuffix(sent[n-1], "\r\n\r\n"+smuggled) {
			t.Errorf("%s: %d requests went upstream, the last %q", method, len(sent), sent[len(sent)-1])
		}
	}
	f("GET", "/v1/files")
	f("DELETE", "/v1/files/x")
	f("PUT", "/v1/files/x")
	f("POST", "/v1/files")
	f("OPTIONS", "/v1/files")
	f("PATCH", "/v1/files/x")
	f("X!#$%&'*+-.^_`|~", "/v1/files/x")
}

// drip writes text over and over, a byte at a time, until the other side has had enough. It ends before the test does.
func (c *client) drip(text string) *client {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			if _, err := io.WriteString(c.nc, text[i%len(text):i%len(text)+1]); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	c.t.Cleanup(func() {
		c.nc.Close()
		<-done
	})
	return c
}

func TestAClientThatDripsRunsOutOfTime(t *testing.T) {
	t.Parallel()
	f := func(name, raw, drips string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, bob := withBystander(t, upstream("hers", "http://127.0.0.1:1"))
			r.gen.Timeouts.ClientHeader, r.gen.Timeouts.ClientBody = 60*time.Millisecond, 60*time.Millisecond
			r.start()
			bob.open(t)
			c := r.dial().send(raw).drip(drips)
			row(engine.CodeClientTimeout, 400, "invalid_request_error", "connection: close").check(t, c, c.read("POST"))
			bob.finish(t)
			want(t, "row", bob.rowsBut(t, 1)[0].Code, engine.CodeClientTimeout)
		})
	}
	f("request line", "POST /", "x")
	f("header name", "POST / HTTP/1.1\r\nHost: x\r\n", "x")
	f("header value", "POST / HTTP/1.1\r\nHost: ", "x")
	f("header lines", "POST / HTTP/1.1\r\n", "X: y\r\n")
	f("body", head("Content-Length: 1000000")+"{", " ")
	f("body in chunks", chunkedPost, chunk(" "))
	f("size of a chunk", chunkedPost, "0")
	f("trailer", chunkedPost+chunk("{}")+"0\r\n", "X: y\r\n")
}

// TestHalfRequestsHoldUpNobody: a head that is not whole takes no place among the streams.
func TestHalfRequestsHoldUpNobody(t *testing.T) {
	t.Parallel()
	r, bob := withBystander(t, plays(t, answers(ok("{}"))).upstream("hers"))
	r.gen.Limits.Streams = 2 // bob and one more
	r.start()
	bob.open(t)
	var halves []*client
	for range 200 {
		halves = append(halves, r.dial().send("POST /v1/messages HTTP/1.1\r\nHost: sluice.test\r\nX: "))
	}
	want(t, "alice", r.do(post("/v1/messages", hello)).StatusCode, 200)
	for _, c := range halves {
		c.nc.Close()
	}
	bob.finish(t)
}

func TestRequestsBehindAStreamWaitForItsEnd(t *testing.T) {
	t.Parallel()
	f := func(next, want string) {
		t.Helper()
		goOn := make(chan struct{})
		p := plays(t, func(s *stage) {
			for {
				req, more := s.next()
				switch {
				case !more:
					return
				case strings.Contains(req, `"stream":true`):
					s.say(eventHead + chunk(start))
					<-goOn
					s.say(chunk(stop) + lastChunk)
				default:
					s.say(ok("{}"))
				}
			}
		})
		r := newRig(t, p.upstream("a")).start()
		c := r.dial().send(post("/v1/messages", helloStream), next)
		stream := c.head("POST")
		if _, err := io.ReadFull(stream.Body, make([]byte, len(start))); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		if rest, err := io.ReadAll(stream.Body); string(rest) != stop || err != nil {
			t.Errorf("the stream ends with %q, %v", rest, err)
		}
		if got := c.read("POST").code(); got != want {
			t.Errorf("behind it %.60q: got %s, want %s", next, got, want)
		}
		r.ledger.wait(t, 2)
	}
	f(post("/v1/messages", hello), "200 ")
	f(post("/v1/messages", helloStream), "200 ")
	f(request("POST", "/v1/messages", hello), "401 bad_key")
	f(head("Content-Length: 2\r\nContent-Length: 3"), "400 bad_request")
}

func TestTLSOnAPlainPortIsToldSo(t *testing.T) {
	t.Parallel()
	r, bob := withBystander(t, upstream("hers", "http://127.0.0.1:1"))
	r.gen.Timeouts.ClientHeader = time.Hour // a hello without a line feed looks like a head that goes on
	r.start()
	bob.open(t)
	var none tls.RecordHeaderError
	err := tls.Client(r.dial().nc, &tls.Config{ServerName: "localhost"}).Handshake()
	if !errors.As(err, &none) || string(none.RecordHeader[:]) != "HTTP/" {
		t.Errorf("the handshake ended in %v, want an answer in plain HTTP", err)
	}
	c := r.dial().send("\x16\x03\x01\x02\x00\x01")
	got := c.read("POST")
	row(engine.CodeBadRequest, 400, "invalid_request_error", "connection: close").check(t, c, got)
	want(t, "the message tells", strings.Contains(got.body, "this listener speaks plain HTTP: ask it by http"), true)
	c.nc.Close()
	bob.finish(t)
	want(t, "row", bob.rowsBut(t, 2)[0].Code, engine.CodeBadRequest)
}

func TestPlainHTTPOnATLSPortIsToldSo(t *testing.T) {
	t.Parallel()
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a"))
	cert, der := selfSigned(t)
	r.options.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	r.start()
	secure := newClient(t, tls.Client(r.dial().nc, &tls.Config{RootCAs: roots(der), ServerName: "localhost"}))
	want(t, "before", secure.send(post("/v1/messages", hello)).read("POST").StatusCode, 200)
	for _, raw := range []string{"\x16\x03\x01\x00\x05hello", "\x80\x2e\x01\x00\x02", strings.Repeat("\x00", 1000)} {
		b, err := io.ReadAll(r.dial().send(raw).nc)
		var late net.Error
		if strings.Contains(string(b), "HTTP") || errors.As(err, &late) && late.Timeout() {
			t.Errorf("%.20q: got %q, %v, want the end", raw, b, err)
		}
	}
	for _, raw := range []string{post("/v1/messages", hello), post("/v1/files", strings.Repeat("x", 1<<20)),
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} {
		c := r.dial().send(raw)
		got := c.read("POST")
		row(engine.CodeBadRequest, 400, "invalid_request_error", "connection: close").check(t, c, got)
		want(t, "the message tells", strings.Contains(got.body, "https"), true)
		c.nc.Close()
	}
	want(t, "after", secure.send(post("/v1/messages", hello)).read("POST").StatusCode, 200)
	want(t, "requests upstream", len(p.requests()), 2)
	r.ledger.wait(t, 2)
}

func TestAnExpectationInAnySpellingIsRefusedWithTheRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	for _, lines := range []string{"Expect: 100-continue", "expect: x\r\nExpect: 100-continue",
		"Expect: 100-continue\r\nEXPECT: 100-continue"} {
		c := r.dial().send("POST /v1/messages HTTP/1.1\r\nHost: sluice.test\r\n", lines, "\r\nContent-Length: 80\r\n\r\n")
		want(t, lines, c.read("POST").code(), "401 bad_key")
		if !c.ended() {
			t.Errorf("%q: the connection goes on", lines)
		}
	}
}

func TestARefusedClientThatHalfClosedGetsItsAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	for _, raw := range []string{request("POST", "/v1/messages", hello), post("/v1/messages", "{"), headless("/v1/messages"),
		"nonsense\r\n\r\n"} {
		c := r.dial().send(raw)
		if err := c.nc.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := c.read("POST"); got.StatusCode/100 != 4 || got.err != nil || !strings.HasPrefix(got.body, `{"type":"error"`) {
			t.Errorf("%.40q: got %s %q, %v", raw, got.code(), got.body, got.err)
		}
	}
	r.ledger.wait(t, 4)
}

// TestALargeAnswerThatNobodyReadsIsGivenUp: as a stream is, and its upstream learns of it.
func TestALargeAnswerThatNobodyReadsIsGivenUp(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	r, bob := withBystander(t, plays(t, func(s *stage) {
		s.next()
		s.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
		for piece := strings.Repeat("x", 64<<10); ; {
			if _, err := io.WriteString(s, piece); err != nil {
				close(gone)
				return
			}
		}
	}).upstream("hers"))
	r.gen.Timeouts.ClientWrite = 100 * time.Millisecond
	r.start()
	bob.open(t)
	r.dial().send(post("/v1/messages", hello))
	<-gone
	bob.finish(t)
	row := bob.rowsBut(t, 1)[0]
	want(t, "row", fmt.Sprint(row.Status, row.Code), "499client_gone")
}

// TestWhereAChunkedBodyStopsDoesNotMatter: in data, in a size, in a line's end or in a trailer, a client that stops is late, and one
// that leaves is gone.
func TestWhereAChunkedBodyStopsDoesNotMatter(t *testing.T) {
	t.Parallel()
	r := newRig(t, upstream("a", "http://127.0.0.1:1"))
	r.gen.Timeouts.ClientBody = 30 * time.Millisecond
	r.start()
	left := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	whole := "2;x=y\r\n{}\r\n0\r\nX: y\r\n\r\n"
	for n := 0; n < len(whole); n++ {
		want(t, fmt.Sprintf("stopped after %q", whole[:n]), r.do(chunkedPost+whole[:n]).code(), "400 client_timeout")
		left.dial().send(chunkedPost + whole[:n]).nc.Close()
		want(t, fmt.Sprintf("left after %q", whole[:n]), left.ledger.wait(t, n+1)[n].Code, engine.CodeClientGone)
	}
}

func TestAClientThatLeavesBeforeItsRequestIsWholeIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	for n, raw := range []string{"P", "POST /v1/messages HTTP/1.1\r\nHo", head("Content-Length: 80"), chunkedPost} {
		r.dial().send(raw).nc.Close()
		row := r.ledger.wait(t, n+1)[n]
		want(t, raw, fmt.Sprint(row.Status, row.Code), "499client_gone")
	}
}
