package simulate_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/proxy/simulate"
)

func TestQueuedFaultsComeInOrderBeforeTheStandingOne(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Fault: "529"})
	for _, modes := range [][]string{{"500", "ok"}, {"none", "", "403"}} {
		if err := p.Next(modes...); err != nil {
			t.Fatal(err)
		}
	}
	var got []int
	for range 6 {
		resp, _ := do(t, p, "POST", "/v1/messages", hello)
		got = append(got, resp.StatusCode)
	}
	if err := p.SetFault(""); err != nil {
		t.Fatal(err)
	}
	resp, _ := do(t, p, "POST", "/v1/messages", hello)
	equal(t, "statuses", fmt.Sprint(append(got, resp.StatusCode)), "[500 200 200 200 403 529 200]")
	var faults []string
	for _, r := range p.Requests() {
		faults = append(faults, r.Fault)
	}
	equal(t, "faults", fmt.Sprint(faults), "[500 none none none 403 529 none]")
}

func TestAQueuedAnswerIsSentAsItIs(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Name: "sim-a", Fault: "529"})
	p.NextAnswer(201, "application/x-own", "{", "}")
	p.NextAnswer(200, "text/event-stream", "event: sun\n\n", "ev", "ent: moon\n\n")
	got, _ := talkUntil(t, p, askStream, "{}")
	equal(t, "answer", got, "HTTP/1.1 201 Created\r\nServer: cloudflare\r\nContent-Type: application/x-own\r\nContent-Length: 2\r\n"+
		usualHead+cookie+"\r\n{}")
	got, _ = talkUntil(t, p, "GET / HTTP/1.1\r\nhost: x\r\n\r\n", "\r\n0\r\n\r\n")
	equal(t, "stream", sameNumber(got), "HTTP/1.1 200 OK\r\nServer: cloudflare\r\nContent-Type: text/event-stream\r\n"+usualHead+
		"Transfer-Encoding: chunked\r\n"+cookie+"\r\n"+framed("event: sun\n\n", "ev", "ent: moon\n\n")+"0\r\n\r\n")
	resp, _ := do(t, p, "POST", "/v1/messages", hello)
	equal(t, "after the queue", resp.StatusCode, 529)
}

func TestHeadersOfAllAnswersCanBeSet(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	f := func(name, want string) {
		t.Helper()
		resp, _ := do(t, p, "POST", "/v1/messages", hello)
		equal(t, name, strings.Join(resp.Header.Values(name), ","), want)
	}
	f("anthropic-ratelimit-unified-status", "")
	p.SetUnified(0.25, 0.93)
	f("anthropic-ratelimit-unified-status", "allowed_warning")
	f("anthropic-ratelimit-unified-reset", "1795996800")
	f("anthropic-ratelimit-unified-representative-claim", "seven_day")
	f("anthropic-ratelimit-unified-5h-status", "allowed")
	f("anthropic-ratelimit-unified-5h-utilization", "0.25")
	f("anthropic-ratelimit-unified-7d-status", "allowed_warning")
	f("anthropic-ratelimit-unified-7d-utilization", "0.93")
	p.SetUnified(1, 0)
	f("anthropic-ratelimit-unified-representative-claim", "five_hour")
	f("anthropic-ratelimit-unified-5h-utilization", "1")
	p.SetHeader("Anthropic-Ratelimit-Unified-5h-Utilization", "0.5")
	f("anthropic-ratelimit-unified-5h-utilization", "0.5")
	p.SetHeader("request-id", "")
	f("request-id", "")
	p.SetHeader("set-cookie", "a=b")
	f("set-cookie", "a=b")
	p.SetHeader("set-cookie", "a=c")
	f("set-cookie", "a=c")
	p.SetHeader("content-type", "text/plain")
	f("content-type", "text/plain")
	p.SetHeader("x-new", "1")
	f("x-new", "1")
	p.SetHeader("x-new", "")
	f("x-new", "")
}

func TestARequestMayAskForItsOwnFault(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Name: "sim-a", Fault: "500"})
	f := func(wish string, want int) {
		t.Helper()
		resp, _ := do(t, p, "POST", "/v1/messages", hello, "x-simulate-fault: "+wish)
		equal(t, wish, resp.StatusCode, want)
	}
	f("529", 529)
	f("sim-b:529", 500)
	f("sim-b:401, sim-a:429=3s", 429)
	f("none", 200)
	f("earthquake", 400)
	f("sim-b:earthquake", 500)
	f("refuse", 400)
}
