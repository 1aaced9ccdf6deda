package proxy_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/limits"
)

// once counts, for things that must happen once to each of many, how often they did.
type once struct {
	mu    sync.Mutex
	count map[any]int // by what it is about
}

func (o *once) begins(what any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count == nil {
		o.count = make(map[any]int)
	}
	o.count[what] = 0
}

func (o *once) happens(what any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count[what]++
}

// check fails unless it happened once to each, and there were enough of them.
func (o *once) check(t *testing.T, what string, atLeast int) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.count) < atLeast {
		t.Errorf("%s: of %d, want at least %d", what, len(o.count), atLeast)
	}
	for about, n := range o.count {
		if n != 1 {
			t.Errorf("%s: %d times of %v", what, n, about)
		}
	}
}

// countedLimiter is a Limiter whose reservations are counted.
type countedLimiter struct {
	engine.Limiter
	ends *once
}

func (l countedLimiter) Reserve(now time.Time, d engine.Demand) (engine.Reservation, error) {
	r, err := l.Limiter.Reserve(now, d)
	if err != nil {
		return nil, err
	}
	counted := &countedReservation{r, l.ends}
	l.ends.begins(counted)
	return counted, nil
}

type countedReservation struct {
	engine.Reservation
	ends *once
}

func (r *countedReservation) Settle(now time.Time, s engine.Spent) engine.Booked {
	r.ends.happens(r)
	return r.Reservation.Settle(now, s)
}

func (r *countedReservation) Refund(now time.Time) {
	r.ends.happens(r)
	r.Reservation.Refund(now)
}

// countedHealth is a Health whose visits are counted.
type countedHealth struct {
	engine.VitalsSource
	engine.Health
	leaves *once
}

func (h countedHealth) Enter(a engine.Account) engine.Visit { return h.counted(h.Health.Enter(a)) }

func (h countedHealth) Wait(ctx context.Context, full []engine.Account) (engine.Visit, int) {
	v, i := h.Health.Wait(ctx, full)
	return h.counted(v), i
}

func (h countedHealth) counted(v engine.Visit) engine.Visit {
	if v == nil {
		return nil
	}
	counted := &countedVisit{v, h.leaves}
	h.leaves.begins(counted)
	return counted
}

type countedVisit struct {
	engine.Visit
	leaves *once
}

func (v *countedVisit) Leave() {
	v.leaves.happens(v)
	v.Visit.Leave()
}

// countedObserver counts how often it is told of a request's end.
type countedObserver struct{ ends *once }

func (o countedObserver) Observe(e engine.ObserveEvent) error {
	switch e.Kind() {
	case "request_started":
		o.ends.begins(e.Head().RequestID)
	case "request_finished":
		o.ends.happens(e.Head().RequestID)
	}
	return nil
}

// exits are how an upstream ends a request, or a pair of them.
var exits = []string{"none", "latency=2ms", "slow=1ms", "401", "403", "404-model", "429=1ms", "500", "502-html", "529", "redirect", "1xx", "bigheader",
	"close-delimited", "cut-boundary=0", "cut-boundary=3", "cut-inside=3", "cut-json", "reset", "reset-bytes=10", "reset-bytes=800", "reset-before-head",
	"garbage", "stall=0", "stall=2", "stall-head", "garbled", "error-event", "no-stop", "a:500,b:none", "a:reset-before-head,b:cut-boundary=2",
	"a:garbage,b:529", "a:529,b:stall=1"}

// departures are how a client ends a request: f sends it and does whatever it does. It returns what it heard, 0 where it did not listen to
// the end.
var departures = []struct {
	name string
	f    func(c *client, raw string) (status int)
}{
	{"hears it all", func(c *client, raw string) int { return c.send(raw).hear() }},
	{"leaves in its head", func(c *client, raw string) int { c.send(raw[:20]); return 0 }},
	{"leaves in its body", func(c *client, raw string) int { c.send(raw[:len(raw)-4]); return 0 }},
	{"leaves at once", func(c *client, raw string) int { c.send(raw); return 0 }},
	{"leaves within the answer", func(c *client, raw string) int { _, _ = c.send(raw).br.ReadByte(); return 0 }},
	{"leaves after some of it", func(c *client, raw string) int {
		_, _ = io.CopyN(io.Discard, c.send(raw).br, 1500)
		return 0
	}},
}

// hear reads an answer to wherever it ends, and returns its status, 0 = none came.
func (c *client) hear() int {
	line, err := c.br.ReadString('\n')
	if err != nil {
		return 0
	}
	status := 0
	_, _ = fmt.Sscanf(line, "HTTP/1.1 %d", &status)
	_, _ = io.Copy(io.Discard, c.br)
	return status
}

// TestEveryExitSettlesOnce goes through all exits × departures × messages and streams × limits: whatever began ends, and ends once.
func TestEveryExitSettlesOnce(t *testing.T) {
	for _, exit := range exits {
		t.Run(exit, func(t *testing.T) {
			t.Parallel()
			everyDeparture(t, exit)
		})
	}
}

func everyDeparture(t *testing.T, exit string) {
	p := newPool(t, 2)
	p.strategy("priority")
	for _, u := range p.gen.Upstreams {
		u.Breaker = engine.Breaker{}
		u.Timeouts.Idle, u.Timeouts.ResponseHeader = 50*time.Millisecond, 50*time.Millisecond
		u.Concurrency, u.Queue = 6, engine.Queue{Max: 4, Wait: 5 * time.Millisecond}
	}
	var reservations, visits, observed once
	p.gen.Vitals = countedHealth{p.tracker, p.tracker, &visits}
	p.gen.Observers = engine.NewFeed([]*engine.ObserverSlot{{Observer: countedObserver{&observed}, Name: "o", Meter: &engine.Meter{}}})
	p.gen.OnClose(p.gen.Observers.Close)
	closed := false
	p.gen.OnClose(func() { closed = true })
	set := func(most int64) engine.Limiter {
		rules := []limits.Rule{{Kind: limits.Requests, Window: time.Hour, Max: most}, {Kind: limits.OutputTokens, Window: time.Hour, Max: 1 << 40}}
		return countedLimiter{limits.NewBook(time.Now()).Set(limits.Holder{Principal: "alice", Rules: rules}, dear{}), &reservations}
	}
	keys := limitedKeys{p.alice, map[string]engine.Limiter{"alice-none": nil, "alice-room": set(1 << 40), "alice-full": set(1)}}
	p.gen.Keys = keys
	p.start()

	heard, asked := p.everybody(exit, keys)
	rows := p.ledger.wait(t, asked)
	p.empty()
	ids := map[string]bool{}
	for _, r := range rows {
		ids[r.RequestID] = true
		status, listened := heard[r.ClientRequestID]
		if listened && status != r.Status && (status != 0 || r.Code == "") {
			t.Errorf("%s: heard %d, and the row is %d %s %+v", r.ClientRequestID, status, r.Status, r.Code, r.Trace.Attempts)
		}
	}
	want(t, "ids", len(ids), asked)
	reservations.check(t, "a reservation ends", 4)
	visits.check(t, "a visit ends", 2)
	begun := asked - asked/len(departures) // nobody is told of a request that was not
	within(t, "observers are told", func() bool { return observed.all(begun) })
	observed.check(t, "an observer is told of the end", begun)
	want(t, "closed while it is current", closed, false)
}

// all reports whether there are n, and it happened to each.
func (o *once) all(n int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.count) < n {
		return false
	}
	for _, n := range o.count {
		if n == 0 {
			return false
		}
	}
	return true
}

// everybody sends a request of each kind, all at once. It returns the status of those who listened, by their id, and how many there were.
func (p *pool) everybody(exit string, keys limitedKeys) (heard map[string]int, asked int) {
	heard = make(map[string]int)
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, d := range departures {
		for _, body := range []string{hello, helloStream} {
			for key := range keys.limiters {
				id := fmt.Sprint(d.name, len(body), key)
				id = strings.ReplaceAll(id, " ", "-")
				raw := request("POST", "/v1/messages", body, "x-request-id: "+id, "x-api-key: "+key, "anthropic-version: 2023-06-01",
					"x-simulate-fault: "+exit, "connection: close")
				asked++
				c := p.dial()
				wait.Go(func() {
					defer c.nc.Close()
					status := d.f(c, raw)
					mu.Lock()
					defer mu.Unlock()
					if d.name == "hears it all" {
						heard[id] = status
					}
				})
			}
		}
	}
	wait.Wait()
	return heard, asked
}

// limitedKeys gives each key its limiter.
type limitedKeys struct {
	p        *engine.Principal
	limiters map[string]engine.Limiter
}

func (k limitedKeys) Lookup(key string, _ time.Time) (engine.Grant, error) {
	l, known := k.limiters[key]
	if !known || !strings.HasPrefix(key, "alice-") {
		return engine.Grant{}, &engine.Refusal{Code: engine.CodeBadKey, Message: "unknown key"}
	}
	return engine.Grant{Principal: k.p, Limiter: l}, nil
}
