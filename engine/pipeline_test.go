package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

// world is a generation of real slots over a transport that the test plays.
type world struct {
	generation *engine.Generation
	principal  *engine.Principal
	transport  engine.TransportFunc
	exchange   *engine.Exchange
	client     engine.Credential
}

func upstreamNamed(name string) *engine.Upstream {
	base, _ := url.Parse("https://" + name + ".example")
	return &engine.Upstream{ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte("sluice:upstream:"+name)), Name: name,
		Kind: engine.KindAnthropicDirect, BaseURL: base, Weight: 1}
}

type still struct{}

func (still) Vitals(*engine.Upstream, time.Time) *engine.Vitals { return &engine.Vitals{Healthy: true} }

func newWorld(t testing.TB, upstreams ...*engine.Upstream) *world {
	t.Helper()
	strategy, err := engine.NewStrategy("first-pick", 0)
	if err != nil {
		t.Fatal(err)
	}
	g := &engine.Generation{Number: 1, Strategy: strategy, Vitals: still{}}
	for _, u := range upstreams {
		g.Upstreams = append(g.Upstreams, &engine.UpstreamSlot{Upstream: u, Signers: keySigner{},
			Dialect: &engine.DialectSlot{Dialect: engine.Passthrough{}, Meter: &engine.Meter{}}})
	}
	slices.SortFunc(g.Upstreams, func(a, b *engine.UpstreamSlot) int { return strings.Compare(string(a.ID[:]), string(b.ID[:])) })
	p := &engine.Principal{Name: "alice"}
	return &world{generation: g, principal: p}
}

// add binds filters to the global chain.
func (w *world) add(slots ...*engine.FilterSlot) {
	w.generation.Filters = append(w.generation.Filters, slots...)
}

func (w *world) try() (*engine.Answer, error) {
	w.exchange = &engine.Exchange{Principal: w.principal, Client: w.client, Request: &engine.RequestContext{RequestID: "r1", Method: "POST",
		Path: "/v1/messages", Model: "m-1", Query: "beta=true", Body: []byte(`{"model":"m-1"}`), Headers: engine.Headers{{Name: "anthropic-version", Value: "2023-06-01"}}, Now: time.Now()}}
	return w.generation.Serve(context.Background(), w.exchange, w.transport)
}

// serve returns the body of the answer, or fails.
func (w *world) serve(t *testing.T) string {
	t.Helper()
	a, err := w.try()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// refusal returns the code that the request ended with.
func (w *world) refusal(t *testing.T) *engine.Refusal {
	t.Helper()
	_, err := w.try()
	var r *engine.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("got error %v, want a refusal", err)
	}
	return r
}

// echo answers every request with its upstream's name.
func echo(_ context.Context, s engine.Signed) (*engine.Response, error) {
	return answer(200, s.Upstream().Name), nil
}

func answer(status int, body string) *engine.Response {
	return &engine.Response{Status: status, Length: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
}

type keySigner struct{ generation int }

func (k keySigner) Build(context.Context, *engine.Upstream) (engine.Signer, error) { return k, nil }
func (k keySigner) Sign(_ context.Context, s engine.Shaped, c *engine.SigningCapability) (engine.Signed, error) {
	s.Headers().Set("x-api-key", fmt.Sprint("key-", k.generation))
	return c.Seal(s)
}
func (k keySigner) OnUnauthorized(context.Context, *engine.UpstreamError) engine.RetryDecision {
	if k.generation == 0 {
		return engine.Refresh(keySigner{1})
	}
	return engine.Fail
}

type dialectFunc func(*engine.RequestContext, *engine.Upstream, *engine.ShapedRequestBuilder) (engine.Shaped, error)

func (f dialectFunc) Shape(ctx *engine.RequestContext, u *engine.Upstream, _ *engine.Principal, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
	return f(ctx, u, b)
}
func (dialectFunc) NormalizeError(status int, _ engine.Headers, body []byte) (*engine.NormalizedError, error) {
	if string(body) == "boom" {
		return &engine.NormalizedError{Status: 529, Body: []byte(`{"type":"error"}`)}, nil
	}
	return nil, nil
}

// filterFunc is a filter that the test plays. It sees names and returns the ids it keeps.
type filterFunc struct {
	engine.Identity
	f func(candidates []engine.UpstreamCandidate) (engine.FilterOutput, error)
}

func (f filterFunc) Filter(_ *engine.RequestContext, _ *engine.Principal, c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
	return f.f(c)
}

func slot(name string, policy engine.FailurePolicy, f func([]engine.UpstreamCandidate) (engine.FilterOutput, error)) *engine.FilterSlot {
	return &engine.FilterSlot{Filter: filterFunc{engine.NewIdentity("", name), f}, Policy: policy, Meter: &engine.Meter{}}
}

// keeps is a filter that keeps the candidates of these names.
func keeps(name string, names ...string) *engine.FilterSlot {
	return slot(name, engine.FailOpen, func(c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
		out := engine.FilterOutput{Reason: "only " + strings.Join(names, " ")}
		for i := len(c) - 1; i >= 0; i-- { // an order of its own, which must not count
			if slices.Contains(names, c[i].Name) {
				out.KeptUpstreamIDs = append(out.KeptUpstreamIDs, c[i].ID)
			}
		}
		return out, nil
	})
}

func names(c []engine.UpstreamCandidate) string {
	var out []string
	for _, c := range c {
		out = append(out, c.Name)
	}
	return strings.Join(out, " ")
}

func TestFiltersSeeWhatTheOneBeforeKeptInIDOrder(t *testing.T) {
	w := newWorld(t, upstreamNamed("a"), upstreamNamed("b"), upstreamNamed("c"))
	all := names(candidates(t, w))
	var seen string
	w.add(keeps("first", "a", "c"), slot("second", engine.FailOpen, func(c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
		seen = names(c)
		return engine.FilterOutput{KeptUpstreamIDs: []uuid.UUID{c[len(c)-1].ID}}, nil
	}))
	w.transport = echo
	got := w.serve(t)
	want := strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(" "+all+" ", " b ", " "), "  ", " "))
	if seen != want {
		t.Errorf("the second filter saw %q, want %q", seen, want)
	}
	if want := strings.Fields(seen)[1]; got != want {
		t.Errorf("served by %q, want %q", got, want)
	}
	if n := len(w.exchange.Trace.Stages); n != 2 {
		t.Errorf("the trace has %d stages, want 2", n)
	}
}

func candidates(t *testing.T, w *world) []engine.UpstreamCandidate {
	t.Helper()
	c, err := w.generation.Candidates(&engine.Exchange{Principal: w.principal, Request: &engine.RequestContext{Path: "/v1/messages"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnInvalidOutputPassesUnchangedAndIsRecorded(t *testing.T) {
	f := func(want engine.OutputVariant, output func(c []engine.UpstreamCandidate) []uuid.UUID) {
		t.Helper()
		for _, policy := range []engine.FailurePolicy{engine.FailOpen, engine.FailClosed} {
			w := newWorld(t, upstreamNamed("a"), upstreamNamed("b"))
			w.add(slot("bad", policy, func(c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
				return engine.FilterOutput{KeptUpstreamIDs: output(c)}, nil
			}))
			w.transport = echo
			if policy == engine.FailOpen {
				w.serve(t)
			} else if r := w.refusal(t); r.Code != engine.CodeFilterFailed {
				t.Errorf("%s, closed: %v, want %s", want, r, engine.CodeFilterFailed)
			}
			errs := w.exchange.Trace.Errors
			if len(errs) != 1 || errs[0].Kind != engine.InternalInvalidOutput || w.exchange.Trace.Stages[0].Error == "" {
				t.Errorf("%s: recorded %+v, want one InvalidOutput and the stage's error", want, errs)
			}
		}
	}
	f(engine.OutputDuplicate, func(c []engine.UpstreamCandidate) []uuid.UUID { return []uuid.UUID{c[0].ID, c[0].ID} })
	f(engine.OutputUnknown, func([]engine.UpstreamCandidate) []uuid.UUID { return []uuid.UUID{uuid.New()} })
	f(engine.OutputSuperset, func(c []engine.UpstreamCandidate) []uuid.UUID { return []uuid.UUID{c[0].ID, c[1].ID, uuid.New()} })
}

func TestAFilterErrorIsOpenOrClosed(t *testing.T) {
	fail := func([]engine.UpstreamCandidate) (engine.FilterOutput, error) {
		return engine.FilterOutput{}, &engine.FilterError{Variant: engine.FilterTrap, Reason: "out of steps",
			Cause: &engine.ScriptError{File: "f.star", Line: 3, Message: "out of steps", Budget: "steps"}}
	}
	open := slot("open", engine.FailOpen, fail)
	w := newWorld(t, upstreamNamed("a"))
	w.add(open)
	w.transport = echo
	w.serve(t)
	if e := w.exchange.Trace.Errors; len(e) != 1 || e[0].Kind != engine.InternalTrap || e[0].Message != "filter trap error: out of steps" {
		t.Errorf("recorded %+v", e)
	}
	if open.Meter.Overruns.Load() != 1 || open.Meter.Calls.Load() != 1 {
		t.Errorf("counted %d overruns of %d calls, want 1 of 1", open.Meter.Overruns.Load(), open.Meter.Calls.Load())
	}
	w = newWorld(t, upstreamNamed("a"))
	w.add(slot("closed", engine.FailClosed, fail))
	if r := w.refusal(t); r.Code != engine.CodeFilterFailed {
		t.Errorf("got %v, want %s", r, engine.CodeFilterFailed)
	}
}

func TestAnEmptyResultIsFinalAndNamesTheFilterThatMadeIt(t *testing.T) {
	w := newWorld(t, upstreamNamed("a"))
	ran := false
	w.add(keeps("strict", "nobody"), slot("later", engine.FailOpen, func(c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
		ran = len(c) == 0
		return engine.FilterOutput{}, nil
	}))
	r := w.refusal(t)
	if want := `filter "strict" kept no upstream: only nobody`; r.Code != engine.CodeNoUpstreamAfterFilter || r.Message != want {
		t.Errorf("got %v, want %q", r, want)
	}
	if !ran {
		t.Error("the filter after it did not run on the empty list")
	}
}

func TestADenialEndsTheRequestWithItsText(t *testing.T) {
	w := newWorld(t, upstreamNamed("a"))
	w.add(slot("hours", engine.FailOpen, func([]engine.UpstreamCandidate) (engine.FilterOutput, error) {
		return engine.FilterOutput{Denied: true, Reason: "closed until Monday"}, nil
	}))
	if r := w.refusal(t); r.Code != engine.CodeDeniedByFilter || r.Message != "closed until Monday" {
		t.Errorf("got %v", r)
	}
}

func TestAPrincipalsOwnChainReplacesTheGlobalOne(t *testing.T) {
	w := newWorld(t, upstreamNamed("a"), upstreamNamed("b"))
	w.add(keeps("global", "a"))
	w.transport = echo
	if got := w.serve(t); got != "a" {
		t.Errorf("absent: served by %q, want the global chain's a", got)
	}
	w.principal.OwnFilters = true
	w.generation.OwnFilters = map[*engine.Principal][]*engine.FilterSlot{w.principal: {keeps("own", "b")}}
	if got := w.serve(t); got != "b" {
		t.Errorf("own: served by %q, want b", got)
	}
	w.generation.OwnFilters = nil
	w.serve(t)
	if n := len(w.exchange.Trace.Stages); n != 0 {
		t.Errorf("empty: %d stages ran, want none", n)
	}
}

func TestARefusedCredentialIsRefreshedOnceAndTheRequestShapedAnew(t *testing.T) {
	f := func(statuses []int, wantCode engine.Code, wantAttempts int) {
		t.Helper()
		w := newWorld(t, upstreamNamed("a"))
		shapes := 0
		w.generation.Upstreams[0].Dialect.Dialect = dialectFunc(func(ctx *engine.RequestContext, u *engine.Upstream, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
			if shapes++; ctx.Attempt != shapes {
				t.Errorf("shape %d sees attempt %d", shapes, ctx.Attempt)
			}
			return b.Build(engine.DraftOf(ctx, u))
		})
		var keys []string
		w.transport = func(_ context.Context, s engine.Signed) (*engine.Response, error) {
			keys = append(keys, s.HeaderLine(s.HeaderLines()-1).Value)
			status := statuses[len(keys)-1]
			resp := answer(status%1000, "x")
			if status > 1000 {
				resp.Headers.Set("x-amzn-errortype", "ExpiredTokenException:http://x/")
			}
			return resp, nil
		}
		a, err := w.try()
		var r *engine.Refusal
		if errors.As(err, &r); r != nil && r.Code != wantCode || r == nil && (wantCode != "" || a.Status != statuses[len(statuses)-1]) {
			t.Errorf("%v: got %v %v, want code %q", statuses, a, err, wantCode)
		}
		if shapes != wantAttempts || len(w.exchange.Trace.Attempts) != wantAttempts || !slices.Equal(keys, []string{"key-0", "key-1"}[:wantAttempts]) {
			t.Errorf("%v: %d shapes, keys %q, want %d attempts", statuses, shapes, keys, wantAttempts)
		}
	}
	f([]int{200}, "", 1)
	f([]int{401, 200}, "", 2)
	f([]int{401, 401}, engine.CodeUpstreamCredential, 2)
	f([]int{500}, "", 1)
	f([]int{1403, 200}, "", 2) // AWS, for keys that have expired
	f([]int{403}, "", 1)
}

func TestADialectThatFailsLeavesTheNextCandidate(t *testing.T) {
	w := newWorld(t, upstreamNamed("a"), upstreamNamed("b"))
	first := w.generation.Upstreams[0]
	first.Dialect.Dialect = dialectFunc(func(*engine.RequestContext, *engine.Upstream, *engine.ShapedRequestBuilder) (engine.Shaped, error) {
		return engine.Shaped{}, &engine.DialectError{Variant: engine.DialectUnsupportedRequest, Reason: "no"}
	})
	w.transport = echo
	if got, want := w.serve(t), w.generation.Upstreams[1].Name; got != want {
		t.Errorf("served by %q, want %q", got, want)
	}
	w.generation.Upstreams[1].Dialect.Dialect = first.Dialect.Dialect
	if r := w.refusal(t); r.Code != engine.CodeDialectFailed {
		t.Errorf("got %v, want %s", r, engine.CodeDialectFailed)
	}
}

type routerFunc func([]engine.UpstreamCandidate) (engine.RouteDecision, error)

func (f routerFunc) Route(_ *engine.RequestContext, _ *engine.Principal, c []engine.UpstreamCandidate) (engine.RouteDecision, error) {
	return f(c)
}

func TestARouterPicksAfterTheFiltersAndIsAskedAgain(t *testing.T) {
	w := newWorld(t, upstreamNamed("a"), upstreamNamed("b"), upstreamNamed("c"))
	w.add(keeps("two", "a", "b"))
	var asked []string
	w.generation.Router = &engine.RouterSlot{Name: "pinned", Meter: &engine.Meter{}, Router: routerFunc(func(c []engine.UpstreamCandidate) (engine.RouteDecision, error) {
		asked = append(asked, names(c))
		return engine.RouteDecision{UpstreamID: c[len(c)-1].ID}, nil
	})}
	for _, u := range w.generation.Upstreams {
		if u.Name == "a" {
			u.Dialect.Dialect = dialectFunc(func(*engine.RequestContext, *engine.Upstream, *engine.ShapedRequestBuilder) (engine.Shaped, error) {
				return engine.Shaped{}, errors.New("no")
			})
		}
	}
	w.transport = echo
	if got := w.serve(t); got != "b" {
		t.Errorf("served by %q, want b, the one of the two whose dialect works", got)
	}
	if last := asked[len(asked)-1]; last != "b" {
		t.Errorf("the router was asked with %q, want b alone at last", asked)
	}
	w.generation.Router.Router = routerFunc(func([]engine.UpstreamCandidate) (engine.RouteDecision, error) {
		return engine.RouteDecision{UpstreamID: uuid.New()}, nil
	})
	if r := w.refusal(t); r.Code != engine.CodeRouterFailed {
		t.Errorf("an unknown id: got %v, want %s", r, engine.CodeRouterFailed)
	}
}

func TestARoutersDialectIsSpoken(t *testing.T) {
	w := newWorld(t, upstreamNamed("a"))
	w.generation.Router = &engine.RouterSlot{Name: "r", Meter: &engine.Meter{}, Router: routerFunc(func(c []engine.UpstreamCandidate) (engine.RouteDecision, error) {
		return engine.RouteDecision{UpstreamID: c[0].ID, Dialect: dialectFunc(
			func(ctx *engine.RequestContext, u *engine.Upstream, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
				d := engine.DraftOf(ctx, u)
				d.URL += "&by=router"
				return b.Build(d)
			})}, nil
	})}
	w.transport = func(_ context.Context, s engine.Signed) (*engine.Response, error) {
		return answer(200, s.RequestURI()), nil
	}
	if got, want := w.serve(t), "/v1/messages?beta=true&by=router"; got != want {
		t.Errorf("sent to %q, want %q", got, want)
	}
}

func TestErrorsAreNormalizedByAScriptedDialectOnly(t *testing.T) {
	f := func(script string, status int, body string, wantStatus int, wantBody string) {
		t.Helper()
		w := newWorld(t, upstreamNamed("a"))
		w.generation.Upstreams[0].Dialect = &engine.DialectSlot{Script: script, Meter: &engine.Meter{}, Dialect: dialectFunc(
			func(ctx *engine.RequestContext, u *engine.Upstream, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
				return b.Build(engine.DraftOf(ctx, u))
			})}
		w.transport = func(context.Context, engine.Signed) (*engine.Response, error) { return answer(status, body), nil }
		a, err := w.try()
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(a.Body)
		if a.Status != wantStatus || string(got) != wantBody {
			t.Errorf("%d %.20q: got %d %.20q, want %d %.20q", status, body, a.Status, got, wantStatus, wantBody)
		}
	}
	long := strings.Repeat("x", engine.MaxErrorBody+10)
	f("d.star", 500, "boom", 529, `{"type":"error","request_id":"r1"}`)
	f("d.star", 500, "other", 500, "other")
	f("d.star", 200, "boom", 200, "boom")
	f("d.star", 500, long, 500, long)
	f("", 500, "boom", 500, "boom")
}

// unlooking is a dialect that cannot look at errors.
type unlooking struct{ engine.Passthrough }

func (unlooking) NormalizeError(int, engine.Headers, []byte) (*engine.NormalizedError, error) {
	return nil, errors.New("broken")
}

func TestAnErrorThatNoDialectLookedAtIsWithheldUnderClosed(t *testing.T) {
	const withheld = `{"type":"error","error":{"type":"api_error","message":"an error of upstream \"a\" could not be translated"},"request_id":"r1"}`
	f := func(d engine.Dialect, body, encoding, want string) {
		t.Helper()
		for _, policy := range []engine.FailurePolicy{engine.FailClosed, engine.FailOpen} {
			w := newWorld(t, upstreamNamed("a"))
			w.generation.Upstreams[0].Dialect = &engine.DialectSlot{Script: "d.star", Meter: &engine.Meter{}, Dialect: d, Policy: policy}
			w.transport = func(context.Context, engine.Signed) (*engine.Response, error) {
				r := answer(400, body)
				r.Headers.Set("content-encoding", encoding)
				return r, nil
			}
			a, err := w.try()
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(a.Body)
			if policy == engine.FailOpen {
				want = body
			}
			if a.Status != 400 || string(got) != want {
				t.Errorf("%v %q: got %d %.20q, want %.20q", policy, encoding, a.Status, got, want)
			}
			event := a.NormalizeEvent(w.exchange, []byte("x"))
			if failed := string(event) == withheld; failed != (d == engine.Dialect(unlooking{}) && policy == engine.FailClosed) {
				t.Errorf("%v: an event: got %q", policy, event)
			}
		}
	}
	f(unlooking{}, "no", "", withheld)
	f(engine.Passthrough{}, "no", "", "no")
	f(engine.Passthrough{}, "no", "gzip", withheld)
	f(engine.Passthrough{}, strings.Repeat("x", engine.MaxErrorBody+10), "", withheld)
}

func TestAFailedRoundTripSaysWhatItWas(t *testing.T) {
	f := func(err error, want engine.Code, asked int) {
		t.Helper()
		w := newWorld(t, upstreamNamed("a"), upstreamNamed("b"))
		calls := 0
		w.transport = func(context.Context, engine.Signed) (*engine.Response, error) { calls++; return nil, err }
		if r := w.refusal(t); r.Code != want || calls != asked {
			t.Errorf("%v: got %v after %d calls, want %s after %d", err, r, calls, want, asked)
		}
	}
	f(errors.New("connection refused"), engine.CodeUpstreamUnreachable, 2)
	f(fmt.Errorf("a: %w", engine.ErrUpstreamTimeout), engine.CodeUpstreamTimeout, 2)
	f(context.Canceled, engine.CodeClientGone, 1)
}

func TestCandidatesAreThoseThePrincipalMayUse(t *testing.T) {
	a, b := upstreamNamed("a"), upstreamNamed("b")
	w := newWorld(t, a, b)
	w.principal.Upstreams = map[uuid.UUID]bool{b.ID: true}
	if got := names(candidates(t, w)); got != "b" {
		t.Errorf("got %q, want b", got)
	}
	w.principal.Upstreams = map[uuid.UUID]bool{}
	if r := w.refusal(t); r.Code != engine.CodeNoUpstreamAvailable {
		t.Errorf("got %v, want %s", r, engine.CodeNoUpstreamAvailable)
	}
	w.principal.Upstreams = nil
	w.generation.Upstreams[0].ForwardsClient = true
	if got, want := names(candidates(t, w)), w.generation.Upstreams[1].Name; got != want {
		t.Errorf("without a credential of the client: got %q, want %q", got, want)
	}
	w.principal.Upstreams = map[uuid.UUID]bool{w.generation.Upstreams[0].ID: true}
	if r := w.refusal(t); r.Code != engine.CodeBadKey || !strings.Contains(r.Message, "send the key as x-sluice-key") {
		t.Errorf("without a credential of the client, and nobody else: got %v, want %s that says how to send it", r, engine.CodeBadKey)
	}
}

func TestWhoseUpstreamWantsACredentialOfTheirOwnIsToldSo(t *testing.T) {
	f := func(kind engine.UpstreamKind, path string, want engine.Code) {
		t.Helper()
		w := newWorld(t, upstreamNamed("a"), upstreamNamed("b"))
		w.generation.Upstreams[0].ForwardsClient, w.generation.Upstreams[0].Kind = true, kind
		w.generation.Upstreams[1].Kind = engine.KindBedrockRuntime
		_, err := w.generation.Candidates(&engine.Exchange{Principal: w.principal, Request: &engine.RequestContext{Method: "POST", Path: path}})
		var r *engine.Refusal
		if !errors.As(err, &r) || r.Code != want {
			t.Errorf("%s, by %s with the client's own credential: got %v, want %s", path, kind, err, want)
		}
	}
	f(engine.KindAnthropicDirect, "/v1/messages/count_tokens", engine.CodeBadKey)
	f(engine.KindVertex, "/v1/messages/count_tokens", engine.CodeBadKey)
	f(engine.KindVertex, "/v1/files", engine.CodePathNotServed)
}

// TestNoCloudServesARequestThatNamesNoModel: whoever speaks the API as it is does, and says what is missing.
func TestNoCloudServesARequestThatNamesNoModel(t *testing.T) {
	f := func(path, model, wanted string, kinds ...engine.UpstreamKind) {
		t.Helper()
		w := newWorld(t, upstreamNamed("a"), upstreamNamed("b"))
		for i, kind := range kinds {
			w.generation.Upstreams[i].Kind = kind
		}
		c, err := w.generation.Candidates(&engine.Exchange{Principal: w.principal, Request: &engine.RequestContext{Method: "POST", Path: path, Model: model}})
		got := ""
		for i := range c {
			got += string(c[i].Kind) + " "
		}
		if r, ok := errors.AsType[*engine.Refusal](err); ok {
			got = string(r.Code) + " " + r.Message
		}
		if got != wanted {
			t.Errorf("%s of %v for model %q: got %q, want %q", path, kinds, model, got, wanted)
		}
	}
	const direct, runtime, mantle, vertex = engine.KindAnthropicDirect, engine.KindBedrockRuntime, engine.KindBedrockMantle, engine.KindVertex
	const messages, count = "/v1/messages", "/v1/messages/count_tokens"
	f(messages, "", `bad_body model: Field required: no upstream of principal "alice" serves /v1/messages without one`, runtime, vertex)
	f(messages, "", `bad_body model: Field required: no upstream of principal "alice" serves /v1/messages without one`, mantle, mantle)
	f(count, "", `bad_body model: Field required: no upstream of principal "alice" serves /v1/messages/count_tokens without one`, runtime, vertex)
	f(count, "", `path_not_served no upstream of principal "alice" serves /v1/messages/count_tokens`, runtime, mantle)
	f(messages, "", "anthropic_direct ", vertex, direct)
	f(messages, "", "anthropic_direct custom ", direct, engine.KindCustom)
	f(messages, "m", "vertex anthropic_direct ", vertex, direct)
}

// renewing is a factory that renews its credential, as well as it can.
type renewing struct {
	keySigner
	state engine.CredentialState
}

func (r *renewing) CredentialState() engine.CredentialState { return r.state }

func TestAnAccountToBeConnectedAnewIsNoCandidate(t *testing.T) {
	w := newWorld(t, upstreamNamed("a"), upstreamNamed("b"))
	lost := &renewing{}
	w.generation.Upstreams[0].Signers = lost
	both, one := names(candidates(t, w)), w.generation.Upstreams[1].Name
	lost.state.Error = "the endpoint is down"
	if got := names(candidates(t, w)); got != both {
		t.Errorf("while a renewal fails: got %q, want %q", got, both)
	}
	lost.state.Reconnect = true
	if got := names(candidates(t, w)); got != one {
		t.Errorf("got %q, want %q", got, one)
	}
	w.generation.Bindings = noted{"file_a": {Principal: w.principal.ID, Upstream: w.generation.Upstreams[0].ID}}
	x := &engine.Exchange{Principal: w.principal, Request: &engine.RequestContext{Method: "GET", Path: "/v1/files/file_a"}}
	var held *engine.Refusal
	if _, err := w.generation.Candidates(x); !errors.As(err, &held) || held.Code != engine.CodeUpstreamCredential {
		t.Errorf("a thing in its account: got %v, want %s", err, engine.CodeUpstreamCredential)
	}
	w.principal.Upstreams = map[uuid.UUID]bool{w.generation.Upstreams[0].ID: true}
	if r := w.refusal(t); r.Code != engine.CodeUpstreamCredential || !strings.Contains(r.Error(), "must be connected anew: the endpoint is down") {
		t.Errorf("got %v, want %s", r, engine.CodeUpstreamCredential)
	}
}

// A client that leaves while its request is shaped costs nobody anything.
func TestARequestThatNobodyWaitsForIsNotSent(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	w := newWorld(t, upstreamNamed("a"), upstreamNamed("b"))
	for _, u := range w.generation.Upstreams {
		u.Dialect = &engine.DialectSlot{Meter: &engine.Meter{}, Dialect: dialectFunc(
			func(r *engine.RequestContext, u *engine.Upstream, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
				leave()
				return b.Build(engine.DraftOf(r, u))
			})}
	}
	w.transport = func(context.Context, engine.Signed) (*engine.Response, error) {
		t.Error("it was sent")
		return answer(200, "ok"), nil
	}
	x := &engine.Exchange{Principal: w.principal, Request: &engine.RequestContext{Method: "POST", Path: "/v1/messages"}}
	_, err := w.generation.Serve(ctx, x, w.transport)
	var r *engine.Refusal
	if !errors.As(err, &r) || r.Code != engine.CodeClientGone || len(x.Trace.Attempts) > 0 || !x.Dispatched.IsZero() {
		t.Errorf("got %v, attempts %v, dispatched %v", err, x.Trace.Attempts, x.Dispatched)
	}
}
