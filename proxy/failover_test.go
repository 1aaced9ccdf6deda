package proxy_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/health"
	"sluice/proxy/simulate"
)

// pool is a rig over simulated upstreams named a, b, c …, with health kept.
type pool struct {
	*rig
	sims    []*simulate.Provider
	tracker *health.Tracker
}

// newPool makes a pool of n whose strategy takes turns. It is not started.
func newPool(t testing.TB, n int) *pool {
	t.Helper()
	p := &pool{tracker: health.NewTracker(nil)}
	var ups []*engine.Upstream
	for i := range n {
		name := string(rune('a' + i))
		sim := simulated(t, simulate.Options{Name: name, Words: 5})
		u := upstream(name, sim.URL())
		u.Priority, u.Breaker = i, engine.Breaker{Failures: 5, Within: 10 * time.Second, Open: 30 * time.Second}
		ups, p.sims = append(ups, u), append(p.sims, sim)
	}
	p.rig = newRig(t, ups...)
	p.gen.Vitals = p.tracker
	p.gen.Retry = engine.Retry{Attempts: n, Statuses: []int{429, 500, 502, 503, 504, 529}}
	p.strategy("round-robin")
	return p
}

func (p *pool) strategy(name string) {
	p.t.Helper()
	var err error
	if p.gen.Strategy, err = engine.NewStrategy(name, 1); err != nil {
		p.t.Fatal(err)
	}
}

// failing queues a random fault for a share of the next requests of each upstream.
func (p *pool) failing(share float64, requests int, faults ...string) {
	p.t.Helper()
	rng := rand.New(rand.NewPCG(3, 5))
	for _, sim := range p.sims {
		modes := make([]string, requests)
		for i := range modes {
			modes[i] = "none"
			if rng.Float64() < share {
				modes[i] = faults[rng.IntN(len(faults))]
			}
		}
		if err := sim.Next(modes...); err != nil {
			p.t.Fatal(err)
		}
	}
}

// statuses sends requests over some connections at once, and counts what came back.
func (p *pool) statuses(clients, each int) map[int]int {
	var mu sync.Mutex
	seen := map[int]int{}
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: patience}
			defer client.CloseIdleConnections()
			for range each {
				status := p.post(client)
				mu.Lock()
				seen[status]++
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return seen
}

// post is the status of one request, 0 = there was none.
func (p *pool) post(client *http.Client) int {
	req, err := http.NewRequest("POST", "http://"+p.addr+"/v1/messages", strings.NewReader(helloStream))
	if err != nil {
		p.t.Error(err)
		return 0
	}
	req.Header.Set("x-api-key", "alice-key")
	req.Header.Set("anthropic-version", "2023-06-01")
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0
	}
	return resp.StatusCode
}

// explained checks that each row tells of every attempt: whose failure it was, and that only the last one may be none. None is made twice at
// one upstream but where a kept connection closed under it.
func (p *pool) explained(n int) []*engine.Record {
	p.t.Helper()
	rows := p.ledger.wait(p.t, n)
	for _, r := range rows {
		asked := map[string]bool{}
		for i, a := range r.Trace.Attempts {
			last := i == len(r.Trace.Attempts)-1
			again := i > 0 && r.Trace.Attempts[i-1].Upstream == a.Upstream && r.Trace.Attempts[i-1].Error == "the kept connection was closed"
			if failed := a.Class != ""; asked[a.Upstream] && !again || !last && !failed || failed != (a.Status >= 400 || a.Error != "") {
				p.t.Fatalf("row %d %s: attempt %d of %+v", r.Status, r.Code, i, r.Trace.Attempts)
			}
			asked[a.Upstream] = true
		}
	}
	p.empty()
	return rows
}

// empty checks that nobody is in flight or in line.
func (p *pool) empty() {
	p.t.Helper()
	for _, u := range p.gen.Upstreams {
		if v := p.tracker.Vitals(u.Upstream, time.Now()); v.InFlight != 0 || v.Queued != 0 {
			p.t.Errorf("%s: %d in flight, %d in line", u.Name, v.InFlight, v.Queued)
		}
	}
}

// asks is a request as the simulator takes it, for a stream; asksOnce is one for a message.
var (
	asks     = post("/v1/messages", helloStream, "anthropic-version: 2023-06-01")
	asksOnce = post("/v1/messages", hello, "anthropic-version: 2023-06-01")
)

// cannot are the ways to fail before the first byte that pass by themselves.
var cannot = []string{"500", "502-html", "503", "529", "reset-before-head", "overloaded-429"}

func TestAPoolOfFiveHidesThatOneInTenFails(t *testing.T) {
	t.Parallel()
	const requests = 2000
	p := newPool(t, 5)
	p.failing(0.1, 2*requests, cannot...)
	p.start()
	seen := p.statuses(4, requests/4)
	if seen[200] < requests-requests/1000 {
		t.Errorf("%v of %d, want at least 99.9%% of status 200", seen, requests)
	}
	t.Logf("%d of %d lost", requests-seen[200], requests)
	asked := 0
	for _, r := range p.explained(requests) {
		asked += len(r.Trace.Attempts)
	}
	if asked < requests+requests/20 {
		t.Errorf("%d attempts: the faults did not happen", asked)
	}
	saw := 0
	for _, sim := range p.sims {
		saw += len(sim.Requests())
	}
	want(t, "requests that the upstreams saw", saw, asked)
}

// TestAPoolOfFiveHidesThrottlesToo: among what fails are accounts that want to be left alone for a second, so that all of them are at
// times; a request waits for the first that may be asked. Windows that are used up for longer than a queue waits are not among it: an
// account that says so for hours is gone, and five of them are no pool.
func TestAPoolOfFiveHidesThrottlesToo(t *testing.T) {
	t.Parallel()
	const requests = 2000
	p := newPool(t, 5)
	for _, u := range p.gen.Upstreams {
		u.Queue = engine.Queue{Max: 100, Wait: 2 * time.Second} // what an upstream has whose config names none
	}
	p.failing(0.1, 2*requests, append([]string{"429=1s", "429-window=1s"}, cannot...)...)
	p.start()
	seen := p.statuses(8, requests/8)
	if seen[200] < requests-requests/1000 {
		t.Errorf("%v of %d, want at least 99.9%% of status 200", seen, requests)
	}
	t.Logf("%d of %d lost", requests-seen[200], requests)
	throttled := 0
	for _, r := range p.explained(requests) {
		for _, a := range r.Trace.Attempts {
			if a.Class == engine.ClassThrottled || a.Class == engine.ClassExhausted {
				throttled++
			}
		}
	}
	if throttled < requests/100 {
		t.Errorf("%d were told to wait: the faults did not happen", throttled)
	}
}

// TestThreeThatFailOneInFiveLoseWhatArithmeticAllows: 0.2³ = 0.8 %. A reset is not among what fails: where a kept connection is reset its
// upstream is asked once more, and less is lost.
func TestThreeThatFailOneInFiveLoseWhatArithmeticAllows(t *testing.T) {
	t.Parallel()
	const requests = 4000
	p := newPool(t, 3)
	p.failing(0.2, 2*requests, "500", "502-html", "503")
	p.start()
	seen := p.statuses(1, requests)
	t.Logf("%d of %d lost", requests-seen[200], requests)
	if lost := float64(requests-seen[200]) / requests; lost < 0.003 || lost > 0.013 {
		t.Errorf("%.2f%% lost, want 0.8%% within half a point: %v", lost*100, seen)
	}
	p.explained(requests)
}

func TestADeadUpstreamIsAskedNoMore(t *testing.T) {
	t.Parallel()
	const requests = 400
	p := newPool(t, 3)
	p.sims[0].Close()
	p.start()
	if seen := p.statuses(2, requests/2); seen[200] != requests {
		t.Errorf("%v", seen)
	}
	asked := 0
	for _, r := range p.explained(requests) {
		for _, a := range r.Trace.Attempts {
			if a.Upstream == "a" {
				asked++
				want(t, "class", a.Class, engine.ClassRefused)
			}
		}
	}
	if asked < 5 || asked > 6 { // two clients may ask at the same moment
		t.Errorf("asked %d times", asked)
	}
}

// TestAnUpstreamThatFailsEverySecondTimeIsLeftAlone: it never fails twice in a row.
func TestAnUpstreamThatFailsEverySecondTimeIsLeftAlone(t *testing.T) {
	t.Parallel()
	const requests = 100
	p := newPool(t, 2)
	p.strategy("priority")
	modes := make([]string, requests)
	for i := range modes {
		modes[i] = []string{"none", "500"}[i%2]
	}
	if err := p.sims[0].Next(modes...); err != nil {
		t.Fatal(err)
	}
	p.start()
	if seen := p.statuses(1, requests); seen[200] != requests {
		t.Errorf("%v", seen)
	}
	p.explained(requests)
	want(t, "asked the one that fails", len(p.sims[0].Requests()), 20)
	want(t, "breaker", p.tracker.Vitals(p.slot("a").Upstream, time.Now()).Breaker, "open")
}

// TestAStreamThatBreaksOffIsToldOnceAndNotTriedAgain: the client has bytes of it.
func TestAStreamThatBreaksOffIsToldOnceAndNotTriedAgain(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"cut-boundary", "cut-inside", "reset", "no-stop"} {
		p := newPool(t, 2)
		p.failing(1, 1, how)
		p.start()
		got := p.do(asks)
		want(t, how+": error events", strings.Count(got.body, "event: error"), 1)
		row := p.explained(1)[0]
		want(t, how+": attempts", len(row.Trace.Attempts), 1)
		for _, u := range p.gen.Upstreams {
			n := int64(0)
			if u.Name == row.Upstream {
				n = 1
			}
			want(t, how+": broke", p.tracker.Failures(u.Upstream)["broke"], n)
		}
	}
}

// holds is a dialect that keeps the last event until the stream has ended.
var holds = translating{event: func(s *engine.State, e engine.StreamEvent) ([]engine.StreamEvent, error) {
	switch {
	case e.Complete:
		return []engine.StreamEvent{{Name: "message_stop", Data: []byte(`{"type":"message_stop"}`)}}, nil
	case e.End, e.Name == "message_stop":
		return []engine.StreamEvent{}, nil
	}
	return nil, nil
}}

// TestAStreamThatIsWholeBreaksNothing: how an upstream ends behind the last event is of no matter, be the events a dialect's or its own.
func TestAStreamThatIsWholeBreaksNothing(t *testing.T) {
	t.Parallel()
	passes := each(func(string, int) ([]engine.StreamEvent, error) { return nil, nil })
	for name, dialect := range map[string]engine.Dialect{"no dialect": engine.Passthrough{}, "a dialect": passes, "one that holds the end": holds} {
		for _, policy := range []engine.FailurePolicy{engine.FailOpen, engine.FailClosed} {
			for _, behind := range []string{"", "no chunk\r\n", "silence"} {
				for last, broke := range map[string]int64{stop: 0, delta: 1} {
					u := plays(t, func(s *stage) {
						s.next()
						if s.say(eventHead + chunk(start+usage+last)); behind != "silence" {
							s.say(behind)
							return
						}
						s.gone()
					}).upstream("a")
					u.Timeouts.Idle = 50 * time.Millisecond
					r := newRig(t, u)
					tracker := health.NewTracker(nil)
					r.gen.Vitals = tracker
					r.gen.Upstreams[0].Dialect = &engine.DialectSlot{Dialect: dialect, Policy: policy, Script: "x.star", Meter: &engine.Meter{}}
					r.start()
					got := r.do(post("/v1/messages", helloStream))
					what := fmt.Sprintf("%s, closed: %v, then %q behind %.20q: ", name, policy, behind, last)
					want(t, what+"row", r.ledger.wait(t, 1)[0].Code == "", broke == 0)
					want(t, what+"broke", tracker.Failures(u)["broke"], broke)
					want(t, what+"whole", strings.HasSuffix(string(got.body), stop), broke == 0)
				}
			}
		}
	}
}

func TestAClientThatLeavesWhileTheSecondIsAsked(t *testing.T) {
	t.Parallel()
	p := newPool(t, 3)
	p.strategy("priority")
	p.fault(0, "500")
	p.fault(1, "stall-head")
	p.start()
	c := p.dial().send(asks)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := p.sims[1].Wait(ctx, func(simulate.Request) bool { return true }); err != nil {
		t.Fatal(err)
	}
	c.nc.Close()
	row := p.ledger.wait(t, 1)[0]
	want(t, "row", fmt.Sprint(row.Status, row.Code, len(row.Trace.Attempts)), "499client_gone2")
	want(t, "class", row.Trace.Attempts[1].Class, "")
	b := p.slot("b").Upstream
	if v := p.tracker.Vitals(b, time.Now()); v.ErrorRate != 0 || len(p.tracker.Failures(b)) != 0 {
		t.Errorf("its leaving counts: %+v", v)
	}
	want(t, "c was asked", len(p.sims[2].Requests()), 0)
	p.empty()
	within(t, "the call is cancelled", func() bool { return p.sims[1].Open() == 0 })
}

func (p *pool) fault(at int, mode string) {
	p.t.Helper()
	if err := p.sims[at].SetFault(mode); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pool) slot(name string) *engine.UpstreamSlot {
	for _, u := range p.gen.Upstreams {
		if u.Name == name {
			return u
		}
	}
	return nil
}

// within fails unless f becomes true.
func within(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in time", what)
		}
	}
}

// queueing makes the pool's one upstream take one at a time, and has a request that fills it.
func (p *pool) queueing(wait time.Duration) *client {
	p.t.Helper()
	u := p.slot("a")
	u.Concurrency, u.Queue = 1, engine.Queue{Max: 5, Wait: wait}
	p.fault(0, "stall")
	p.start()
	first := p.dial().send(asks)
	first.head("POST")
	return first
}

// inLine waits until so many are.
func (p *pool) inLine(n int) {
	p.t.Helper()
	within(p.t, fmt.Sprint(n, " in line"), func() bool { return p.tracker.Vitals(p.slot("a").Upstream, time.Now()).Queued == n })
}

func TestAClientThatLeavesTheLine(t *testing.T) {
	t.Parallel()
	p := newPool(t, 1)
	first := p.queueing(patience)
	second := p.dial().send(asks)
	p.inLine(1)
	second.nc.Close()
	row := p.ledger.wait(t, 1)[0]
	want(t, "row", fmt.Sprint(row.Status, row.Code, len(row.Trace.Attempts)), "499client_gone0")
	p.inLine(0)
	first.nc.Close()
	p.ledger.wait(t, 2)
	p.empty()
}

func TestWhoWaitsInLineIsServedOrToldToComeBack(t *testing.T) {
	t.Parallel()
	p := newPool(t, 1)
	first := p.queueing(patience)
	second := p.dial().send(asksOnce)
	p.inLine(1)
	p.fault(0, "none")
	first.nc.Close()
	want(t, "served", second.read("POST").StatusCode, 200)

	p.slot("a").Queue.Wait = 20 * time.Millisecond
	p.fault(0, "stall")
	first = p.dial().send(asks)
	first.head("POST")
	got := p.do(asksOnce)
	want(t, "told", got.code()+" "+got.Header.Get("retry-after"), "529 no_upstream_available 1")
	first.nc.Close()
	p.ledger.wait(t, 4)
	p.empty()
}

func TestTheEndOfTheDrainReachesTheLine(t *testing.T) {
	t.Parallel()
	p := newPool(t, 1)
	p.gen.Timeouts.Drain = 50 * time.Millisecond
	first := p.queueing(patience)
	second := p.dial().send(asksOnce)
	p.inLine(1)
	done := p.shutdown()
	want(t, "code", second.read("POST").code(), "503 draining")
	_, _ = io.Copy(io.Discard, first.br)
	if err := <-done; err != nil {
		t.Error(err)
	}
	p.ledger.wait(t, 2)
	p.empty()
}

// TestAReloadLeavesTheLineAndTheAttemptsAlone: who began in one generation ends in it, and the next one knows of the places it holds.
func TestAReloadLeavesTheLineAndTheAttemptsAlone(t *testing.T) {
	t.Parallel()
	p := newPool(t, 2)
	p.strategy("priority")
	for i, u := range []*engine.UpstreamSlot{p.slot("a"), p.slot("b")} {
		u.Concurrency, u.Queue = 1, engine.Queue{Max: 5, Wait: patience}
		p.fault(i, "stall")
	}
	p.start()
	var held []*client
	for range 2 {
		c := p.dial().send(asks)
		c.head("POST")
		held = append(held, c)
	}
	third := p.dial().send(asksOnce)
	p.inLine(1)
	next := &engine.Generation{Number: 2, Strategy: p.gen.Strategy, Vitals: p.tracker, Keys: p.keys, Limits: p.gen.Limits,
		Timeouts: p.gen.Timeouts, Retry: p.gen.Retry, Upstreams: p.gen.Upstreams}
	old := p.gen
	over := make(chan struct{})
	old.OnClose(func() { close(over) })
	p.options.World.Publish(next)
	p.gen = next
	fourth := p.dial().send(asksOnce)
	p.inLine(2)
	p.fault(0, "500") // the third fails there, and goes on to wait for b
	p.fault(1, "none")
	held[0].nc.Close()
	held[1].nc.Close()
	want(t, "third", third.read("POST").StatusCode, 200)
	want(t, "fourth", fourth.read("POST").StatusCode, 200)
	p.ledger.wait(t, 4)
	<-over
	p.empty()
}

func TestAQuotaThatIsUsedUpEverywhereIsA429(t *testing.T) {
	t.Parallel()
	p := newPool(t, 2)
	p.fault(0, "429=30s")
	p.fault(1, "429-window=1h")
	p.start()
	got := p.do(asksOnce)
	want(t, "the first", got.code(), "429 ")
	got = p.do(asksOnce)
	want(t, "the next", got.code(), "429 no_upstream_available")
	if after := got.Header.Get("retry-after"); after != "30" && after != "29" {
		t.Errorf("retry-after %q, want that of the earliest", after)
	}
	if !strings.Contains(got.body, `"type":"rate_limit_error"`) {
		t.Error(got.body)
	}
	for _, sim := range p.sims {
		want(t, "asked", len(sim.Requests()), 1)
	}
	row := p.ledger.wait(t, 2)[1]
	want(t, "row", fmt.Sprint(row.Status, row.Code, len(row.Trace.Attempts)), "429no_upstream_available0")
}

// TestABodyIsSentAgainToTheLetter: the second upstream gets what the first one got.
func TestABodyIsSentAgainToTheLetter(t *testing.T) {
	t.Parallel()
	first := plays(t, answers("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}"))
	second := plays(t, answers(ok("{}")))
	a, b := first.upstream("a"), second.upstream("b")
	b.Priority = 1
	r := newRig(t, a, b)
	r.gen.Vitals, r.gen.Retry = health.NewTracker(nil), engine.Retry{Attempts: 2, Statuses: []int{500}}
	r.gen.Strategy, _ = engine.NewStrategy("priority", 0)
	r.start()
	for range 3 {
		want(t, "status", r.do(asksOnce).StatusCode, 200)
	}
	want(t, "connections to the one that fails", first.conns(), 1)
	_, sent, _ := strings.Cut(first.requests()[0], "\r\n\r\n")
	_, again, _ := strings.Cut(second.requests()[0], "\r\n\r\n")
	want(t, "body", again, sent)
}

// TestWhatBeganIsNotBegunElsewhere has a first upstream that goes as far as it says, and a second one that works.
func TestWhatBeganIsNotBegunElsewhere(t *testing.T) {
	t.Parallel()
	batch := post("/v1/messages/batches", `{"requests":[{"custom_id":"1","params":`+hello+`}]}`, "anthropic-version: 2023-06-01")
	f := func(raw, said, code string, asked int) {
		t.Helper()
		first, second := plays(t, func(s *stage) { s.next(); s.say(said) }), plays(t, answers(ok(`{"id":"msgbatch_1"}`)))
		a, b := first.upstream("a"), second.upstream("b")
		b.Priority = 1
		r := newRig(t, a, b)
		r.gen.Vitals, r.gen.Retry = health.NewTracker(nil), engine.Retry{Attempts: 2, Statuses: []int{500, 529}}
		r.gen.Strategy, _ = engine.NewStrategy("priority", 0)
		r.start()
		name := strings.Fields(raw)[1] + " " + said
		want(t, name, r.do(raw).code(), code)
		want(t, name+": asked the second", len(second.requests()), asked)
	}
	const cut = "502 upstream_unreachable"
	f(asksOnce, "", "200 ", 1)
	f(asksOnce, "H", cut, 0)
	f(asksOnce, "HTTP/1.1 200 OK\r\nContent-Le", cut, 0)
	f(asksOnce, "HTTP/1.1 103 Early Hints\r\n\r\n", cut, 0)
	f(asksOnce, "no HTTP at all\r\n\r\n", cut, 0)
	f(asksOnce, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 529 Overloaded\r\nContent-Length: 2\r\n\r\n{}", "200 ", 1) // it says that nothing was done
	f(request("GET", "/v1/models", "", "x-api-key: alice-key"), "HTTP/1.1 200", "200 ", 1)
	f(batch, "", cut, 0)
	f(batch, "HTTP/1.1 5", cut, 0)
	f(batch, "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}", "500 ", 0)
	f(batch, "HTTP/1.1 529 Overloaded\r\nContent-Length: 2\r\n\r\n{}", "200 ", 1)
}

// TestABatchIsNotSentAgainOnAFreshConnection: the kept one was closed at its request, which may have been read.
func TestABatchIsNotSentAgainOnAFreshConnection(t *testing.T) {
	t.Parallel()
	p := plays(t, func(s *stage) {
		s.next()
		if s.number == 1 {
			s.say(ok("{}"))
			s.next() // comes only to a connection that is used again
			return
		}
		s.say(ok("{}"))
	})
	r := newRig(t, p.upstream("a")).start()
	want(t, "first", r.do(asksOnce).code(), "200 ")
	want(t, "batch", r.do(post("/v1/messages/batches", `{"requests":[]}`)).code(), "200 ")
	want(t, "requests", len(p.requests()), 2)
}

// TestASilentUpstreamIsNotTheEnd: another one is asked when timeouts.response_header is over.
func TestASilentUpstreamIsNotTheEnd(t *testing.T) {
	t.Parallel()
	p := newPool(t, 3)
	p.strategy("priority")
	for _, u := range p.gen.Upstreams {
		u.Timeouts.ResponseHeader = 100 * time.Millisecond
	}
	p.gen.Timeouts.ResponseHeader = 100 * time.Millisecond
	p.fault(0, "stall-head")
	p.fault(1, "stall-head")
	p.start()
	want(t, "code", p.do(asksOnce).code(), "200 ")
	row := p.explained(1)[0]
	want(t, "attempts", len(row.Trace.Attempts), 3)
	want(t, "class", row.Trace.Attempts[1].Class, engine.ClassTimeout)
	p.fault(2, "stall-head")
	want(t, "all silent", p.do(asksOnce).code(), "504 upstream_timeout")
}

// unreachable is an address at which nobody listens.
func unreachable(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return "http://" + ln.Addr().String()
}

func TestAPoolThatCannotBeReached(t *testing.T) {
	t.Parallel()
	r := newRig(t, upstream("a", unreachable(t)), upstream("b", "http://nobody.invalid"))
	r.gen.Vitals = health.NewTracker(nil)
	r.start()
	want(t, "code", r.do(asksOnce).code(), "502 upstream_unreachable")
	row := r.ledger.wait(t, 1)[0]
	classes := map[engine.FailureClass]bool{}
	for _, a := range row.Trace.Attempts {
		classes[a.Class] = true
	}
	if !classes[engine.ClassRefused] || !classes[engine.ClassDNS] && !classes[engine.ClassTimeout] {
		t.Errorf("%v", classes)
	}
}

// TestAnAnswerThatCannotBeRead: the upstream was reached, and may have worked on the request.
func TestAnAnswerThatCannotBeRead(t *testing.T) {
	t.Parallel()
	got := newRig(t, plays(t, answers("HTTP/1.1 200 OK\r\nno colon\r\n\r\n")).upstream("a")).start().do(asksOnce)
	want(t, "code", got.code(), "502 upstream_unreachable")
	if !strings.Contains(got.body, `upstream \"a\" began an answer that cannot be read`) {
		t.Errorf("%s", got.body)
	}
}

// TestARefusalThatStallsGoesElsewhere: what it means is told by its head, and a long silence is for answers that take long.
func TestARefusalThatStallsGoesElsewhere(t *testing.T) {
	t.Parallel()
	a := plays(t, func(s *stage) {
		s.next()
		s.say("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nContent-Length: 90\r\n\r\n{\"type\":")
		s.gone()
	}).upstream("a")
	a.Timeouts.Idle = time.Hour
	b := plays(t, answers(ok("{}"))).upstream("b")
	b.Priority = 1
	r := newRig(t, a, b)
	r.gen.Vitals, r.gen.Retry = health.NewTracker(nil), engine.Retry{Attempts: 2, Statuses: []int{429}}
	r.gen.Strategy, _ = engine.NewStrategy("priority", 0)
	r.start()
	want(t, "answer", r.do(post("/v1/messages", hello)).code(), "200 ")
	want(t, "cooling", r.gen.Vitals.Vitals(a, time.Now()).Cooling.Class, engine.ClassThrottled)
	want(t, "attempts", len(r.ledger.wait(t, 1)[0].Trace.Attempts), 2)
}
