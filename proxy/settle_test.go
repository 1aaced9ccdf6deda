package proxy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/engine"
	"sluice/proxy"
)

// witness is an observer that keeps what it sees.
type witness struct{ events chan engine.ObserveEvent }

func (w witness) Observe(e engine.ObserveEvent) error {
	w.events <- e
	return nil
}

// watched adds an observer to the generation, and returns what it sees up to the end of the next request.
func (r *rig) watched(chunks bool) func() []engine.ObserveEvent {
	w := witness{make(chan engine.ObserveEvent, 1000)}
	r.gen.Observers = engine.NewFeed([]*engine.ObserverSlot{{Observer: w, Name: "w", Meter: &engine.Meter{}, Chunks: chunks}})
	r.gen.OnClose(r.gen.Observers.Close)
	return func() []engine.ObserveEvent {
		r.t.Helper()
		var seen []engine.ObserveEvent
		timeout := time.After(patience)
		for {
			select {
			case e := <-w.events:
				if seen = append(seen, e); e.Kind() == "request_finished" {
					return seen
				}
			case <-timeout:
				r.t.Fatalf("the request never finished: %v", kinds(seen))
			}
		}
	}
}

func kinds(events []engine.ObserveEvent) string {
	var names []string
	for _, e := range events {
		names = append(names, e.Kind())
	}
	return strings.Join(names, " ")
}

func TestObserversSeeALife(t *testing.T) {
	p := plays(t, answers(eventHead+chunk(start+delta+usage+stop)+lastChunk))
	r := newRig(t, p.upstream("a"))
	seen := r.watched(false)
	r.start()
	r.do(post("/v1/messages", helloStream, "User-Agent: claude-cli/2"))
	events := seen()
	want(t, "events", kinds(events), "request_started authn_complete upstream_chosen request_finished")
	id := r.ledger.wait(t, 1)[0].RequestID
	for _, e := range events {
		want(t, e.Kind(), e.Head().RequestID, id)
	}
	first := events[0].(engine.RequestStarted)
	want(t, "started", fmt.Sprint(first.Method, first.Path, first.UserAgent), "POST/v1/messagesclaude-cli/2")
	want(t, "authn", events[1].(engine.AuthnComplete).Principal, "alice")
	last := events[3].(engine.RequestFinished)
	want(t, "usage", last.Usage, engine.Usage{Known: true, InputTokens: 7, OutputTokens: 9, CacheReadInputTokens: 3})
	want(t, "finished", fmt.Sprint(last.Status, last.Code, last.Model, last.Upstream, last.Attempts), "200claude-xa1")

	r.do(request("POST", "/v1/messages", hello))
	events = seen()
	want(t, "refused", kinds(events), "request_started error request_finished")
	want(t, "error", fmt.Sprint(events[1].(engine.ErrorEvent).Code, " ", events[1].(engine.ErrorEvent).Source), "bad_key authn")
	want(t, "status", events[2].(engine.RequestFinished).Status, 401)
}

// faults are the errors among events, and how the request ended.
func faults(t *testing.T, events []engine.ObserveEvent) string {
	t.Helper()
	var told []string
	var last time.Time
	for _, e := range events {
		if e.Head().At.Before(last) {
			t.Errorf("%s is older than the event before it", e.Kind())
		}
		last = e.Head().At
		switch e := e.(type) {
		case engine.ErrorEvent:
			told = append(told, fmt.Sprint(e.Code, " ", e.Source, " ", e.Message))
		case engine.RequestFinished:
			told = append(told, fmt.Sprint(e.Status, " ", e.Code))
		}
	}
	return strings.Join(told, ", ")
}

// TestObserversSeeWhatARequestSurvived: what ends it is told once.
func TestObserversSeeWhatARequestSurvived(t *testing.T) {
	const unreachable = "upstream_unreachable relay dial 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused"
	dead := func() *engine.Upstream { return upstream("b", "http://127.0.0.1:1") }
	fine := func(t *testing.T) *engine.Upstream { return plays(t, answers(ok("{}"))).upstream("a") }
	fails := func(r *rig, policies ...engine.FailurePolicy) *rig {
		for i, policy := range policies {
			r.filter(func(*engine.RequestContext, *engine.Principal, []engine.UpstreamCandidate) (engine.FilterOutput, error) {
				return engine.FilterOutput{}, &engine.ScriptError{Message: fmt.Sprintf("moon %d is full", i)}
			})
			r.gen.Filters[i].Policy = policy
		}
		return r
	}
	dialect := func(t *testing.T, play, ask string, d engine.Dialect, policy engine.FailurePolicy) (*rig, string) {
		r := newRig(t, plays(t, func(s *stage) { s.next(); s.say(play) }).upstream("a"))
		r.gen.Upstreams[0].Dialect = &engine.DialectSlot{Dialect: d, Policy: policy, Script: "x.star", Meter: &engine.Meter{}}
		return r, ask
	}
	aside := each(func(string, int) ([]engine.StreamEvent, error) {
		return nil, &engine.DialectError{Variant: "x", Cause: &engine.AsideError{}}
	})
	whole := translating{response: func(*engine.State, *engine.Reply) (*engine.Reply, error) { return nil, nil }}
	const cut = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
	for name, is := range map[string]struct {
		rig  func(t *testing.T) (*rig, string)
		want string
	}{
		"a filter that fails open, and an upstream": {func(t *testing.T) (*rig, string) {
			return fails(newRig(t, dead(), fine(t)), engine.FailOpen), post("/v1/messages", hello)
		}, "filter_failed router_filter : moon 0 is full, " + unreachable + ", 200 "},
		"a filter that fails closed": {func(t *testing.T) (*rig, string) {
			return fails(newRig(t, dead(), fine(t)), engine.FailClosed), post("/v1/messages", hello)
		}, `filter_failed router_filter filter "played" failed, 503 filter_failed`},
		"one that fails open before one that fails closed": {func(t *testing.T) (*rig, string) {
			return fails(newRig(t, fine(t)), engine.FailOpen, engine.FailClosed), post("/v1/messages", hello)
		}, `filter_failed router_filter filter "played" failed, filter_failed router_filter : moon 0 is full, 503 filter_failed`},
		"an upstream that is late": {func(t *testing.T) (*rig, string) {
			late := plays(t, func(s *stage) { s.next(); s.gone() }).upstream("b")
			late.Timeouts.ResponseHeader = 50 * time.Millisecond
			return newRig(t, late, fine(t)), post("/v1/messages/count_tokens", hello)
		}, "upstream_timeout relay no answer in time: waited 50ms, 200 "},
		"an upstream before one whose stream breaks off": {func(t *testing.T) (*rig, string) {
			return newRig(t, dead(), plays(t, answers(eventHead+chunk(start)+lastChunk)).upstream("a")), post("/v1/messages", helloStream)
		}, `upstream_unreachable relay upstream "a" ended its answer early, ` + unreachable + ", 200 upstream_unreachable"},
		"no stream before one": {func(t *testing.T) (*rig, string) {
			cloud := plays(t, answers(ok("{}"))).upstream("b")
			cloud.Kind = engine.KindVertex
			return newRig(t, cloud, plays(t, answers(eventHead+chunk(start+stop)+lastChunk)).upstream("a")), post("/v1/messages", helloStream)
		}, `upstream_unreachable relay upstream "b" answered "application/json" to a request for a stream, want an event stream, 200 `},
		"a dialect that is put aside in a stream": {func(t *testing.T) (*rig, string) {
			return dialect(t, eventHead+chunk(start+usage+stop)+lastChunk, post("/v1/messages", helloStream), aside, engine.FailOpen)
		}, "dialect_failed relay dialect: x: , 200 "},
		"one that fails closed": {func(t *testing.T) (*rig, string) {
			return dialect(t, eventHead+chunk(start+usage+stop)+lastChunk, post("/v1/messages", helloStream), aside, engine.FailClosed)
		}, `dialect_failed shape the answer of upstream "a" could not be translated, 502 dialect_failed`},
		"an answer that breaks off before its translation": {func(t *testing.T) (*rig, string) {
			return dialect(t, cut, post("/v1/messages", hello), whole, engine.FailClosed)
		}, `upstream_unreachable relay upstream "a" ended its answer early, 502 upstream_unreachable`},
	} {
		t.Run(name, func(t *testing.T) {
			r, ask := is.rig(t)
			seen := r.watched(false)
			r.start()
			r.do(ask)
			want(t, "events", faults(t, seen()), is.want)
		})
	}
}

// Events wait for their observer: a client's long texts are cut in them.
func TestEventsHoldNoLongTextsOfClients(t *testing.T) {
	r := newRig(t, plays(t, answers(ok("{}"))).upstream("a"))
	r.alice.Paths = []string{"/v1/messages"}
	seen := r.watched(false)
	r.start()
	path, agent := "/v1/"+strings.Repeat("p", 5000), "User-Agent: "+strings.Repeat("u", 9000)
	for _, ask := range []string{post(path, hello, agent), request("POST", path, hello, agent), request(strings.Repeat("M", 1500), path, hello, agent)} {
		r.do(ask)
		for _, e := range seen() {
			switch e := e.(type) {
			case engine.RequestStarted:
				if len(e.Path) > 2048 || len(e.UserAgent) != 512 || len(e.Method) > 512 {
					t.Errorf("a method of %d bytes, a path of %d, a user agent of %d, want at most 512, 2048 and 512", len(e.Method), len(e.Path), len(e.UserAgent))
				}
			case engine.ErrorEvent:
				if len(e.Message) > engine.MaxErrorMessage {
					t.Errorf("an error of %d bytes, want at most %d", len(e.Message), engine.MaxErrorMessage)
				}
			}
		}
	}
}

func TestChunksAreToldInBatches(t *testing.T) {
	p := plays(t, answers(eventHead+chunk(start+strings.Repeat(delta, 70)+stop)+lastChunk))
	r := newRig(t, p.upstream("a"))
	seen := r.watched(true)
	r.start()
	body := r.do(post("/v1/messages", helloStream)).body
	events, bytes, index := 0, int64(0), int64(0)
	for _, e := range seen() {
		if c, ok := e.(engine.Chunk); ok {
			want(t, "index", c.Index, index)
			if index++; c.Events > 32 {
				t.Errorf("a batch of %d", c.Events)
			}
			events += c.Events
			bytes += c.Bytes
		}
	}
	want(t, "events", events, 72)
	want(t, "bytes", bytes, int64(len(body)))
	if index < 3 {
		t.Errorf("%d batches", index)
	}
}

func TestRequestsAreCountedByWhatBecameOfThem(t *testing.T) {
	r := newRig(t, plays(t, answers(ok("{}"))).upstream("a")).start()
	r.do(post("/v1/messages", hello))
	r.do(post("/v1/messages", hello))
	r.do(request("POST", "/v1/messages", hello))
	r.ledger.wait(t, 3)
	var got []string
	r.server.Metrics.Requests(func(k proxy.Finished, n int64) {
		got = append(got, fmt.Sprintf("%dxx %q %q %d", k.Class, k.Code, k.Upstream, n))
	})
	slices.Sort(got)
	want(t, "requests", strings.Join(got, "; "), `2xx "" "a" 2; 4xx "bad_key" "" 1`)
	sum := func(h proxy.Histogram) (n int64) {
		for _, c := range h.Counts {
			n += c
		}
		want(t, "buckets", len(h.Counts), len(h.Bounds)+1)
		return n
	}
	want(t, "durations", sum(r.server.Metrics.Durations()), 3)
	want(t, "ttfbs", sum(r.server.Metrics.TTFBs()), 2)
	if s := r.server.Metrics.Durations().Sum; s <= 0 || s > patience.Seconds() {
		t.Errorf("they took %g s", s)
	}
}

// TestEveryCodeHasItsAnswer: a transport's refusal comes through the pipeline as it is.
func TestEveryCodeHasItsAnswer(t *testing.T) {
	next := make(chan error, 1)
	r := newRig(t, upstream("a", "http://127.0.0.1:1"))
	r.options.Transport = engine.TransportFunc(func(context.Context, engine.Signed) (*engine.Response, error) { return nil, <-next })
	r.start()
	f := func(code engine.Code, status int, kind, retryAfter, shouldRetry string) {
		t.Helper()
		next <- &engine.Refusal{Code: code, Message: "why"}
		got := r.do(post("/v1/messages", hello))
		want(t, "code", got.code(), fmt.Sprint(status, " ", code))
		if !strings.Contains(got.body, `"error":{"type":"`+kind+`","message":"why"}`) {
			t.Errorf("%s: %s", code, got.body)
		}
		want(t, string(code)+" retry-after", got.Header.Get("retry-after"), retryAfter)
		want(t, string(code)+" x-should-retry", got.Header.Get("x-should-retry"), shouldRetry)
	}
	f(engine.CodeBadKey, 401, "authentication_error", "", "false")
	f(engine.CodePrincipalDisabled, 403, "permission_error", "", "")
	f(engine.CodeModelNotAllowed, 403, "permission_error", "", "")
	f(engine.CodePathNotAllowed, 403, "permission_error", "", "")
	f(engine.CodeDeniedByFilter, 403, "permission_error", "", "")
	f(engine.CodeForbiddenOrigin, 403, "permission_error", "", "")
	f(engine.CodeBadBody, 400, "invalid_request_error", "", "")
	f(engine.CodeBadRequest, 400, "invalid_request_error", "", "")
	f(engine.CodeClientTimeout, 400, "invalid_request_error", "", "")
	f(engine.CodePathNotServed, 404, "not_found_error", "", "")
	f(engine.CodeBodyTooLarge, 413, "request_too_large", "", "")
	f(engine.CodeTooBusy, 529, "overloaded_error", "1", "")
	f(engine.CodeNoUpstreamAfterFilter, 503, "overloaded_error", "", "")
	f(engine.CodeNoUpstreamAvailable, 529, "overloaded_error", "", "")
	f(engine.CodeFilterFailed, 503, "overloaded_error", "", "")
	f(engine.CodeRouterFailed, 502, "api_error", "", "")
	f(engine.CodeUpstreamCredential, 502, "api_error", "", "")
	f(engine.CodeUpstreamUnreachable, 502, "api_error", "", "")
	f(engine.CodeUpstreamTimeout, 504, "timeout_error", "", "")
	f(engine.CodeDraining, 503, "overloaded_error", "1", "")
	f(engine.CodeInternal, 500, "api_error", "", "")

	wait := func(d time.Duration, retryAfter, shouldRetry string) {
		t.Helper()
		next <- &engine.Refusal{Code: engine.CodeNoUpstreamAvailable, Message: "why", RetryAfter: d}
		got := r.do(post("/v1/messages", hello))
		want(t, "retry-after", got.Header.Get("retry-after"), retryAfter)
		want(t, "x-should-retry", got.Header.Get("x-should-retry"), shouldRetry)
		want(t, "the message says when", strings.Contains(got.body, "free again at 20"), shouldRetry != "")
	}
	wait(1500*time.Millisecond, "2", "")
	wait(60*time.Second, "60", "")
	wait(60*time.Second+1, "61", "false")
	wait(time.Hour, "3600", "false")
}

func TestNoRequestIsServedWhoseRowCannotBeKept(t *testing.T) {
	p := plays(t, answers(ok("{}")))
	r := newRig(t, p.upstream("a"))
	var full atomic.Bool
	r.options.LedgerFull = full.Load
	r.start()
	want(t, "with room", r.do(post("/v1/messages", hello)).code(), "200 ")
	full.Store(true)
	got := r.dial().send("POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: alice-key\r\nContent-Length: 100000\r\n\r\n").read("POST")
	want(t, "without", got.code(), "529 too_busy")
	want(t, "retry-after", got.Header.Get("retry-after"), "1")
	full.Store(false)
	want(t, "with room again", r.do(post("/v1/messages", hello)).code(), "200 ")
	want(t, "row", r.ledger.wait(t, 3)[1].Code, engine.CodeTooBusy)
}
