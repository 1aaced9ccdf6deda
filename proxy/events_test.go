package proxy_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/proxy/simulate"
)

// endsIn is the error frame of a stream, without the request's id.
func endsIn(kind, message string) string {
	return fmt.Sprintf("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":%q,\"message\":%q},\"request_id\":\"", kind, message)
}

func TestAWholeStreamPassesByteForByte(t *testing.T) {
	f := func(chunks ...string) {
		t.Helper()
		answer := eventHead
		for _, c := range chunks {
			answer += chunk(c)
		}
		r := newRig(t, plays(t, rough(answer+lastChunk)).upstream("a")).start()
		got := r.do(post("/v1/messages", helloStream))
		if got.body != strings.Join(chunks, "") || got.err != nil {
			t.Errorf("%q: got %q, %v", chunks, got.body, got.err)
		}
		row := r.ledger.wait(t, 1)[0]
		if row.Status != 200 || row.Code != "" || !row.Stream {
			t.Errorf("%q: row %d %q", chunks, row.Status, row.Code)
		}
	}
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	cr := func(s string) string { return strings.ReplaceAll(s, "\n", "\r") }
	f(start, delta, usage, stop)
	f(start + delta + usage + stop)
	f(crlf(start), crlf(delta+stop))
	f(cr(start), cr(stop))
	f(start[:len(start)-1], "\n"+stop[:3], stop[3:])
	f(crlf(start)[:len(start)], crlf(start)[len(start):]+stop)
	f(": comment\n\n", start, "event: unknown_thing\ndata: 1\ndata: 2\n\n", "id: 4\nretry: 3\n\n", stop)
	f(start, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n")
	f(start, stop, ": after\n\n", ": unfinished")
	f(start, "event: x\ndata: "+strings.Repeat("y", 100_000)+"\n\n", stop)
	f(start, "event: x\ndata: "+strings.Repeat("y", 2<<20)+"\n\n"+delta, delta+stop)
	f(start, "data: "+strings.Repeat("y", 2<<20)+"\n\n", stop)
	var bytewise []string
	for _, b := range []byte(start + delta + crlf(delta) + cr(usage) + stop) {
		bytewise = append(bytewise, string(b))
	}
	f(bytewise...)
}

func TestATruncatedStreamEndsInOneError(t *testing.T) {
	f := func(passed string, rest string, chunks ...string) {
		t.Helper()
		answer := eventHead
		for _, c := range chunks {
			answer += chunk(c)
		}
		r := newRig(t, plays(t, rough(answer+rest)).upstream("a")).start()
		c := r.dial()
		got := c.send(post("/v1/messages", helloStream)).read("POST")
		row := r.ledger.wait(t, 1)[0]
		frame := endsIn("api_error", `upstream "a" ended its answer early`) + row.RequestID + "\"}\n\n"
		if got.err != nil || got.body != passed+frame {
			t.Errorf("%q: got %v %q, want %q and the error", chunks, got.err, got.body, passed)
		}
		want(t, "status", row.Status, 200)
		want(t, "code", row.Code, engine.CodeUpstreamUnreachable)
	}
	big := "event: x\ndata: " + strings.Repeat("y", 2<<20)
	f(start, lastChunk, start)
	f(start+delta, "", start, delta)
	f(start, "", start, delta[:20])
	f(start, lastChunk, start, delta[:20])
	f(start, "20\r\nevent: content", start)
	f(start, "zz\r\n", start)
	f(start, "", start, stop[:len(stop)-1])
	f(start, lastChunk, start, "event: message_stop\n")
	f(start+big+"\n\n", "", start, big)
	f(start+"data: {}\n\n", lastChunk, start, "data: {}\n\n")
}

func TestALastEventNeedsNoEmptyLine(t *testing.T) {
	const failure = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n"
	for _, last := range []string{stop, failure} {
		for _, left := range []string{last, last[:len(last)-1], last[:len(last)-2], strings.ReplaceAll(last[:len(last)-1], "\n", "\r\n"), strings.ReplaceAll(last[:len(last)-1], "\n", "\r")} {
			r := newRig(t, plays(t, rough(eventHead+chunk(start+delta+left)+lastChunk)).upstream("a")).start()
			got := r.do(post("/v1/messages", helloStream))
			if plain := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(got.body); got.err != nil || plain != start+delta+last {
				t.Errorf("%q: got %v %q", left, got.err, got.body)
			}
			want(t, "code", r.ledger.wait(t, 1)[0].Code, "")
		}
	}
}

func TestAStreamThatSaidItsLastWordMayBeCut(t *testing.T) {
	r := newRig(t, plays(t, rough(eventHead+chunk(start+stop))).upstream("a")).start()
	got := r.do(post("/v1/messages", helloStream))
	want(t, "body", got.body, start+stop)
	if got.err != nil {
		t.Error(got.err)
	}
	want(t, "code", r.ledger.wait(t, 1)[0].Code, "")
}

func TestOtherStreamsMayEndWithAnyEvent(t *testing.T) {
	f := func(path, answer, body string) {
		t.Helper()
		r := newRig(t, plays(t, rough(answer)).upstream("a")).start()
		if got := r.do(post(path, "{}")); got.body != body && !strings.HasPrefix(got.body, body+"event: error") || strings.HasSuffix(answer, lastChunk) && got.body != body {
			t.Errorf("%s: got %q", path, got.body)
		}
	}
	f("/v1/complete", eventHead+chunk(delta)+lastChunk, delta)
	f("/v1/complete", eventHead+chunk(delta), delta)
	unended := "event: x\r\ndata: {\"a\":1}\r\n"
	f("/v1/complete", eventHead+chunk(delta+unended)+lastChunk, delta+unended)
}

func TestAnEventGoesOutWhenItIsThere(t *testing.T) {
	more := make(chan struct{})
	p := plays(t, func(s *stage) {
		s.next()
		s.say(eventHead)
		for _, e := range []string{start, delta, stop} {
			<-more
			s.say(chunk(e[:10]) + chunk(e[10:]))
		}
		s.say(lastChunk)
	})
	r := newRig(t, p.upstream("a")).start()
	resp := r.dial().send(post("/v1/messages", helloStream)).head("POST") // the head comes before any event
	for _, e := range []string{start, delta, stop} {
		more <- struct{}{}
		b := make([]byte, len(e))
		if _, err := io.ReadFull(resp.Body, b); err != nil || string(b) != e {
			t.Fatalf("got %q, %v", b, err)
		}
	}
}

func TestPingsFillTheSilenceBetweenEvents(t *testing.T) {
	more := make(chan string)
	p := plays(t, func(s *stage) {
		s.next()
		s.say(eventHead)
		for part := range more {
			s.say(part)
		}
	})
	r := newRig(t, p.upstream("a"))
	r.options.PingEvery = 20 * time.Millisecond
	r.options.Transport = wrapping{r.transport}
	r.start()
	resp := r.dial().send(post("/v1/messages", helloStream)).head("POST")
	br := newReaderOf(resp.Body)
	event := func() string {
		var b strings.Builder
		for !strings.HasSuffix(b.String(), "\n\n") {
			line, err := br.ReadString('\n')
			if b.WriteString(line); err != nil {
				t.Fatalf("%q: %v", b.String(), err)
			}
		}
		return b.String()
	}
	// skip reads pings, at least n, until another event comes.
	skip := func(n int) string {
		for i := 0; ; i++ {
			if e := event(); e != pingEvent {
				if i < n {
					t.Errorf("%d pings, want %d", i, n)
				}
				return e
			}
		}
	}
	want(t, "first", event(), pingEvent)
	more <- chunk(start)
	want(t, "start", skip(0), start)
	want(t, "then", event(), pingEvent)
	// Half an event, in the middle of a chunk's size: pings go on, and nothing is lost.
	size := fmt.Sprintf("%x\r\n", len(delta))
	more <- size[:1]
	want(t, "in a chunk's size", event(), pingEvent)
	more <- size[1:] + delta[:12]
	want(t, "in an event", event(), pingEvent)
	want(t, "in an event", event(), pingEvent)
	more <- delta[12:] + "\r"
	want(t, "delta", skip(0), delta)
	more <- "\n" + chunk(stop) + lastChunk
	close(more)
	want(t, "stop", skip(0), stop)
	if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil {
		t.Errorf("after the end: %q, %v", rest, err)
	}
}

// wrapping is a transport around another that wraps the bodies of its answers.
type wrapping struct{ engine.Transport }

func (w wrapping) RoundTrip(ctx context.Context, s engine.Signed) (*engine.Response, error) {
	resp, err := w.Transport.RoundTrip(ctx, s)
	if err == nil {
		resp.Body = struct{ io.ReadCloser }{resp.Body}
	}
	return resp, err
}

func TestNoPingWhereNoEventStreamIs(t *testing.T) {
	p := plays(t, func(s *stage) {
		s.next()
		s.say("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("{"))
		time.Sleep(50 * time.Millisecond)
		s.say(chunk("}") + lastChunk)
	})
	r := newRig(t, p.upstream("a"))
	r.options.PingEvery = time.Millisecond
	r.start()
	want(t, "body", r.do(post("/v1/messages", hello)).body, "{}")
}

func TestAnUpstreamThatStallsIsGivenUp(t *testing.T) {
	ask := func(answer string) (reply, *engine.Record) {
		t.Helper()
		gone := make(chan struct{})
		u := plays(t, func(s *stage) {
			s.next()
			s.say(answer)
			s.gone()
			close(gone)
		}).upstream("a")
		u.Timeouts.Idle = 50 * time.Millisecond
		r := newRig(t, u)
		r.options.PingEvery = 20 * time.Millisecond
		r.start()
		got := r.do(post("/v1/messages", hello))
		row := r.ledger.wait(t, 1)[0]
		want(t, "code", row.Code, engine.CodeUpstreamTimeout)
		<-gone
		return got, row
	}
	for _, rest := range []string{"", "5\r\nev"} {
		got, row := ask(eventHead + chunk(start) + rest)
		frame := endsIn("api_error", `upstream "a": the answer stalled: nothing came for 50ms`) + row.RequestID + "\"}\n\n"
		want(t, "stream", strings.ReplaceAll(got.body, pingEvent, ""), start+frame)
	}
	if got, _ := ask("HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + strings.Repeat("x", 80000)); got.err == nil {
		t.Errorf("an answer of known length ends cleanly with %d bytes", len(got.body))
	}
}

// TestAnUpstreamWaitsForAClientAsLongAsItTakes: while its client takes nothing, nobody reads what the upstream has sent meanwhile.
func TestAnUpstreamWaitsForAClientAsLongAsItTakes(t *testing.T) {
	const size = 24 << 20 // more than the sockets on the way hold
	sent := make(chan struct{})
	u := plays(t, func(s *stage) {
		s.next()
		s.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size) + strings.Repeat("x", size))
		close(sent)
	}).upstream("a")
	u.Timeouts.Idle = 50 * time.Millisecond
	r := newRig(t, u).start()
	c := r.dial().send(post("/v1/messages", hello))
	select {
	case <-sent:
		t.Fatal("nobody had to wait")
	case <-time.After(4 * u.Timeouts.Idle): // that much of silence would be an upstream that stalled
	}
	got := c.read("POST")
	want(t, "length", len(got.body), size)
	want(t, "code", r.ledger.wait(t, 1)[0].Code, "")
}

func TestADialectMayRewordAnErrorEvent(t *testing.T) {
	odd := "event: error\r\ndata: {\"odd\":\r\ndata: 1}\r\n\r\n"
	r := newRig(t, plays(t, rough(eventHead+chunk(start+odd+delta)+chunk(odd[:9])+chunk(odd[9:])+lastChunk)).upstream("a"))
	r.gen.Upstreams[0].Dialect = &engine.DialectSlot{Dialect: rewording{}, Script: "x.star", Meter: &engine.Meter{}}
	r.start()
	got := r.do(post("/v1/messages", helloStream))
	reworded := "event: error\ndata: {\"was\":\ndata: {\"odd\":\ndata: 1}}\n\n"
	want(t, "body", got.body, start+reworded+delta+reworded)
	want(t, "code", r.ledger.wait(t, 1)[0].Code, "")
}

// rewording wraps the data of error events.
type rewording struct{ engine.Passthrough }

func (rewording) NormalizeError(status int, _ engine.Headers, body []byte) (*engine.NormalizedError, error) {
	if status != 0 {
		return nil, nil
	}
	return &engine.NormalizedError{Body: []byte("{\"was\":\n" + string(body) + "}")}, nil
}

// wording has one answer to every error.
type wording struct {
	engine.Passthrough
	body string
}

func (w wording) NormalizeError(int, engine.Headers, []byte) (*engine.NormalizedError, error) {
	return &engine.NormalizedError{Body: []byte(w.body)}, nil
}

func TestAnErrorThatADialectWordsHasTheIdOfItsRequest(t *testing.T) {
	f := func(worded, wanted string) {
		t.Helper()
		told := strings.Replace(ok("odd"), "200", "400", 1)
		streamed := eventHead + chunk(start+"event: error\ndata: odd\n\n") + lastChunk
		for _, answer := range []string{told, streamed} {
			r := newRig(t, plays(t, rough(answer)).upstream("a"))
			r.gen.Upstreams[0].Dialect = &engine.DialectSlot{Dialect: wording{body: worded}, Script: "x.star", Meter: &engine.Meter{}}
			got := r.start().do(post("/v1/messages", helloStream))
			wanted := strings.Replace(wanted, "ID", r.ledger.wait(t, 1)[0].RequestID, 1)
			if answer == streamed {
				wanted = start + "event: error\ndata: " + wanted + "\n\n"
			}
			want(t, worded, got.body, wanted)
		}
	}
	f(`{"type":"error", "error":{"type":"x}"}}`, `{"type":"error", "error":{"type":"x}"},"request_id":"ID"}`)
	f(`{"type":"error" } `, `{"type":"error" ,"request_id":"ID"} `)
	f(`{"request_id":"own","type":"error"}`, `{"request_id":"own","type":"error"}`)
	f(`{"request_id":null,"type":"error"}`, `{"request_id":null,"type":"error"}`)
	f(`{"type":"other"}`, `{"type":"other"}`)
	f(`{"message":"of another API"}`, `{"message":"of another API"}`)
	f(`[{"type":"error"}]`, `[{"type":"error"}]`)
	f(`no JSON`, `no JSON`)
}

func TestAnEncodedStreamPassesUnseen(t *testing.T) {
	head := strings.Replace(eventHead, "\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n", 1)
	r := newRig(t, plays(t, rough(head+chunk("\x1f\x8b")+lastChunk)).upstream("a")).start()
	want(t, "body", r.do(post("/v1/messages", helloStream)).body, "\x1f\x8b")
}

func TestTheSimulatorsStreamsPass(t *testing.T) {
	p := simulated(t, simulate.Options{Words: 40, Burst: 3})
	r := newRig(t, upstream("a", p.URL())).start()
	c := r.dial()
	for range 3 {
		got := c.send(post("/v1/messages", helloStream, "anthropic-version: 2023-06-01")).read("POST")
		if got.err != nil || !strings.HasPrefix(got.body, "event: message_start\n") || !strings.Contains(got.body, "event: message_stop\n") {
			t.Errorf("%v %q", got.err, got.body)
		}
	}
	for _, row := range r.ledger.wait(t, 3) {
		if !row.Usage.Known || row.Usage.OutputTokens == 0 {
			t.Errorf("usage %+v", row.Usage)
		}
	}
	want(t, "connections upstream", p.Accepted(), 1)
}
