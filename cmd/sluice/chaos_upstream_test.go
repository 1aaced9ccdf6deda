package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sluice/engine"
)

// whatAnUpstreamDoesBeforeItAnswers: b serves where a cannot, unless a had begun to answer, and a is asked no more once it failed five
// times.
func whatAnUpstreamDoesBeforeItAnswers(t *testing.T) {
	const short = "response_header: 1s"
	f := func(fault string, s settings, want string, class engine.FailureClass, breaker string) {
		t.Run(strings.ReplaceAll(fault, "=", "_"), func(t *testing.T) {
			c := startChaos(t, s)
			if err := c.a.SetFault(fault); err != nil {
				t.Fatal(err)
			}
			one := func(stream bool, want string) {
				got := c.do(ask(stream, ""))
				if text := fmt.Sprintf("%d %s", got.status, got.code); text != want || !got.whole {
					t.Errorf("%s, want %s: %+v", text, want, got)
				}
			}
			var wait sync.WaitGroup
			for i := range 5 {
				wait.Go(func() { one(i%2 == 0, want) })
			}
			wait.Wait()
			c.settled()
			if breaker == "open" {
				want = "200 "
			}
			one(true, want)
			c.settled()
			for i, r := range c.rows() {
				if i < 5 && r.Trace.Attempts[0].Class != class {
					t.Errorf("row %d: %+v, want class %q", i, r.Trace.Attempts, class)
				}
			}
			c.breaker[0] = breaker
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

// aStreamThatBreaksAnywhere is told once: after every event, in every event, in silence or with a reset; by its status where no event came.
// What serves in between keeps the breakers closed.
func aStreamThatBreaksAnywhere(t *testing.T) {
	c := startChaos(t, settings{timeouts: "idle: 100ms"})
	events := strings.Count(c.do(ask(true, "")).body, "event: ")
	if events < 8 {
		t.Fatalf("%d events", events)
	}
	broken := 0
	for _, how := range []string{"cut-boundary", "cut-inside", "reset", "stall"} {
		for n := range events {
			if how == "stall" && n%4 != 0 {
				continue // each of them waits
			}
			fault := fmt.Sprintf("%s=%d", how, n)
			got := c.do(ask(true, "b:"+fault+",a:"+fault))
			if n == 0 {
				want := map[bool]string{true: "504 upstream_timeout", false: "502 upstream_unreachable"}[how == "stall"]
				if text := fmt.Sprintf("%d %s", got.status, got.code); text != want || !got.whole {
					t.Errorf("%s: %s, want %s", fault, text, want)
				}
			} else if got.status != 200 || got.errors() != 1 || !got.whole || strings.Contains(got.body, "event: message_stop") {
				t.Errorf("%s: %d error events: %+v", fault, got.errors(), got)
			}
			for range 2 { // where half of all fail, a breaker opens
				c.do(ask(true, ""))
			}
			broken++
		}
	}
	c.settled()
	for i, r := range c.rows() {
		if len(r.Trace.Attempts) != 1 || r.Code != "" && r.Code != engine.CodeUpstreamUnreachable && r.Code != engine.CodeUpstreamTimeout {
			t.Errorf("row %d: %s %+v", i, r.Code, r.Trace.Attempts)
		}
		if r.Code != "" {
			broken--
		}
	}
	if broken != 0 {
		t.Errorf("%d more streams broke than rows say so", broken)
	}
	for _, garbled := range []string{"garbled=0", "garbled=3", "no-stop", "error-event=2"} {
		got := c.do(ask(true, garbled))
		if want := map[bool]int{true: 0, false: 1}[strings.HasPrefix(garbled, "garbled")]; got.errors() != want || !got.whole {
			t.Errorf("%s: %+v", garbled, got)
		}
	}
	c.end()
}

// anUpstreamWhoseStreamsBreak answers each time, and is left alone after five of them: b serves.
func anUpstreamWhoseStreamsBreak(t *testing.T) {
	c := startChaos(t, settings{})
	for i := range 20 {
		got := c.do(ask(true, []string{"a:cut-boundary=3", "a:no-stop"}[i%2]))
		if broken := got.errors() == 1; got.status != 200 || broken != (i < 5) {
			t.Errorf("request %d: %+v", i, got)
		}
		c.settled() // so that it was counted
	}
	c.breaker[0] = "open"
	c.end()
}

// anUpstreamThatIsResetAfterAnyByte has begun to answer or not: b serves, or the client is told that it was cut, in the way that its answer
// leaves. What serves in between keeps the breakers closed.
func anUpstreamThatIsResetAfterAnyByte(t *testing.T) {
	c := startChaos(t, settings{})
	kinds := map[string]int{}
	for _, stream := range []bool{true, false} {
		for n := 0; n < 3000; n += 83 {
			for range 2 {
				c.do(ask(false, ""))
			}
			got := c.do(ask(stream, fmt.Sprintf("a:reset-bytes=%d", n)))
			kind := fmt.Sprint(stream, " ", got.status)
			switch {
			case got.status == 502 && got.code == string(engine.CodeUpstreamUnreachable) && got.whole:
			case !stream && !got.whole: // its head may have waited for more of it
				kind = "false cut"
			case got.status == 200 && got.whole && stream && got.errors() == 1 && !strings.Contains(got.body, "event: message_stop"):
				kind += " told"
			case got.status == 200 && got.whole && got.errors() == 0 && (!stream || strings.HasSuffix(got.body, "message_stop\"}\n\n")):
			default:
				t.Errorf("after %d bytes: %+v", n, got)
			}
			kinds[kind]++
		}
	}
	for _, kind := range []string{"true 502", "true 200 told", "true 200", "false 502", "false cut", "false 200"} {
		if kinds[kind] == 0 {
			t.Errorf("never %s: %v", kind, kinds)
		}
	}
	c.end()
}

// manyClientsAndOneProbe: of all that come at once to an upstream whose breaker is half open one asks it, and the next one when that has
// left, which tells nothing. Then one closes the breaker.
func manyClientsAndOneProbe(t *testing.T) {
	c := startChaos(t, settings{open: "50ms"})
	for range 5 {
		c.do(ask(false, "a:500"))
	}
	c.within("the breaker is half open", func() bool { return c.state("a") == "half_open" })
	for range 2 {
		var served atomic.Int64
		var wait sync.WaitGroup
		var all []*visitor
		for range 20 {
			v := c.dial()
			all = append(all, v)
			wait.Go(func() {
				if got := v.send(ask(true, "a:stall-head")).read(); got.status == 200 && got.whole {
					served.Add(1)
				}
			})
		}
		c.within("all but one are served", func() bool { return served.Load() == 19 && c.a.Open() == 1 })
		for _, v := range all {
			v.Close()
		}
		wait.Wait()
		c.settled()
		if got := c.state("a"); got != "half_open" {
			t.Errorf("breaker %s: a probe whose client leaves tells nothing", got)
		}
	}
	if n := len(c.a.Requests()); n != 7 {
		t.Errorf("a was asked %d times, want 5 and 2 probes", n)
	}
	if got := c.do(ask(true, "b:500")); got.status != 200 {
		t.Errorf("%+v", got)
	}
	c.end()
}

// aMessageThatIsCut ends with its connection: there is no way to say so in JSON.
func aMessageThatIsCut(t *testing.T) {
	c := startChaos(t, settings{timeouts: "idle: 100ms"})
	for _, fault := range []string{"cut-json", "reset", "stall"} {
		if got := c.do(ask(false, fault)); got.whole {
			t.Errorf("%s: %+v", fault, got)
		}
	}
	c.end()
}
