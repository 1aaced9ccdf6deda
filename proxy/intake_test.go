package proxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const chunkedPost = "POST /v1/messages HTTP/1.1\r\nHost: sluice.test\r\nx-api-key: alice-key\r\nTransfer-Encoding: chunked\r\n\r\n"

func TestABodyOfAnyFramingArrivesWhole(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a")).start()
	big := strings.Replace(hello, "hi", strings.Repeat("h", 700_000), 1)
	n := 0
	f := func(want string, parts ...string) {
		t.Helper()
		c := r.dial()
		for _, part := range parts {
			c.send(part)
		}
		if got := c.read("POST"); got.StatusCode != 200 {
			t.Errorf("%.40s: %s %s", parts, got.code(), got.body)
		}
		n++
		sent := p.requests()
		if _, body, _ := strings.Cut(sent[n-1], "\r\n\r\n"); body != want {
			t.Errorf("%d bytes went upstream, want %d", len(body), len(want))
		}
	}
	f(hello, post("/v1/messages", hello))
	f(hello, "POST /v1/messages HTTP/1.1\r\nHost: a\r\nx-api-key: alice-key\r\nContent-Length: 80\r\n\r\n", hello[:1], hello[1:])
	f(big, post("/v1/messages", big))
	f(hello, chunkedPost, chunk(hello[:5]), chunk(hello[5:]), lastChunk)
	f(big, chunkedPost, chunk(big[:300_000]), chunk(big[300_000:]), "0\r\nX-Trailer: 1\r\n\r\n")
	f(hello, strings.Replace(post("/v1/messages", hello), "Host: a", "Expect: x", 1))
}

func TestExpectIsAnsweredAndNotForwarded(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a")).start()
	for _, name := range []string{"Expect", "expect", "EXPECT"} {
		whole := post("/v1/messages", hello, name+": 100-continue")
		c := r.dial().send(strings.TrimSuffix(whole, hello))
		want(t, name, c.head("POST").StatusCode, 100)
		want(t, name, c.send(hello).read("POST").StatusCode, 200)
	}
	for _, sent := range p.requests() {
		if strings.Contains(strings.ToLower(sent), "expect") {
			t.Errorf("it went upstream:\n%s", sent)
		}
	}
}

func TestABodyOverTheCapIsRefusedByItsPath(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a"))
	r.gen.Limits.Body, r.gen.Limits.FilesBody = 1000, 2000
	r.start()
	f := func(want, path string, size int) {
		t.Helper()
		body := strings.Repeat("-", size)
		if got := r.do(post(path, body)); got.code() != want {
			t.Errorf("%s, %d bytes: got %s, want %s", path, size, got.code(), want)
		}
		chunked := strings.Replace(chunkedPost, "/v1/messages", path, 1) + chunk(body) + lastChunk
		if got := r.do(chunked); got.code() != want {
			t.Errorf("%s, %d bytes in chunks: got %s, want %s", path, size, got.code(), want)
		}
	}
	f("413 body_too_large", "/v1/messages", 1001)
	f("400 bad_body", "/v1/messages", 1000)
	f("200 ", "/v1/files", 2000)
	f("200 ", "/v1/files/x", 2000)
	f("413 body_too_large", "/v1/files", 2001)
	f("413 body_too_large", "/v1/filesystem", 1001)
}

// All bodies together may be bounded as narrowly as one: a body in chunks holds no more than it may have.
func TestABodyInChunksHoldsNoMoreThanItsCap(t *testing.T) {
	f := func(size int, want string) {
		t.Helper()
		r := newRig(t, upstream("a", "http://127.0.0.1:1"))
		r.gen.Limits.Body, r.gen.Limits.BodiesTotal = 1000, 1000
		if got := r.start().do(chunkedPost + chunk(strings.Repeat("-", size)) + lastChunk); got.code() != want {
			t.Errorf("%d bytes: got %s, want %s", size, got.code(), want)
		}
	}
	f(60, "400 bad_body")
	f(1000, "400 bad_body")
	f(1001, "413 body_too_large")
	f(5000, "413 body_too_large")
}

func TestARefusedClientGetsItsAnswerWhileItStillSends(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1"))
	r.gen.Limits.Body = 16 << 20
	r.start()
	body := strings.Repeat("x", 8<<20)
	got := r.do(request("POST", "/v1/messages", body, "x-api-key: wrong"))
	want(t, "by the head", got.code(), "401 bad_key")
	r2 := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	got = r2.do(chunkedPost + chunk(body) + lastChunk)
	want(t, "by the size", got.code(), "413 body_too_large")
}

func TestASlowBodyTimesOut(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1"))
	r.gen.Timeouts.ClientBody = 30 * time.Millisecond
	r.start()
	f := func(raw string) {
		t.Helper()
		c := r.dial().send(raw)
		got := c.read("POST")
		want(t, raw, got.code(), "400 client_timeout")
		if !c.ended() {
			t.Errorf("%q: the connection goes on", raw)
		}
	}
	f(headless("/v1/messages", "x-api-key: alice-key"))
	f(headless("/v1/messages", "x-api-key: alice-key") + "{")
	f(chunkedPost)
	f(chunkedPost + "5\r\n{")
	r.ledger.wait(t, 4)
}

func TestAClientThatLeavesInItsBodyIsGone(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a")).start()
	n := 0
	f := func(raw string) {
		t.Helper()
		r.dial().send(raw).nc.Close()
		n++
		row := r.ledger.wait(t, n)[n-1]
		want(t, raw, row.Status, 499)
		want(t, raw, row.Code, "client_gone")
	}
	f(headless("/v1/messages", "x-api-key: alice-key") + "{")
	f(chunkedPost + "5\r\n{")
	f(chunkedPost + chunk(hello))
	want(t, "sent upstream", len(p.requests()), 0)
}

// TestAClientThatOnlyHalfCloses may listen still: it is told in a form of the API, though its row says that it left.
func TestAClientThatOnlyHalfClosesIsTold(t *testing.T) {
	p := plays(t, func(s *stage) {
		s.next()
		s.next() // until the gateway leaves
	})
	r := newRig(t, p.upstream("a")).start()
	for n, raw := range []string{headless("/v1/messages", "x-api-key: alice-key") + "{", chunkedPost + "5\r\n{", chunkedPost + chunk(hello),
		"POST /v1/messages HTTP/1.1\r\nHo", post("/v1/messages", hello)} {
		c := r.dial().send(raw)
		if err := c.nc.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got := c.read("POST")
		if got.code() != "400 bad_request" || !strings.Contains(got.body, `"type":"invalid_request_error"`) || !c.ended() {
			t.Errorf("%.40q: got %s %s", raw, got.code(), got.body)
		}
		row := r.ledger.wait(t, n+1)[n]
		want(t, raw, fmt.Sprint(row.Status, row.Code), "499client_gone")
	}
}

func TestMalformedChunksAreRefused(t *testing.T) {
	r := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	for _, rest := range []string{"zz\r\n", "5\nhello\r\n", "5\r\nhelloX\r\n", "-1\r\n"} {
		want(t, rest, r.do(chunkedPost+chunk(hello)+rest).code(), "400 bad_request")
	}
}

func TestBodiesTogetherStayBelowTheirSum(t *testing.T) {
	hold := make(chan struct{})
	p := plays(t, func(s *stage) {
		s.next()
		<-hold
		s.say(ok("{}"))
	})
	r := newRig(t, p.upstream("a"))
	r.gen.Limits.BodiesTotal = 100 << 10
	r.start()
	large := strings.Replace(hello, "hi", strings.Repeat("h", 60<<10), 1)
	first := r.dial().send(post("/v1/messages", large))
	for len(p.requests()) == 0 {
		time.Sleep(time.Millisecond)
	}
	if got := r.server.Metrics.BodyBytes(); got != int64(len(large)) {
		t.Errorf("%d bytes are counted, want %d", got, len(large))
	}
	got := r.do(post("/v1/messages", large))
	want(t, "known length", got.code(), "529 too_busy")
	want(t, "retry-after", got.Header.Get("retry-after"), "1")
	want(t, "in chunks", r.do(chunkedPost+chunk(large)+lastChunk).code(), "529 too_busy")
	if most := r.server.Metrics.MostBodyBytes(); most < int64(len(large)) || most > r.gen.Limits.BodiesTotal {
		t.Errorf("the most that bodies held was %d bytes, want those of the first, and no more than there may be", most)
	}
	close(hold)
	want(t, "the first", first.read("POST").StatusCode, 200)
	want(t, "after the first", r.do(post("/v1/messages", large)).StatusCode, 200)
	r.ledger.wait(t, 4)
}

func TestOpenStreamsStayBelowTheirLimit(t *testing.T) {
	hold := make(chan struct{})
	p := plays(t, func(s *stage) {
		s.next()
		s.say(eventHead + chunk(start))
		<-hold
		s.say(chunk(stop) + lastChunk)
	})
	r := newRig(t, p.upstream("a"))
	r.gen.Limits.Streams = 1
	r.start()
	first := r.dial().send(post("/v1/messages", helloStream)).head("POST")
	want(t, "second", r.do(post("/v1/messages", hello)).code(), "529 too_busy")
	want(t, "without a body", r.do(request("GET", "/v1/models", "", "x-api-key: alice-key")).code(), "529 too_busy")
	want(t, "open", r.server.Metrics.Streams(), 1)
	close(hold)
	_, _ = io.Copy(io.Discard, first.Body) // whoever has the end may ask again at once
	want(t, "after the first", r.do(post("/v1/messages", helloStream)).StatusCode, 200)
}

// TestAStreamLetsGoOfItsRequest: what a prompt takes is free for others while its answer still comes.
func TestAStreamLetsGoOfItsRequest(t *testing.T) {
	goOn := make(chan struct{})
	p := plays(t, func(s *stage) {
		s.next()
		s.say(eventHead + chunk(start))
		<-goOn
		s.say(chunk(usage+stop) + lastChunk)
	})
	r := newRig(t, p.upstream("a"))
	r.gen.Limits.BodiesTotal = 2000
	r.start()
	large := strings.Replace(helloStream, `"hi"`, `"`+strings.Repeat("x", 1800)+`"`, 1)
	var open []*http.Response
	for range 3 {
		got := r.dial().send(post("/v1/messages", large)).head("POST")
		want(t, "status", got.StatusCode, 200)
		open = append(open, got)
	}
	want(t, "held", r.server.Metrics.BodyBytes(), 0)
	want(t, "held at most", r.server.Metrics.MostBodyBytes(), int64(len(large)))
	want(t, "held since", r.server.Metrics.MostBodyBytes(), 0)
	close(goOn)
	for _, got := range open {
		text, err := io.ReadAll(got.Body)
		want(t, "the answer", string(text), start+usage+stop)
		want(t, "its end", err, error(nil))
	}
	want(t, "row", r.ledger.wait(t, 3)[0].BytesIn, int64(len(large)))
}
