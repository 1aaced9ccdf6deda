package proxy_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/health"
	"sluice/engine/turn"
)

// translating is a dialect that the test plays. A nil func is a hook that its script lacks.
type translating struct {
	engine.Passthrough
	response func(s *engine.State, r *engine.Reply) (*engine.Reply, error)
	event    func(s *engine.State, e engine.StreamEvent) ([]engine.StreamEvent, error)
}

func (d translating) Transforms() (responses, events bool) { return d.response != nil, d.event != nil }

func (d translating) TransformResponse(_ *engine.RequestContext, s *engine.State, r *engine.Reply) (*engine.Reply, error) {
	return d.response(s, r)
}

func (d translating) TransformEvent(_ *engine.RequestContext, s *engine.State, e engine.StreamEvent) ([]engine.StreamEvent, error) {
	return d.event(s, e)
}

// translates asks for a stream, or an answer, of an upstream through a dialect.
func translates(t *testing.T, d engine.Dialect, policy engine.FailurePolicy, kind engine.UpstreamKind, answer string) (reply, *engine.Record) {
	t.Helper()
	u := plays(t, rough(answer)).upstream("a")
	u.Kind = kind
	r := newRig(t, u)
	r.gen.Upstreams[0].Dialect = &engine.DialectSlot{Dialect: d, Policy: policy, Script: "x.star", Meter: &engine.Meter{}}
	r.start()
	got := r.do(post("/v1/messages", helloStream))
	return got, r.ledger.wait(t, 1)[0]
}

const (
	direct = engine.KindAnthropicDirect
	custom = engine.KindCustom
)

// each makes an event dialect of what it does with each event; the end is "$end".
func each(f func(name string, n int) ([]engine.StreamEvent, error)) translating {
	return translating{event: func(s *engine.State, e engine.StreamEvent) ([]engine.StreamEvent, error) {
		n, _ := s.Kept.(int)
		s.Kept = n + 1
		return f(e.Name, n)
	}}
}

var (
	dropped  = []engine.StreamEvent{}
	received = []engine.StreamEvent{{Received: true}}
)

func made(name, data string) []engine.StreamEvent {
	return []engine.StreamEvent{{Name: name, Data: []byte(data)}}
}

func TestEventsOfADialectGoOutInPlaceOfTheUpstreams(t *testing.T) {
	crlf := strings.ReplaceAll(delta, "\n", "\r\n")
	d := each(func(name string, n int) ([]engine.StreamEvent, error) {
		switch n {
		case 0:
			return append(made("before", "a\r\nb\rc"), engine.StreamEvent{Name: "message_start", Data: nil, Received: true}), nil
		case 2:
			return dropped, nil
		case 3:
			return received, nil
		}
		return nil, nil
	})
	got, row := translates(t, d, engine.FailOpen, direct, eventHead+chunk(start+crlf+delta+crlf+usage)+chunk(": c\n\n"+stop)+lastChunk)
	want(t, "body", got.body, "event: before\ndata: a\ndata: b\ndata: c\n\n"+start+crlf+crlf+usage+": c\n\n"+stop)
	want(t, "code", row.Code, "")
	want(t, "usage", row.Usage.Known, true)
}

// TestAnErrorThatADialectMakesOfASuccessHasTheIdOfItsRequest: of an event, of the end of a stream, and of a whole answer.
func TestAnErrorThatADialectMakesOfASuccessHasTheIdOfItsRequest(t *testing.T) {
	const plain, own, other = `{"type":"error","error":{"type":"x"}}`, `{"request_id":"own","type":"error"}`, `{"error":{"type":"x"}}`
	const identified = `{"type":"error","error":{"type":"x"},"request_id":"ID"}`
	event := func(policy engine.FailurePolicy, name, data, wanted string) {
		t.Helper()
		for _, at := range []string{"", engine.EndEvent} {
			d := each(func(on string, _ int) ([]engine.StreamEvent, error) {
				if on != at {
					return dropped, nil
				}
				return append(made(name, data), made("error", own)...), nil
			})
			got, row := translates(t, d, policy, custom, eventHead+chunk("data: x\n\n")+lastChunk)
			sent := "event: " + name + "\ndata: " + strings.Replace(wanted, "ID", row.RequestID, 1) + "\n\nevent: error\ndata: " + own + "\n\n"
			want(t, "stream", got.body, sent)
		}
	}
	event(engine.FailOpen, "error", plain, identified)
	event(engine.FailClosed, "error", plain, identified)
	event(engine.FailOpen, "error", other, other)
	event(engine.FailOpen, "error", "no JSON", "no JSON")
	event(engine.FailOpen, "told", plain, plain)
	answer := func(status int, body, wanted string) {
		t.Helper()
		got, row := translates(t, translating{response: func(*engine.State, *engine.Reply) (*engine.Reply, error) {
			return &engine.Reply{Status: status, Body: []byte(body)}, nil
		}}, engine.FailOpen, custom, ok("hello"))
		want(t, "answer", got.body, strings.Replace(wanted, "ID", row.RequestID, 1))
	}
	answer(500, plain, identified)
	answer(500, own, own)
	answer(500, other, other)
	answer(200, plain, plain)
}

func TestADialectEndsAStream(t *testing.T) {
	f := func(kind engine.UpstreamKind, answer, ending, body string, code engine.Code) {
		t.Helper()
		complete := ""
		d := translating{event: func(_ *engine.State, e engine.StreamEvent) ([]engine.StreamEvent, error) {
			if !e.End {
				return nil, nil
			}
			if complete += "no"; e.Complete {
				complete = "yes"
			}
			if ending == "" {
				return nil, nil
			}
			return made(ending, "1"), nil
		}}
		got, row := translates(t, d, engine.FailOpen, kind, answer)
		told, text, _ := strings.Cut(body, " ")
		want(t, "complete", complete, told)
		if got.err != nil || !strings.HasPrefix(got.body, text) || strings.HasSuffix(text, "\n\n") && got.body != text {
			t.Errorf("got %q, %v, want %q", got.body, got.err, text)
		}
		want(t, "code", row.Code, code)
	}
	end := "event: message_stop\ndata: 1\n\n"
	f(direct, eventHead+chunk(start+stop)+lastChunk, "", "yes "+start+stop, "")
	f(direct, eventHead+chunk(start)+lastChunk, "", "no "+start+"event: error\n", engine.CodeUpstreamUnreachable)
	f(custom, eventHead+chunk("data: x\n\n")+lastChunk, "message_stop", "yes data: x\n\n"+end, "")
	f(custom, eventHead+chunk("data: x\n\n")+lastChunk, "", "yes data: x\n\nevent: error\n", engine.CodeUpstreamUnreachable)
	f(custom, eventHead+chunk("data: x\n\ndata: y")+lastChunk, "message_stop", "yes data: x\n\ndata: y\n\n"+end, "")
	f(custom, eventHead+chunk("data: x\n\n")+"5\r\nda", "error", "no data: x\n\nevent: error\ndata: 1\n\n", engine.CodeUpstreamUnreachable)
}

func TestAFailingDialectNeverMixesTheOriginalIn(t *testing.T) {
	broken := errors.New("broken")
	whole := start + delta + usage + stop
	f := func(policy engine.FailurePolicy, d translating, status int, body string, code engine.Code) {
		t.Helper()
		got, row := translates(t, d, policy, direct, eventHead+chunk(start)+chunk(delta+usage+stop)+lastChunk)
		if got.err != nil || got.StatusCode != status || !strings.HasPrefix(got.body, body) || strings.HasSuffix(body, "\n\n") && got.body != body {
			t.Errorf("got %d %q, %v, want %d %q", got.StatusCode, got.body, got.err, status, body)
		}
		want(t, "code", row.Code, code)
	}
	at := func(fails int, before []engine.StreamEvent) translating {
		return each(func(_ string, n int) ([]engine.StreamEvent, error) {
			if n >= fails {
				if n > fails {
					t.Error("a dialect that failed was called again")
				}
				return nil, broken
			}
			return before, nil
		})
	}
	failure := "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"the answer of upstream \\\"a\\\" could not be translated\"}"
	f(engine.FailOpen, at(0, nil), 200, whole, "")
	f(engine.FailOpen, at(2, nil), 200, whole, "")
	f(engine.FailOpen, at(2, received), 200, whole, "")
	f(engine.FailOpen, at(2, dropped), 200, whole, "")
	f(engine.FailOpen, at(4, dropped), 200, whole, "") // at the end
	f(engine.FailOpen, at(4, nil), 200, whole, "")
	f(engine.FailOpen, at(1, made("x", "1")), 200, "event: x\ndata: 1\n\n"+failure, engine.CodeDialectFailed)
	f(engine.FailOpen, at(2, made("x", "1")), 200, "event: x\ndata: 1\n\nevent: x\ndata: 1\n\n"+failure, engine.CodeDialectFailed)
	f(engine.FailOpen, at(4, made("x", "1")), 200, strings.Repeat("event: x\ndata: 1\n\n", 4)+failure, engine.CodeDialectFailed)

	f(engine.FailClosed, at(9, nil), 200, whole, "")
	f(engine.FailClosed, at(0, nil), 502, `{"type":"error"`, engine.CodeDialectFailed)
	f(engine.FailClosed, at(2, dropped), 502, `{"type":"error"`, engine.CodeDialectFailed)
	f(engine.FailClosed, at(4, dropped), 502, `{"type":"error"`, engine.CodeDialectFailed)
	f(engine.FailClosed, at(1, nil), 200, start+failure, engine.CodeDialectFailed)
	f(engine.FailClosed, at(3, made("x", "1")), 200, strings.Repeat("event: x\ndata: 1\n\n", 3)+failure, engine.CodeDialectFailed)
}

func TestUnderClosedNothingPassesThatNoDialectSaw(t *testing.T) {
	const rest = ": comment\n\n\ufeffid: 1\n\nid: 2\nretry: 3\nevent: x\nother\nevent: y\ndata: 1\ndata:2\n\nevent: z\r\ndata:3\r\n\r\n: c\ndata: 4\n\n"
	const seen = "event: y\ndata: 1\ndata: 2\n\nevent: z\r\ndata:3\r\n\r\ndata: 4\n\n"
	const failure = "id: 5\nevent: error\ndata: {}\n\n"
	for _, events := range [][]engine.StreamEvent{nil, received} {
		d := each(func(name string, _ int) ([]engine.StreamEvent, error) {
			if name == engine.EndEvent {
				return nil, nil
			}
			return events, nil
		})
		f := func(policy engine.FailurePolicy, answer, body string) {
			t.Helper()
			got, _ := translates(t, d, policy, direct, answer)
			want(t, "body", got.body, body)
		}
		f(engine.FailClosed, eventHead+chunk(start+rest+failure+stop+": after\ndata: 5")+lastChunk, start+seen+"event: error\ndata: {}\n\n"+stop+"data: 5\n\n")
		f(engine.FailOpen, eventHead+chunk(start+rest+failure+stop+": after\ndata: 5")+lastChunk, start+rest+failure+stop+": after\ndata: 5\n\n")
		f(engine.FailClosed, eventHead+chunk(start+stop+": after")+lastChunk, start+stop)
		f(engine.FailClosed, eventHead+chunk(start+stop+"data: after")+"5\r\nx", start+stop)
	}
}

func TestAnEventTooLargeForADialectIsItsFailure(t *testing.T) {
	large := "event: x\ndata: " + strings.Repeat("y", 2<<20) + "\n\n"
	answer := eventHead + chunk(start+large) + chunk(stop) + lastChunk
	pass := each(func(string, int) ([]engine.StreamEvent, error) { return nil, nil })
	got, row := translates(t, pass, engine.FailOpen, direct, answer)
	if got.body != start+large+stop || row.Code != "" {
		t.Errorf("got %d bytes, %q", len(got.body), row.Code)
	}
	got, row = translates(t, each(func(string, int) ([]engine.StreamEvent, error) { return made("x", "1"), nil }), engine.FailOpen, direct, answer)
	if !strings.HasPrefix(got.body, "event: x\ndata: 1\n\nevent: error\n") || row.Code != engine.CodeDialectFailed {
		t.Errorf("got %q, %q", got.body, row.Code)
	}
}

func TestUsageIsTheUpstreamsWhereItSpeaksTheAPI(t *testing.T) {
	mine := each(func(name string, _ int) ([]engine.StreamEvent, error) {
		if name == "message_start" {
			return made(name, `{"message":{"usage":{"input_tokens":77,"output_tokens":1}}}`), nil
		}
		return nil, nil
	})
	answer := eventHead + chunk(start+stop) + lastChunk
	_, row := translates(t, mine, engine.FailOpen, direct, answer)
	want(t, "direct: is the dialect's", row.Usage.InputTokens == 77, false)
	_, row = translates(t, mine, engine.FailOpen, custom, answer)
	want(t, "custom", row.Usage.InputTokens, 77)

	plain := ok(`{"usage":{"output_tokens":9}}`, "content-type: application/json")
	for status, ofCustom := range map[int]int{200: 5, 201: 5, 451: 0} {
		body := translating{response: func(_ *engine.State, r *engine.Reply) (*engine.Reply, error) {
			return &engine.Reply{Status: status, Headers: r.Headers, Body: []byte(`{"usage":{"output_tokens":5}}`)}, nil
		}}
		_, row = translates(t, body, engine.FailOpen, direct, plain)
		want(t, "status", row.Status, status)
		want(t, "direct", row.Usage.OutputTokens, 9)
		want(t, "direct, booked", row.Booked.Usage.OutputTokens, 9)
		_, row = translates(t, body, engine.FailOpen, custom, plain)
		want(t, "custom", row.Usage.OutputTokens, int64(ofCustom))
	}
}

func TestADialectTranslatesAWholeAnswer(t *testing.T) {
	d := translating{response: func(_ *engine.State, r *engine.Reply) (*engine.Reply, error) {
		h := append(r.Headers.Clone(4), engine.Header{Name: "x-mine", Value: "1"}, engine.Header{Name: "set-cookie", Value: "a=b"},
			engine.Header{Name: "x-amz-mine", Value: "1"})
		return &engine.Reply{Status: 203, Headers: h, Body: append([]byte("was "), r.Body...)}, nil
	}}
	got, row := translates(t, d, engine.FailOpen, direct, ok("hello", "x-theirs: 2"))
	want(t, "status", got.StatusCode, 203)
	want(t, "body", got.body, "was hello")
	want(t, "headers", got.Header.Get("x-mine")+got.Header.Get("x-theirs")+got.Header.Get("set-cookie")+got.Header.Get("x-amz-mine"), "12")
	want(t, "recorded", len(row.Trace.Errors), 2)
}

func TestAnAnswerThatCannotBeTranslated(t *testing.T) {
	broken := translating{response: func(*engine.State, *engine.Reply) (*engine.Reply, error) { return nil, errors.New("broken") }}
	f := func(policy engine.FailurePolicy, answer, code, body string) {
		t.Helper()
		got, _ := translates(t, broken, policy, direct, answer)
		want(t, "code", got.code(), code)
		if !strings.HasPrefix(got.body, body) {
			t.Errorf("got %q, want %q", got.body, body)
		}
	}
	f(engine.FailOpen, ok("hello"), "200 ", "hello")
	f(engine.FailClosed, ok("hello"), "502 dialect_failed", `{"type":"error"`)
	large := strings.Repeat("x", 1<<20+1)
	f(engine.FailOpen, ok(large), "200 ", large)
	f(engine.FailClosed, ok(large), "502 dialect_failed", `{"type":"error"`)
	f(engine.FailOpen, ok("gz", "content-encoding: gzip"), "200 ", "gz")
	f(engine.FailClosed, ok("gz", "content-encoding: gzip"), "502 dialect_failed", `{"type":"error"`)
	cut := "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nhel"
	f(engine.FailClosed, cut, "502 upstream_unreachable", `{"type":"error"`)
	f(engine.FailClosed, "HTTP/1.1 204 No Content\r\n\r\n", "204 ", "")
	f(engine.FailClosed, strings.Replace(ok("no"), "200 OK", "400 Bad", 1), "400 ", "no")
}

// The CR of an event's last line ends it; the LF behind that may come after all has gone out, and is no event.
func TestTheLastLFOfAStreamThatADialectTranslatesIsNoEvent(t *testing.T) {
	events := strings.ReplaceAll(start+stop, "\n", "\r\n")
	for policy, want := range map[engine.FailurePolicy]string{engine.FailClosed: strings.TrimSuffix(events, "\n"), engine.FailOpen: events} {
		stopped := make(chan struct{})
		u := plays(t, func(s *stage) {
			s.next()
			s.say(eventHead + chunk(strings.TrimSuffix(events, "\n")))
			<-stopped
			s.say(chunk("\n") + lastChunk)
		}).upstream("a")
		r := newRig(t, u)
		r.gen.Upstreams[0].Dialect = &engine.DialectSlot{Policy: policy, Script: "x.star", Meter: &engine.Meter{},
			Dialect: each(func(name string, _ int) ([]engine.StreamEvent, error) {
				switch name {
				case "message_stop":
					close(stopped)
				case engine.EndEvent:
					return dropped, nil
				}
				return received, nil
			})}
		r.start()
		if got := r.do(post("/v1/messages", helloStream)); got.body != want || got.err != nil {
			t.Errorf("%v: got %q, %v, want %q", policy, got.body, got.err, want)
		}
	}
}

// A dialect that drops the last event of an answer that came whole is to blame for it, and not the upstream.
func TestADialectThatDropsTheEndIsToBlame(t *testing.T) {
	for _, fails := range []bool{false, true} {
		d := translating{event: func(_ *engine.State, e engine.StreamEvent) ([]engine.StreamEvent, error) {
			switch {
			case e.Name != "message_stop":
				return made("x", "1"), nil
			case fails:
				return nil, errors.New("no")
			}
			return []engine.StreamEvent{}, nil
		}}
		u := plays(t, rough(eventHead+chunk(start+stop)+lastChunk)).upstream("a")
		r, tracker := newRig(t, u), health.NewTracker(nil)
		meter := &engine.Meter{}
		r.gen.Vitals, r.gen.Upstreams[0].Dialect = tracker, &engine.DialectSlot{Dialect: d, Script: "x.star", Meter: meter}
		r.start()
		got := r.do(post("/v1/messages", helloStream))
		row := r.ledger.wait(t, 1)[0]
		if !strings.Contains(got.body, "could not be translated") || row.Code != engine.CodeDialectFailed || len(row.Trace.Errors) != 1 {
			t.Errorf("fails %v: %q, code %s, errors %v", fails, got.body, row.Code, row.Trace.Errors)
		}
		if v := tracker.Failures(u); len(v) > 0 {
			t.Errorf("fails %v: the upstream is charged with %v", fails, v)
		}
	}
}

// While the head of an answer waits for its first event, what events become is held: of many small ones that came at once, few are
// translated before the head goes out.
func TestTheHeadGoesOutBeforeManyEventsAreTranslated(t *testing.T) {
	const events, before = 800, 60
	told := make(chan struct{})
	n, held := 0, false
	d := translating{event: func(_ *engine.State, e engine.StreamEvent) ([]engine.StreamEvent, error) {
		if n++; n == before {
			select {
			case <-told:
			case <-time.After(patience / 4):
				held = true
			}
		}
		return made("x", "1"), nil
	}}
	u := plays(t, rough(eventHead+chunk(strings.Repeat("data:1\n\n", events)+stop)+lastChunk)).upstream("a")
	r := newRig(t, u)
	r.gen.Upstreams[0].Dialect = &engine.DialectSlot{Dialect: d, Policy: engine.FailClosed, Script: "x.star", Meter: &engine.Meter{}}
	r.start()
	c := r.dial().send(post("/v1/messages", helloStream))
	resp := c.head("POST")
	close(told)
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.ledger.wait(t, 1)
	want(t, "held", held, false)
	want(t, "events", strings.Count(string(got), "event: x\n"), events+2) // message_stop and the end, too
}

// Each event is translated in a short call, of which one read may take hundreds.
func TestOthersRunBetweenTheEventsOfOneRead(t *testing.T) {
	const events = 100
	d := translating{event: func(_ *engine.State, e engine.StreamEvent) ([]engine.StreamEvent, error) {
		for end := time.Now().Add(300 * time.Microsecond); time.Now().Before(end); {
		}
		return received, nil
	}}
	before := turn.Taken()
	got, _ := translates(t, d, engine.FailClosed, custom, eventHead+chunk(strings.Repeat("data: 1\n\n", events)+stop)+lastChunk)
	if n := turn.Taken() - before; n < events/2 || got.StatusCode != 200 {
		t.Errorf("%d, and others run %d times while %d events are translated, want at least %d", got.StatusCode, n, events, events/2)
	}
}

// While the head waits, what long events become is held, and others run while it is.
func TestOthersRunWhileLongEventsAreHeld(t *testing.T) {
	const least = 2 * 4 * (2 << 20) / (256 << 10) // each of four events is written and held, which moves it twice, and a turn is as many bytes
	long := strings.Repeat("x", 2<<20)
	for _, policy := range []engine.FailurePolicy{engine.FailClosed, engine.FailOpen} {
		d := translating{event: func(*engine.State, engine.StreamEvent) ([]engine.StreamEvent, error) { return made("x", long), nil }}
		before := turn.Taken()
		got, _ := translates(t, d, policy, custom, eventHead+chunk("data: 1\n\n"+strings.Repeat("data: 1\n\n", 3)+stop)+lastChunk)
		if n := turn.Taken() - before; n < least || got.StatusCode != 200 {
			t.Errorf("%v: %d, and others run %d times while %d bytes are held, want at least %d", policy, got.StatusCode, n, 4*len(long), least)
		}
	}
}
