package proxy_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/health"
	"sluice/proxy/eventstream"
)

const bedrockHead = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n\r\n"

// exceptionFrame is an exception as Bedrock tells it in a stream.
func exceptionFrame(kind string) string {
	return string(eventstream.Append(nil, []byte(`{"message":"slow down"}`), ":message-type", "exception", ":exception-type", kind))
}

// pair is a rig with a first upstream that answers so, and a second one that works, or none.
func pair(t *testing.T, kind engine.UpstreamKind, answer string, second bool) *rig {
	t.Helper()
	a := plays(t, rough(answer)).upstream("a")
	a.Kind = kind
	upstreams := []*engine.Upstream{a}
	if second {
		b := plays(t, rough(eventHead+chunk(start+delta+usage+stop)+lastChunk)).upstream("b")
		b.Priority = 1
		upstreams = append(upstreams, b)
	}
	r := newRig(t, upstreams...)
	r.gen.Vitals, r.gen.Retry = health.NewTracker(nil), engine.Retry{Attempts: 2, Statuses: []int{429, 500, 503, 529}}
	r.gen.Strategy, _ = engine.NewStrategy("priority", 0)
	return r.start()
}

// TestAThrottleThatAStreamTellsIsNoSpendCap: a head that was a success had no reason to say when to come back.
func TestAThrottleThatAStreamTellsIsNoSpendCap(t *testing.T) {
	t.Parallel()
	r := pair(t, direct, eventHead+chunk("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"m\"}}\n\n")+lastChunk, false)
	got := r.do(post("/v1/messages", helloStream))
	want(t, "answer", got.code(), "429 ")
	cooling := r.gen.Vitals.Vitals(r.gen.Upstreams[0].Upstream, time.Now()).Cooling
	if cooling.Class != engine.ClassThrottled || time.Until(cooling.Until) > time.Minute {
		t.Errorf("it cools for %v: %q, want a throttle", time.Until(cooling.Until), cooling.Class)
	}
}

// TestAStreamThatBeginsWithAnErrorIsAnAnswerWithItsStatus: nothing went to the client yet. attempt is the status of the first attempt.
func TestAStreamThatBeginsWithAnErrorIsAnAnswerWithItsStatus(t *testing.T) {
	t.Parallel()
	f := func(kind engine.UpstreamKind, answer, code string, attempt int, elsewhere bool) {
		t.Helper()
		r := pair(t, kind, answer, false)
		got := r.do(post("/v1/messages", helloStream))
		want(t, "alone", got.code(), code)
		row := r.ledger.wait(t, 1)[0]
		want(t, "attempt", row.Trace.Attempts[0].Status, attempt)
		want(t, "type", got.Header.Get("content-type"), "application/json")
		r = pair(t, kind, answer, true)
		got = r.do(post("/v1/messages", helloStream))
		row = r.ledger.wait(t, 1)[0]
		if want(t, "attempts", len(row.Trace.Attempts) == 2, elsewhere); elsewhere {
			want(t, "beside another", got.code(), "200 ")
			want(t, "body", got.body, start+delta+usage+stop)
		}
	}
	event := func(kind string) string {
		return eventHead + chunk("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\""+kind+"\",\"message\":\"m\"}}\n\n") + lastChunk
	}
	f(direct, event("overloaded_error"), "529 ", 529, true)
	f(direct, event("rate_limit_error"), "429 ", 429, true)
	f(direct, event("invalid_request_error"), "400 ", 400, false)
	f(direct, event("odd"), "500 ", 500, true)
	f(direct, eventHead+chunk("event: error\r\nda")+chunk("ta: no JSON\r\n\r\n")+lastChunk, "500 ", 500, true)
	f(custom, eventHead+chunk("data: {\"error\":{\"message\":\"m\",\"code\":503}}\n\ndata: [DONE]\n\n")+lastChunk, "503 ", 503, true)
	f(custom, eventHead+chunk("data: {\"error\":{\"message\":\"m\",\"type\":null,\"code\":\"context_length_exceeded\"}}\n\n")+lastChunk, "400 ", 400, false)
	f(custom, eventHead+chunk("data: {\"object\":\"error\",\"message\":\"m\",\"type\":\"BadRequestError\",\"code\":400}\n\n")+lastChunk, "400 ", 400, false)
	f(custom, eventHead+chunk("\xef\xbb")+chunk("\xbfdata: {\"error\":{\"code\":503}}\n\n")+lastChunk, "503 ", 503, true)
	f(custom, eventHead+chunk("data: {\"error\":\"m\",\"code\":429}\n\n")+lastChunk, "429 ", 429, true)
	f(custom, eventHead+chunk(": wait")+chunk("\n\n")+chunk("\n\ndata: {\"error\":{\"code\":503}}\n\n")+lastChunk, "503 ", 503, true)
	f(custom, eventHead+chunk("retry: 3\r\n\r\n")+chunk("data: {\"error\":{\"code\":503}}\n")+lastChunk, "503 ", 503, true)
	f(custom, eventHead+chunk("data: {\"error\":{\"message\":\"m\",\"type\":\"rate_limit_exceeded\"}}\n\n")+lastChunk, "429 ", 429, true)
	google := func(data string) string { return eventHead + chunk("event: error\ndata: "+data+"\n\n") + lastChunk }
	f(engine.KindVertex, google(`{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}`), "429 ", 429, true)
	f(engine.KindVertex, google(`[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]`), "429 ", 429, true)
	f(engine.KindVertex, google(`[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]`), "400 ", 400, false)
	f(engine.KindVertex, google(`[]`), "500 ", 500, true)
	f(engine.KindVertex, google(`[[{"error":{"code":429}}]]`), "500 ", 500, true)
	f(engine.KindBedrockRuntime, bedrockHead+chunk(exceptionFrame("throttlingException"))+lastChunk, "429 ", 429, true)
	f(engine.KindBedrockRuntime, bedrockHead+chunk(exceptionFrame("validationException"))+lastChunk, "400 ", 400, false)
	f(engine.KindBedrockRuntime, bedrockHead+chunk(exceptionFrame("modelStreamErrorException"))+lastChunk, "424 ", 424, true)
	f(engine.KindBedrockRuntime, bedrockHead+chunk("<html>no frame</html>")+lastChunk, "502 upstream_unreachable", 0, true)
	f(direct, eventHead+lastChunk, "502 upstream_unreachable", 0, false) // it may have been worked on
	f(direct, eventHead+chunk(": wait\n\n")+lastChunk, "502 upstream_unreachable", 0, false)
	f(direct, eventHead+chunk("event: message_st"), "502 upstream_unreachable", 0, false)
}

// TestWhatOnlyLooksLikeAnErrorPasses: an error beside an answer, and one behind the first event.
func TestWhatOnlyLooksLikeAnErrorPasses(t *testing.T) {
	t.Parallel()
	f := func(kind engine.UpstreamKind, events string) {
		t.Helper()
		got := pair(t, kind, eventHead+chunk(events)+lastChunk, true).do(post("/v1/messages", helloStream))
		want(t, "code", got.code(), "200 ")
		if !strings.HasPrefix(got.body, events) {
			t.Errorf("got %q, want %q first", got.body, events)
		}
	}
	f(custom, "data: {\"choices\":[],\"error\":{\"code\":503}}\n\n")
	f(custom, "data: {\"error\":null}\n\n")
	f(custom, "data: {\"error\":\"\"}\n\n")
	f(direct, start+"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n")
	f(direct, "event: x\ndata: "+strings.Repeat("y", 2<<20)+"\n\n"+start)
	f(direct, "event: x\ndata: "+strings.Repeat("y", 5000)+"\n\n"+start)
}

// TestNothingOfAFirstEventBecomesALineOfTheHead that is a line of its own: what an exception is called is the upstream's to say.
func TestNothingOfAFirstEventBecomesALineOfTheHead(t *testing.T) {
	t.Parallel()
	f := func(kind engine.UpstreamKind, answer string) {
		t.Helper()
		got := pair(t, kind, answer, false).do(post("/v1/messages", helloStream))
		want(t, "code", got.code(), "500 ")
		want(t, "planted line", got.Header.Get("x-planted"), "")
	}
	f(direct, eventHead+chunk("event: error\ndata: {\"exception\":\"a\\r\\nx-planted: 1\\r\\n\\r\\n\"}\n\n")+lastChunk)
	f(engine.KindBedrockRuntime, bedrockHead+chunk(exceptionFrame("a\r\nx-planted: 1"))+lastChunk)
}

// TestAnErrorThatComesLateIsToldInTheStream has an upstream that sends its first event only when the client has the head.
func TestAnErrorThatComesLateIsToldInTheStream(t *testing.T) {
	t.Parallel()
	headed := make(chan struct{})
	late := "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n"
	p := plays(t, func(s *stage) {
		s.next()
		s.say(eventHead + chunk("event: er"))
		<-headed
		s.say(chunk(late[9:]) + lastChunk)
	})
	r := newRig(t, p.upstream("a"))
	r.options.PingEvery = 20 * time.Millisecond
	r.start()
	resp := r.dial().send(post("/v1/messages", helloStream)).head("POST")
	want(t, "status", resp.StatusCode, 200)
	close(headed)
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasSuffix(string(body), late) {
		t.Errorf("got %q, %v", body, err)
	}
}

// TestCommentsKeepNoHeadBack has an upstream that sends nothing but comments until the client has the head.
func TestCommentsKeepNoHeadBack(t *testing.T) {
	t.Parallel()
	headed := make(chan struct{})
	p := plays(t, func(s *stage) {
		s.next()
		s.say(eventHead)
		for range firstComments {
			select {
			case <-headed:
				s.say(chunk(start+delta+usage+stop) + lastChunk)
				return
			case <-time.After(5 * time.Millisecond):
				s.say(chunk(": w\n\n"))
			}
		}
	})
	r := newRig(t, p.upstream("a"))
	r.options.PingEvery = 20 * time.Millisecond
	r.start()
	resp := r.dial().send(post("/v1/messages", helloStream)).head("POST")
	want(t, "status", resp.StatusCode, 200)
	close(headed)
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasSuffix(string(body), start+delta+usage+stop) {
		t.Errorf("got %q, %v", body, err)
	}
}

// firstComments is how many comments are sent at most: fewer than fill the room for a first event.
const firstComments = 600

// TestAnErrorInAStreamCountsAsItsStatusWould: an upstream whose streams end in errors of its own fails, though each began well. What asks for
// a pause, and what the client did wrong, is no failure.
func TestAnErrorInAStreamCountsAsItsStatusWould(t *testing.T) {
	t.Parallel()
	for kind, n := range map[string]int64{"api_error": 1, "timeout_error": 1, "overloaded_error": 0, "rate_limit_error": 0, "invalid_request_error": 0} {
		told := fmt.Sprintf("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":%q,\"message\":\"x\"}}\n\n", kind)
		r := newRig(t, plays(t, answers(eventHead+chunk(start+told+told)+lastChunk)).upstream("a"))
		tracker := health.NewTracker(nil)
		r.gen.Vitals = tracker
		r.start()
		want(t, kind, r.do(post("/v1/messages", helloStream)).body, start+told+told)
		r.ledger.wait(t, 1)
		want(t, kind+": broke", tracker.Failures(r.gen.Upstreams[0].Upstream)["broke"], n)
	}
}

// TestAnAnswerThatEndsBehindItsHeadIsAnError: its client got nothing yet. What leaves nothing behind goes elsewhere.
func TestAnAnswerThatEndsBehindItsHeadIsAnError(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for name, answer := range map[string]string{
		"length": head + "Content-Length: 100\r\n\r\n", "chunks": head + "Transfer-Encoding: chunked\r\n\r\n",
	} {
		r := pair(t, direct, answer, true)
		got := r.do(post("/v1/messages", hello))
		want(t, name, got.code(), "502 upstream_unreachable")
		row := r.ledger.wait(t, 1)[0]
		want(t, name+": row", fmt.Sprintln(row.Status, row.Code, row.Trace.Attempts[0].Class), "502 upstream_unreachable reset\n")
		want(t, name+": counted elsewhere", r.do(post("/v1/messages/count_tokens", hello)).code(), "200 ")
	}
	for _, status := range []string{"400", "500"} { // which says enough
		got := pair(t, direct, strings.Replace(head, "200 OK", status+" Sorry", 1)+"Content-Length: 100\r\n\r\n", false).do(post("/v1/messages", hello))
		want(t, status, got.code()+got.body, status+" ")
	}
	for name, answer := range map[string]string{"empty": head + "Content-Length: 0\r\n\r\n", "no chunk": head + "Transfer-Encoding: chunked\r\n\r\n" + lastChunk} {
		got := pair(t, direct, answer, false).do(post("/v1/messages", hello))
		want(t, name, got.code()+got.body, "200 ")
	}
}

// TestNobodyWaitsForTheWordsOfAnErrorBeforeItGoesElsewhere: its head says all that is wanted of it.
func TestNobodyWaitsForTheWordsOfAnErrorBeforeItGoesElsewhere(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	a := plays(t, func(s *stage) {
		s.next()
		s.say("HTTP/1.1 529 Busy\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n")
		s.gone() // once the other one has answered
		select {
		case <-asked:
		default:
			t.Error("the connection was given up before the other upstream was asked")
		}
	}).upstream("a")
	a.Timeouts.Idle = 50 * time.Millisecond
	b := plays(t, func(s *stage) {
		s.next()
		close(asked)
		s.say(ok("{}"))
	}).upstream("b")
	b.Priority = 1
	r := newRig(t, a, b)
	r.gen.Vitals, r.gen.Retry = health.NewTracker(nil), engine.Retry{Attempts: 2, Statuses: []int{529}}
	r.gen.Strategy, _ = engine.NewStrategy("priority", 0)
	want(t, "answer", r.start().do(post("/v1/messages", hello)).code(), "200 ")
}
