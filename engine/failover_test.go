package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/engine"
	"sluice/engine/health"
)

// played is what upstreams answer, by name: "529", "429 retry-after: 5", "500", "dial" for no answer, and 200 where it says nothing.
type played map[string]string

// failing is a world of three upstreams, a, b and c in the order of strategy priority, whose health is kept. It notes who was asked.
type failing struct {
	*world
	tracker *health.Tracker
	says    played
	asked   []string
	open    int // bodies that are not closed
}

func newFailing(t *testing.T, says played) *failing {
	t.Helper()
	var ups []*engine.Upstream
	for i, name := range []string{"a", "b", "c"} {
		u := upstreamNamed(name)
		u.Priority, u.Breaker = i, engine.Breaker{Failures: 3, Within: 10 * time.Second, Open: 30 * time.Second}
		ups = append(ups, u)
	}
	f := &failing{world: newWorld(t, ups...), tracker: health.NewTracker(nil), says: says}
	f.generation.Strategy, _ = engine.NewStrategy("priority", 0)
	f.generation.Vitals = f.tracker
	f.generation.Retry = engine.Retry{Attempts: 3, Statuses: []int{429, 500, 502, 503, 504, 529}}
	f.world.transport = f.roundTrip
	return f
}

type counted struct {
	io.Reader
	f      *failing
	closed bool
}

func (c *counted) Close() error {
	if !c.closed {
		c.closed = true
		c.f.open--
	}
	return nil
}

func (f *failing) roundTrip(_ context.Context, s engine.Signed) (*engine.Response, error) {
	name := s.Upstream().Name
	f.asked = append(f.asked, name)
	say := f.says[name]
	if say == "" {
		say = "200"
	}
	if cause := map[string]error{"begun": engine.ErrBegun, "unsent": engine.ErrUnsent, "silent": engine.ErrUpstreamTimeout}[say]; cause != nil {
		return nil, fmt.Errorf("%s: %w", say, cause)
	}
	status, rest, _ := strings.Cut(say, " ")
	resp := &engine.Response{Length: -1}
	if n, _ := fmt.Sscan(status, &resp.Status); n == 0 {
		return nil, errors.New(say)
	}
	header, body, _ := strings.Cut(rest, "|")
	if key, value, found := strings.Cut(header, ": "); found {
		resp.Headers.Add(key, value)
	}
	f.open++
	resp.Body = &counted{strings.NewReader(body + "|" + name), f, false}
	return resp, nil
}

// ask sends one request and shows what its client sees, and who was asked: "200 b; a b".
func (f *failing) ask(t *testing.T) string {
	t.Helper()
	f.asked = nil
	a, err := f.try()
	var seen string
	var r *engine.Refusal
	switch {
	case err == nil:
		b, _ := io.ReadAll(a.Body)
		a.Body.Close()
		name := string(b[strings.LastIndexByte(string(b), '|')+1:])
		seen = fmt.Sprint(a.Status, " ", name)
		if f.exchange.Upstream.Name != name {
			t.Errorf("the row would name %q for an answer of %q", f.exchange.Upstream.Name, name)
		}
	case errors.As(err, &r):
		seen = string(r.Code)
	}
	for _, u := range f.generation.Upstreams {
		if n := f.tracker.Vitals(u.Upstream, time.Now()).InFlight; n != 0 || f.open != 0 {
			t.Errorf("%s: %d in flight, %d bodies are open", u.Name, n, f.open)
		}
	}
	return strings.TrimSpace(seen + "; " + strings.Join(f.asked, " "))
}

func TestTheNextIsAskedWhereThisOneFailed(t *testing.T) {
	f := func(says played, want string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			t.Helper()
			if got := newFailing(t, says).ask(t); got != want {
				t.Errorf("%v: %s, want %s", says, got, want)
			}
		})
	}
	model := `404 |{"error":{"type":"not_found_error","message":"model: x"}}`
	f(played{}, "200 a; a")
	f(played{"a": "500"}, "200 b; a b")
	f(played{"a": "529", "b": "dial"}, "200 c; a b c")
	f(played{"a": "401"}, "200 b; a a b") // with a refreshed credential once
	f(played{"a": "402"}, "200 b; a b")
	f(played{"a": "403"}, "200 b; a b")
	f(played{"a": "524"}, "200 b; a b")
	f(played{"a": `400 |Your credit balance is too low to access the API.`}, "200 b; a b")
	f(played{"a": `400 |This organization has been disabled.`}, "200 b; a b")
	f(played{"a": "400"}, "400 a; a") // the request's own fault
	f(played{"a": "413"}, "413 a; a")
	f(played{"a": "404"}, "404 a; a")
	f(played{"a": model}, "404 a; a") // it names another model than the one asked
	f(played{"a": "302"}, "302 a; a")

	f(played{"a": "500", "b": "429 retry-after: 5", "c": "503"}, "429 b; a b c")
	f(played{"a": "429", "b": "529", "c": "403"}, "429 a; a b c")
	f(played{"a": "429 retry-after: 5", "b": "429 retry-after: 900", "c": "429 retry-after: 60"}, "429 a; a b c") // the one that frees first
	f(played{"a": "403", "b": "500", "c": "dial"}, "500 b; a b c")
	f(played{"a": "529", "b": "402", "c": "403"}, "529 a; a b c") // one account's money and rights are no answer to a request
	f(played{"a": "529", "b": `400 |Your credit balance is too low to access the API.`, "c": "404 |no model m-1"}, "529 a; a b c")
	f(played{"a": "404 |no model m-1", "b": "402", "c": "403"}, "404 a; a b c")
	f(played{"a": "402", "b": "403", "c": "dial"}, "403 b; a b c")
	f(played{"a": "500", "b": "503", "c": "dial"}, "503 b; a b c")
	f(played{"a": "401", "b": "401", "c": "401"}, "upstream_credential; a a b b c c")
	f(played{"a": "401", "b": "500", "c": "401"}, "500 b; a a b c c")
	f(played{"a": "dial", "b": "dial", "c": "dial"}, "upstream_unreachable; a b c")
}

// TestWhatMayHaveBegunIsNotBegunElsewhere: a message costs tokens and leaves nothing behind, so that it is asked again as long as no answer
// to it had begun; what is made in an account, only where it surely was not made.
func TestWhatMayHaveBegunIsNotBegunElsewhere(t *testing.T) {
	f := func(request, says string, again bool) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			t.Helper()
			w := newFailing(t, played{"a": says})
			method, path, _ := strings.Cut(request, " ")
			x := &engine.Exchange{Principal: w.principal, Request: &engine.RequestContext{Method: method, Path: path, Now: time.Now()}}
			answer, _ := w.generation.Serve(context.Background(), x, engine.TransportFunc(w.roundTrip))
			if answer != nil {
				answer.Body.Close()
			}
			if got := len(w.asked) == 2; got != again {
				t.Errorf("%s after %q: asked %q", request, says, w.asked)
			}
		})
	}
	for request, is := range map[string]struct{ begun, cut, status, free bool }{
		"POST /v1/messages":              {false, true, true, true},
		"POST /v1/messages/count_tokens": {true, true, true, true},
		"GET /v1/models":                 {true, true, true, true},
		"POST /v1/messages/batches":      {false, false, false, true},
		"POST /v1/files":                 {false, false, false, true},
	} {
		f(request, "begun", is.begun)
		f(request, "cut", is.cut)
		f(request, "silent", is.cut)
		f(request, "500", is.status)
		f(request, "504", is.status)
		f(request, "524", is.status)
		f(request, "unsent", is.free)
		f(request, "529", is.free)
		f(request, "503", is.free)
		f(request, "429 retry-after: 1", is.free)
		f(request, "402", is.free)
	}
}

func TestNoMoreAreAskedThanAllowed(t *testing.T) {
	all := played{"a": "500", "b": "500", "c": "500"}
	f := newFailing(t, all)
	f.generation.Retry.Attempts = 2
	if got, want := f.ask(t), "500 b; a b"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	f = newFailing(t, all)
	f.generation.Retry.Statuses = []int{529}
	if got, want := f.ask(t), "500 a; a"; got != want {
		t.Errorf("%s, want %s: 500 is not listed", got, want)
	}
}

// TestASilentUpstreamCostsItsOwnTimeAndNotTheNextOnes: timeouts.response_header is each attempt's.
func TestASilentUpstreamCostsItsOwnTimeAndNotTheNextOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailing(t, played{"a": "silent", "b": "silent"})
		f.generation.Timeouts.ResponseHeader = 10 * time.Second
		f.world.transport = func(ctx context.Context, s engine.Signed) (*engine.Response, error) {
			time.Sleep(10 * time.Second)
			return f.roundTrip(ctx, s)
		}
		if got, want := f.ask(t), "200 c; a b c"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// Whoever writes years where no bound is meant gets none.
func TestATimeThatNoClockHoldsIsNoBound(t *testing.T) {
	f := newFailing(t, played{"a": "500", "b": "500"})
	f.generation.Timeouts.ResponseHeader = math.MaxInt64 / 2
	if got, want := f.ask(t), "200 c; a b c"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNobodyElseIsAskedWhenTheTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailing(t, played{"a": "500", "b": "500"})
		f.generation.Timeouts.ResponseHeader = 10 * time.Second
		f.world.transport = func(ctx context.Context, s engine.Signed) (*engine.Response, error) {
			time.Sleep(16 * time.Second) // it took long to connect, or to take the request
			return f.roundTrip(ctx, s)
		}
		if got, want := f.ask(t), "500 b; a b"; got != want {
			t.Errorf("%s, want %s: 30s are over", got, want)
		}
	})
}

func TestTheTraceTellsEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailing(t, played{"a": "429 retry-after: 30", "b": "dial"})
		f.ask(t)
		var got []string
		for _, a := range f.exchange.Trace.Attempts {
			line := fmt.Sprintf("%s %d %s", a.Upstream, a.Status, a.Class)
			if a.Cooling.Class != "" {
				line += fmt.Sprintf(" %s %v", a.Cooling.String(), time.Until(a.Cooling.Until))
			}
			got = append(got, line)
		}
		want := []string{"a 429 throttled account 30s", "b 0 unreachable", "c 200 "}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func TestWhoeverCoolsIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailing(t, played{"a": "429 retry-after: 30"})
		step := func(want string) {
			t.Helper()
			if got := f.ask(t); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		step("200 b; a b")
		f.says = played{"b": "529"}
		step("200 c; b c")
		step("200 c; c") // b has a soft rest
		f.says = played{"b": "529", "c": "429 retry-after: 90"}
		step("429 c; c b") // c was better than b by its rest, b is asked all the same
		f.says = nil
		time.Sleep(30 * time.Second)
		step("200 a; a")
	})
}

func TestWhenNobodyTakesRequestsTheClientLearnsWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailing(t, played{"a": "429 retry-after: 50", "b": "429 retry-after: 20", "c": "429 retry-after: 90"})
		f.ask(t)
		time.Sleep(5 * time.Second)
		r := f.refusal(t)
		if r.Code != engine.CodeNoUpstreamAvailable || !r.Quota || r.RetryAfter != 15*time.Second {
			t.Errorf("%+v, want a quota that frees after 15s", r)
		}
		if !strings.Contains(r.Message, `"b" cools (throttled)`) {
			t.Errorf("%q does not say why of b", r.Message)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFailing(t, played{"a": "429 retry-after: 50", "b": "500", "c": "dial"})
		for range 3 {
			f.ask(t)
		}
		if r := f.refusal(t); r.Code != engine.CodeNoUpstreamAvailable || r.Quota || r.RetryAfter != 30*time.Second {
			t.Errorf("%+v, want no quota, and the breakers' 30s", r)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFailing(t, played{"a": "401", "b": "401", "c": "401"})
		f.ask(t)
		if got, want := f.ask(t), "upstream_credential;"; got != want {
			t.Errorf("%s, want %s: nobody is asked again with a dead credential", got, want)
		}
	})
}

func TestAClientThatLeftIsNoReasonToAskAnother(t *testing.T) {
	f := newFailing(t, nil)
	ctx, leave := context.WithCancelCause(context.Background())
	f.world.transport = func(ctx context.Context, s engine.Signed) (*engine.Response, error) {
		f.asked = append(f.asked, s.Upstream().Name)
		leave(&engine.Refusal{Code: engine.CodeDraining})
		return nil, context.Cause(ctx)
	}
	f.exchange = &engine.Exchange{Principal: f.principal, Request: &engine.RequestContext{Method: "POST", Path: "/v1/messages", Now: time.Now()}}
	_, err := f.generation.Serve(ctx, f.exchange, f.world.transport)
	var r *engine.Refusal
	if !errors.As(err, &r) || r.Code != engine.CodeDraining || len(f.asked) != 1 {
		t.Errorf("%v after %q", err, f.asked)
	}
	for _, u := range f.generation.Upstreams {
		v := f.tracker.Vitals(u.Upstream, time.Now())
		if v.ErrorRate != 0 || v.InFlight != 0 {
			t.Errorf("%s: %+v: the client's leaving counts", u.Name, v)
		}
	}
}

func TestAnAnswerThatComesAsItsClientLeavesIsTheLast(t *testing.T) {
	f := newFailing(t, played{"a": "500"})
	ctx, leave := context.WithCancelCause(context.Background())
	f.exchange = &engine.Exchange{Principal: f.principal, Request: &engine.RequestContext{Method: "POST", Path: "/v1/messages", Now: time.Now()}}
	_, err := f.generation.Serve(ctx, f.exchange, engine.TransportFunc(func(ctx context.Context, s engine.Signed) (*engine.Response, error) {
		defer leave(nil)
		return f.roundTrip(ctx, s)
	}))
	var r *engine.Refusal
	if !errors.As(err, &r) || r.Code != engine.CodeClientGone || len(f.asked) != 1 || f.open != 0 {
		t.Errorf("%v after %q, %d bodies open", err, f.asked, f.open)
	}
}

func TestAScriptThatPanicsGivesItsPlaceBack(t *testing.T) {
	f := newFailing(t, nil)
	for _, u := range f.generation.Upstreams {
		u.Dialect.Dialect = dialectFunc(func(*engine.RequestContext, *engine.Upstream, *engine.ShapedRequestBuilder) (engine.Shaped, error) {
			panic("boom")
		})
	}
	func() {
		defer func() { recover() }()
		f.try()
	}()
	for _, u := range f.generation.Upstreams {
		if v := f.tracker.Vitals(u.Upstream, time.Now()); v.InFlight != 0 {
			t.Errorf("%s: %d in flight", u.Name, v.InFlight)
		}
	}
}

func TestARequestWaitsForAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailing(t, nil)
		for _, u := range f.generation.Upstreams {
			u.Concurrency, u.Queue = 1, engine.Queue{Max: 1, Wait: 5 * time.Second}
		}
		var held []*engine.Answer
		for range 3 {
			a, err := f.try()
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, a)
		}
		time.AfterFunc(2*time.Second, func() { held[1].Body.Close() })
		start := time.Now()
		a, err := f.try()
		if err != nil || a.Upstream.Name != "b" || time.Since(start) != 2*time.Second {
			t.Fatalf("%v %v after %v, want b after 2s", a, err, time.Since(start))
		}
		r := f.refusal(t)
		if r.Code != engine.CodeNoUpstreamAvailable || r.Quota || r.RetryAfter != time.Second || time.Since(start) != 7*time.Second {
			t.Errorf("%+v after %v", r, time.Since(start))
		}
		for _, a := range append(held, a) {
			a.Body.Close()
		}
		if got, want := f.ask(t), "200 a; a"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestAShortRestIsWaitedForAndALongOneIsNot: a request whose upstreams all cool waits for the first that may be asked, if that lies within
// its queue.
func TestAShortRestIsWaitedForAndALongOneIsNot(t *testing.T) {
	cooled := func(t *testing.T, wait time.Duration) *failing {
		f := newFailing(t, played{"a": "429 retry-after: 3", "b": "429 retry-after: 2", "c": "429 retry-after: 60"})
		for _, u := range f.generation.Upstreams {
			u.Queue = engine.Queue{Max: 1, Wait: wait}
		}
		f.ask(t)
		f.says = nil
		return f
	}
	synctest.Test(t, func(t *testing.T) {
		f, start := cooled(t, 2*time.Second), time.Now()
		if got, took := f.ask(t), time.Since(start); got != "200 b; b" || took != 2*time.Second {
			t.Errorf("%s after %v", got, took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f, start := cooled(t, 1900*time.Millisecond), time.Now()
		r := f.refusal(t)
		if r.Code != engine.CodeNoUpstreamAvailable || r.RetryAfter != 2*time.Second || !r.Quota || time.Since(start) != 0 {
			t.Errorf("%+v after %v, want to be told at once", r, time.Since(start))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := cooled(t, time.Minute)
		f.generation.Timeouts.ResponseHeader, f.generation.Retry.Attempts = time.Second, 1
		start := time.Now()
		if r := f.refusal(t); r.RetryAfter != time.Second || time.Since(start) != time.Second {
			t.Errorf("%+v after %v, want no longer than the search may take", r, time.Since(start))
		}
	})
}

func TestThePreviewPassesOverWhomTheRequestWould(t *testing.T) {
	f := newFailing(t, played{"a": "429 retry-after: 30"})
	f.ask(t)
	x := &engine.Exchange{Principal: f.principal, Dry: true, Request: &engine.RequestContext{Path: "/v1/messages", Now: time.Now()}}
	c, err := f.generation.Candidates(x)
	if err != nil || len(c) != 3 {
		t.Fatalf("%d candidates, %v: one that cools is still one", len(c), err)
	}
	if u, _, err := f.generation.Pick(x, c); err != nil || u.Name != "b" {
		t.Errorf("%v, %v", u, err)
	}
}
