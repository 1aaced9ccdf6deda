package proxy_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/proxy/eventstream"
)

// framed is an event as Bedrock sends it.
func framed(event string) string {
	_, data, _ := strings.Cut(strings.TrimSpace(event), "\ndata: ")
	payload := `{"bytes":"` + base64.StdEncoding.EncodeToString([]byte(data)) + `"}`
	return string(eventstream.Append(nil, []byte(payload), ":message-type", "event", ":event-type", "chunk"))
}

const framedHead = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n\r\n"

// typed is a whole answer of a type.
func typed(kind, body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", kind, len(body), body)
}

func TestAnAnswerThatIsNoStreamWhereOneWasAskedForIsAnError(t *testing.T) {
	f := func(kind engine.UpstreamKind, path, request, contentType, body, code string) {
		t.Helper()
		u := plays(t, answers(typed(contentType, body))).upstream("a")
		u.Kind = kind
		r := newRig(t, u).start()
		got := r.do(post(path, request))
		want(t, string(kind)+" "+contentType, got.code(), code)
		if code == "200 " {
			return
		}
		if strings.Contains(got.body, "message_start") || !strings.Contains(got.body, contentType) {
			t.Errorf("%s, %s: got %s", kind, contentType, got.body)
		}
		want(t, "row", r.ledger.wait(t, 1)[0].Code, engine.CodeUpstreamUnreachable)
	}
	const unreachable = "502 upstream_unreachable"
	for _, kind := range []engine.UpstreamKind{engine.KindBedrockRuntime, engine.KindBedrockMantle, engine.KindVertex} {
		f(kind, "/v1/messages", helloStream, "application/octet-stream", framed(start), unreachable)
		f(kind, "/v1/messages", helloStream, "application/json", `{"type":"message"}`, unreachable)
		f(kind, "/v1/messages", helloStream, "text/html", "<html>", unreachable)
		f(kind, "/model/x/invoke-with-response-stream", hello, "application/json", `{"type":"message"}`, unreachable)
		f(kind, "/v1/messages", hello, "application/json", `{"type":"message"}`, "200 ")
		f(kind, "/v1/messages", helloStream, "Text/Event-Stream ; charset=utf-8", start+stop, "200 ")
	}
	f(engine.KindAnthropicDirect, "/v1/messages", helloStream, "application/json", `{"type":"message"}`, "200 ") // passes as it is
}

func TestAnAnswerThatIsNoStreamSendsTheRequestElsewhere(t *testing.T) {
	none, good := plays(t, answers(typed("application/octet-stream", framed(start)))).upstream("a"), plays(t, rough(eventHead+chunk(start+stop)+lastChunk)).upstream("b")
	none.Kind, good.Priority = engine.KindVertex, 1
	r := newRig(t, none, good)
	var err error
	if r.gen.Strategy, err = engine.NewStrategy("priority", 1); err != nil {
		t.Fatal(err)
	}
	want(t, "body", r.start().do(post("/v1/messages", helloStream)).body, start+stop)
	if row := r.ledger.wait(t, 1)[0]; len(row.Trace.Attempts) != 2 {
		t.Errorf("%d attempts, want two", len(row.Trace.Attempts))
	}
}

// Bedrock sends no pings. A client gets them all the same, also while half a frame is there, and nothing is lost by it.
func TestPingsFillTheSilenceOfBedrock(t *testing.T) {
	more := make(chan string)
	u := plays(t, func(s *stage) {
		s.next()
		s.say(framedHead)
		for part := range more {
			s.say(part)
		}
	}).upstream("a")
	u.Kind = engine.KindBedrockRuntime
	r := newRig(t, u)
	r.options.PingEvery = 20 * time.Millisecond
	r.start()
	resp := r.dial().send(post("/v1/messages", helloStream)).head("POST")
	br := newReaderOf(resp.Body)
	pings := 0
	// next reads until an event that is no ping, or a ping if it is wanted.
	next := func(ping bool) string {
		for {
			var b strings.Builder
			for !strings.HasSuffix(b.String(), "\n\n") {
				line, err := br.ReadString('\n')
				if b.WriteString(line); err != nil {
					t.Fatalf("%q: %v", b.String(), err)
				}
			}
			if b.String() == pingEvent {
				pings++
			}
			if b.String() != pingEvent || ping {
				return b.String()
			}
		}
	}
	want(t, "before the first frame", next(true), pingEvent)
	more <- chunk(framed(start))
	want(t, "start", next(false), start)
	want(t, "after it", next(true), pingEvent)
	half := framed(delta)
	more <- chunk(half[:9])
	want(t, "in a frame", next(true), pingEvent)
	more <- chunk(half[9:])
	want(t, "delta", next(false), delta)
	more <- chunk(framed(stop)) + lastChunk
	close(more)
	want(t, "stop", next(false), stop)
	if pings < 3 {
		t.Errorf("%d pings", pings)
	}
}
