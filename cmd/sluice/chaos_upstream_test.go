package main

import (
	"fmt"
	"strings"
	"testing"

	"sluice/engine"
)

// TestWhatAnUpstreamDoesBeforeItAnswers: b serves where a cannot, unless a had begun to answer, and a is asked no more once it failed five
// times.
func TestWhatAnUpstreamDoesBeforeItAnswers(t *testing.T) {
	const short = "response_header: 100ms"
	f := func(fault string, s settings, want string, class engine.FailureClass, breaker string) {
		t.Run(strings.ReplaceAll(fault, "=", "_"), func(t *testing.T) {
			c := startChaos(t, s)
			if err := c.a.SetFault(fault); err != nil {
				t.Fatal(err)
			}
			for i := range 6 {
				got := c.do(ask(i%2 == 0, ""))
				if i == 5 && breaker == "open" {
					want = "200 "
				}
				if text := fmt.Sprintf("%d %s", got.status, got.code); text != want || !got.whole {
					t.Errorf("request %d: %s, want %s: %+v", i, text, want, got)
				}
			}
			c.settled()
			for i, r := range c.rows() {
				if i < 5 && r.Trace.Attempts[0].Class != class {
					t.Errorf("row %d: %+v, want class %q", i, r.Trace.Attempts, class)
				}
			}
			if got := c.breaker("a"); got != breaker {
				t.Errorf("breaker %s, want %s", got, breaker)
			}
			_ = c.a.SetFault("none") // which lets go of connections that are half open
			c.end()
		})
	}
	served := settings{}
	f("latency=5ms", served, "200 ", "", "closed")
	f("slow=2ms", served, "200 ", "", "closed")
	f("slow-read=2ms", served, "200 ", "", "closed")
	f("1xx", served, "200 ", "", "closed")
	f("close-delimited", served, "200 ", "", "closed")
	f("500", served, "200 ", engine.ClassProvider, "open")
	f("503", served, "200 ", engine.ClassCDN, "open")
	f("refuse", served, "200 ", engine.ClassRefused, "open")
	f("reset-before-head", served, "200 ", engine.ClassReset, "open")
	f("reset-bytes=0", served, "200 ", engine.ClassReset, "open")
	f("reset-bytes=20", served, "502 upstream_unreachable", engine.ClassReset, "open")
	f("garbage", served, "502 upstream_unreachable", engine.ClassUnreachable, "open")
	f("bigheader", served, "502 upstream_unreachable", engine.ClassUnreachable, "open")
	f("stall-head", settings{timeouts: short}, "200 ", engine.ClassTimeout, "open")
	f("half-open", settings{timeouts: short}, "200 ", engine.ClassTimeout, "open")
	f("none", settings{url: "http://nobody.invalid", upstream: ", insecure: true"}, "200 ", engine.ClassDNS, "open")
}

// TestAStreamThatBreaksAnywhereIsToldOnce: after every event, in every event, in silence or with a reset.
func TestAStreamThatBreaksAnywhereIsToldOnce(t *testing.T) {
	c := startChaos(t, settings{timeouts: "idle: 100ms"})
	events := strings.Count(c.do(ask(true, "")).body, "event: ")
	if events < 8 {
		t.Fatalf("%d events", events)
	}
	for _, how := range []string{"cut-boundary", "cut-inside", "reset", "stall"} {
		for n := range events {
			if how == "stall" && n%4 != 0 {
				continue // each of them waits
			}
			fault := fmt.Sprintf("%s=%d", how, n)
			got := c.do(ask(true, "b:"+fault+",a:"+fault))
			if got.status != 200 || got.errors() != 1 || !got.whole || strings.Contains(got.body, "event: message_stop") {
				t.Errorf("%s: %d error events: %+v", fault, got.errors(), got)
			}
		}
	}
	c.settled()
	for i, r := range c.rows() {
		if i > 0 && (len(r.Trace.Attempts) != 1 || r.Code != engine.CodeUpstreamUnreachable && r.Code != engine.CodeUpstreamTimeout) {
			t.Errorf("row %d: %s %+v", i, r.Code, r.Trace.Attempts)
		}
	}
	for _, garbled := range []string{"garbled=0", "garbled=3", "no-stop", "error-event=2"} {
		got := c.do(ask(true, garbled))
		if want := map[bool]int{true: 0, false: 1}[strings.HasPrefix(garbled, "garbled")]; got.errors() != want || !got.whole {
			t.Errorf("%s: %+v", garbled, got)
		}
	}
	c.end()
}

// TestAMessageThatIsCutEndsWithItsConnection: there is no way to say so in JSON.
func TestAMessageThatIsCutEndsWithItsConnection(t *testing.T) {
	c := startChaos(t, settings{timeouts: "idle: 100ms"})
	for _, fault := range []string{"cut-json", "reset", "stall"} {
		if got := c.do(ask(false, fault)); got.whole {
			t.Errorf("%s: %+v", fault, got)
		}
	}
	c.end()
}
