package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/engine"
)

// rough plays an upstream that reads one request a connection, says text and closes.
func rough(text string) func(*stage) {
	return func(s *stage) {
		s.next()
		s.say(text)
	}
}

func TestAnAnswerOfAnyFramingArrivesToTheLetter(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 9000)
	f := func(name, answer, want string) {
		t.Helper()
		r := newRig(t, plays(t, rough(answer)).upstream("a")).start()
		got := r.do(post("/v1/messages", hello))
		if got.StatusCode != 200 || got.body != want || got.err != nil {
			t.Errorf("%s: %s, %d bytes, %v; want %d bytes", name, got.code(), len(got.body), got.err, len(want))
		}
		row := r.ledger.wait(t, 1)[0]
		if row.Status != 200 || row.Code != "" || row.BytesOut != int64(len(want)) {
			t.Errorf("%s: row %d %q with %d bytes", name, row.Status, row.Code, row.BytesOut)
		}
	}
	f("length", ok(text), text)
	f("no bytes", ok(""), "")
	f("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk(text[:10])+chunk(text[10:])+lastChunk, text)
	f("chunks with extensions and trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0;c\r\nX-T: 1\r\n\r\n", "abc")
	f("until the end", "HTTP/1.1 200 OK\r\n\r\n"+text, text)
	f("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"+text, text)
	f("after 1xx", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"+ok(text), text)
}

func TestAnswersWithoutABodyHaveNone(t *testing.T) {
	f := func(method, answer string, status int, length string) {
		t.Helper()
		r := newRig(t, plays(t, answers(answer)).upstream("a")).start()
		c := r.dial()
		for range 2 { // the second shows that the framing of the first was right
			got := c.send(bare(method)).read(method)
			if got.StatusCode != status || got.body != "" || got.Header.Get("Content-Length") != length {
				t.Errorf("%s %q: got %d %q, length %q", method, answer, got.StatusCode, got.body, got.Header.Get("Content-Length"))
			}
		}
		for _, row := range r.ledger.wait(t, 2) {
			want(t, method+" row", row.Status, status)
			want(t, method+" code", row.Code, "")
		}
	}
	f("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 200, "12")
	f("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, "")
	f("HEAD", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, "0")
	f("DELETE", "HTTP/1.1 204 No Content\r\n\r\n", 204, "")
	f("GET", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", 304, "")
	f("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "0")
}

func bare(method string) string { return request(method, "/v1/files/x", "", "x-api-key: alice-key") }

func TestAnswerHeadersPassButForWhatIsTheHops(t *testing.T) {
	p := plays(t, answers(ok("{}", "Anthropic-Organization-Id: org", "retry-after: 3", "x-should-retry: true", "X-Same: 1", "x-same: 2", "X-Same: 3",
		"anthropic-ratelimit-unified-5h-utilization: 0.5", "Set-Cookie: _cfuvid=x", "set-cookie: b=2", "CF-Ray: 1", "cf-cache-status: x",
		"x-sluice-error: forged", "X-Sluice-Request-Id: forged", "Connection: keep-alive, X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5",
		"Server: cloudflare", "Via: 1.1 x", "Date: Mon, 01 Jan 2024 00:00:00 GMT", "Proxy-Authenticate: x", "Upgrade: h2c", "Location: /elsewhere")))
	r := newRig(t, p.upstream("a")).start()
	c := r.dial().send(post("/v1/messages", hello))
	var raw strings.Builder
	resp, err := http.ReadResponse(newTee(c, &raw), &http.Request{Method: "POST"})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	head, _, _ := strings.Cut(raw.String(), "\r\n\r\n")
	id := r.ledger.wait(t, 1)[0].RequestID
	var kept []string
	for _, line := range strings.Split(head, "\r\n") {
		if !strings.HasPrefix(line, "Date: ") {
			kept = append(kept, line)
		}
	}
	want(t, "head", strings.Join(kept, "\n"), strings.Join([]string{"HTTP/1.1 200 OK", "Content-Length: 2", "Content-Type: application/json",
		"Anthropic-Organization-Id: org", "retry-after: 3", "x-should-retry: true", "X-Same: 1", "x-same: 2", "X-Same: 3",
		"anthropic-ratelimit-unified-5h-utilization: 0.5", "Server: cloudflare", "Via: 1.1 x", "Location: /elsewhere", "request-id: " + id}, "\n"))
}

func TestErrorsAndRedirectsOfAnUpstreamPassUnchanged(t *testing.T) {
	f := func(status, body string, headers ...string) {
		t.Helper()
		answer := strings.Replace(ok(body, headers...), "200 OK", status, 1)
		r := newRig(t, plays(t, answers(answer)).upstream("a")).start()
		got := r.do(post("/v1/messages", hello))
		if !strings.HasPrefix(status, got.Status[:3]) || got.body != body || got.Header.Get("x-sluice-error") != "" {
			t.Errorf("%s: got %s %q", status, got.code(), got.body)
		}
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			want(t, name, got.Header.Get(name), value)
		}
	}
	f("301 Moved", "x", "Location: http://127.0.0.1:1/")
	f("307 Moved", "", "Location: /other")
	f("400 Bad", `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long"},"request_id":"req_1"}`, "request-id: req_1")
	f("429 Slow", "{}", "retry-after: 7", "x-should-retry: true")
	f("502 Bad", "<html>")
	f("529 Overloaded", `{"type":"error"}`, "request-id: req_2")
}

// TestAnAnswerThatAsksForALongWaitIsNotRetried: whatever the upstream says of it, and in whatever letters.
func TestAnAnswerThatAsksForALongWaitIsNotRetried(t *testing.T) {
	f := func(retry, line string, headers ...string) {
		t.Helper()
		r := newRig(t, plays(t, answers("HTTP/1.1 "+line+"\r\n"+lines(headers)+"Content-Length: 2\r\n\r\n{}")).upstream("a")).start()
		got := r.do(post("/v1/messages", hello))
		want(t, fmt.Sprint(line, headers), strings.Join(got.Header.Values("x-should-retry"), " "), retry)
		want(t, fmt.Sprint(line, headers), got.body, "{}")
	}
	f("", "429 Slow", "retry-after: 60")
	f("true", "429 Slow", "retry-after: 60", "X-Should-Retry: true")
	f("false", "429 Slow", "Retry-After: 61")
	f("false", "429 Slow", "retry-after: 18000", "X-Should-Retry: true")
	f("false", "529 Overloaded", "retry-after-ms: 90000", "retry-after: 1")
	f("false", "429 Slow", "retry-after: "+time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	f("", "429 Slow", "retry-after: "+time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
	f("", "200 OK", "retry-after: 90")
}

func TestACutAnswerDoesNotEndCleanly(t *testing.T) {
	f := func(name, answer string) {
		t.Helper()
		r := newRig(t, plays(t, rough(answer)).upstream("a")).start()
		c := r.dial().send(post("/v1/messages", hello))
		b, err := io.ReadAll(c.nc)
		if strings.HasSuffix(string(b), "0\r\n\r\n") || strings.Contains(string(b), "0123456789") && strings.Contains(string(b), "Content-Length: 10\r") {
			t.Errorf("%s: it ends cleanly: %q, %v", name, b, err)
		}
		if len(b) > 0 {
			resp, err := http.ReadResponse(newReader(string(b)), nil)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
			}
			if err == nil {
				t.Errorf("%s: a client takes it for whole: %q", name, b)
			}
		}
		row := r.ledger.wait(t, 1)[0]
		want(t, name, row.Status, 200)
		want(t, name, row.Code, engine.CodeUpstreamUnreachable)
	}
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	f("length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
	f("length, many bytes", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 60000))
	f("between chunks", chunked+chunk("0123456789"))
	f("in a chunk", chunked+"20\r\n0123456789")
	f("in a chunk's size", chunked+chunk("0123456789")+"2")
	f("before the last line", chunked+chunk("0123456789")+"0\r\n")
	f("malformed", chunked+chunk("0123456789")+"zz\r\n")
	f("bare LF", chunked+chunk("0123456789")+"0\n\n")
}

func TestTheWireOfAConnectionSurvivesAnything(t *testing.T) {
	// One client connection, many answers of different framings: each is whole, and none leaks into the next.
	answers := []string{ok("one"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("two") + lastChunk,
		eventHead + chunk(start+stop) + lastChunk, "HTTP/1.1 204 No Content\r\n\r\n", ok("five")}
	bodies := []string{"one", "two", start + stop, "", "five"}
	p := plays(t, func(s *stage) {
		for _, a := range answers {
			s.next()
			s.say(a)
		}
	})
	r := newRig(t, p.upstream("a")).start()
	c := r.dial()
	for _, b := range bodies {
		want(t, "body", c.send(post("/v1/messages", hello)).read("POST").body, b)
	}
	want(t, "connections upstream", p.conns(), 1)
}

func TestPipelinedRequestsAreAnsweredInOrderAndAtOnce(t *testing.T) {
	f := func(answer func(path string) string) {
		t.Helper()
		second := make(chan struct{})
		p := plays(t, func(s *stage) {
			for {
				req, more := s.next()
				switch {
				case !more:
					return
				case strings.Contains(req, "/v1/two"):
					<-second
				}
				path, _, _ := strings.Cut(strings.TrimPrefix(req, "POST "), " ")
				s.say(answer(path))
			}
		})
		r := newRig(t, p.upstream("a")).start()
		c := r.dial().send(post("/v1/one", "{}"), post("/v1/two", "{}"), post("/v1/three", "{}"))
		expect := func(path string) {
			t.Helper()
			if got := c.read("POST"); got.err != nil || !strings.Contains(got.body, path) {
				t.Errorf("got %q, %v, want the answer to %s", got.body, got.err, path)
			}
		}
		expect("/v1/one") // while the second is not answered
		close(second)
		expect("/v1/two")
		expect("/v1/three")
		r.ledger.wait(t, 3)
	}
	f(func(path string) string { return ok(path) })
	f(func(path string) string { return eventHead + chunk(start+": "+path+"\n\n"+stop) + lastChunk })
}

func TestAClientOfHTTP10GetsNoChunks(t *testing.T) {
	old := strings.Replace(post("/v1/messages", hello), "HTTP/1.1", "HTTP/1.0", 1)
	f := func(answer, body string, exact, clean bool) {
		t.Helper()
		r := newRig(t, plays(t, rough(answer)).upstream("a")).start()
		b, err := io.ReadAll(r.dial().send(old).nc)
		head, got, _ := strings.Cut(string(b), "\r\n\r\n")
		if !strings.HasPrefix(got, body) || exact && got != body || strings.Contains(strings.ToLower(head), "transfer-encoding") || !strings.Contains(head, "onnection: close") {
			t.Errorf("%q: got %q", answer, b)
		}
		if (err == nil) != clean {
			t.Errorf("%q: the end is %v, clean is %v", answer, err, clean)
		}
		r.ledger.wait(t, 1)
	}
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	f(ok("{}"), "{}", true, true)
	f(chunked+chunk("abc")+lastChunk, "abc", true, true)
	f(chunked+chunk("abc"), "", false, false)
	f(eventHead+chunk(start+stop)+lastChunk, start+stop, true, true)
	f(eventHead+chunk(start), start+"event: error\n", false, true)
	old = strings.Replace(bare("HEAD"), "HTTP/1.1", "HTTP/1.0", 1)
	f(chunked, "", true, true)
	f("HTTP/1.1 200 OK\r\n\r\n", "", true, true)
}

func TestUsageIsReadFromTheAnswer(t *testing.T) {
	f := func(answer string, want engine.Usage) {
		t.Helper()
		r := newRig(t, plays(t, rough(answer)).upstream("a")).start()
		r.do(post("/v1/messages", hello))
		if got := r.ledger.wait(t, 1)[0].Usage; got != want {
			t.Errorf("%s: got %+v, want %+v", answer, got, want)
		}
	}
	f(ok(`{"content":[{"usage":1}],"usage":{"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":3,"cache_read_input_tokens":4}}`),
		engine.Usage{Known: true, InputTokens: 1, OutputTokens: 2, CacheCreationInputTokens: 3, CacheReadInputTokens: 4})
	f(ok(`{"usage":{"input_tokens":null,"output_tokens":2}}`), engine.Usage{Known: true, OutputTokens: 2})
	f(ok(`{"usage":null}`), engine.Usage{})
	f(ok(`{}`), engine.Usage{})
	f(ok(`not json`), engine.Usage{})
	f(ok(`{"usage":{"input_tokens":"many"}}`), engine.Usage{})
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk(`{"usage":{"inp`)+chunk(`ut_tokens":5}}`)+lastChunk, engine.Usage{Known: true, InputTokens: 5})
	f(eventHead+chunk(start+delta+usage+stop)+lastChunk, engine.Usage{Known: true, InputTokens: 7, OutputTokens: 9, CacheReadInputTokens: 3})
	f(eventHead+chunk(start+delta), engine.Usage{Known: true, InputTokens: 7, OutputTokens: 1, CacheReadInputTokens: 3})
	f(strings.Replace(ok(`{"usage":{"input_tokens":1}}`), "200", "400", 1), engine.Usage{})
}

func TestTheTimesOfARequestAreTold(t *testing.T) {
	r := newRig(t, plays(t, answers(ok("{}"))).upstream("a")).start()
	before := time.Now()
	r.do(post("/v1/messages", hello))
	row := r.ledger.wait(t, 1)[0]
	tm := row.Timings
	if row.Started.Before(before.Add(-time.Second)) || tm.Body <= 0 || tm.Decide <= 0 || tm.TTFB < tm.Decide || tm.Duration < tm.TTFB {
		t.Errorf("started %s, %+v", row.Started, tm)
	}
	want(t, "bytes in", row.BytesIn, int64(len(hello)))
	want(t, "generation", row.Generation, 1)
	want(t, "upstream", row.Upstream, "a")
	want(t, "attempts", len(row.Trace.Attempts), 1)
}
