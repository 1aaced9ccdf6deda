package health_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/health"
	"sluice/engine/reload"
	"sluice/engine/signers"
)

// gateway sends requests to one upstream through a tracker.
type gateway struct {
	tracker *health.Tracker
	world   *engine.Generation
	up      *engine.Upstream
	answer  func() (*engine.Response, error)
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	base, _ := url.Parse("https://api.example")
	g := &gateway{up: &engine.Upstream{ID: uuid.New(), Name: "up", Kind: engine.KindAnthropicDirect, BaseURL: base}}
	g.tracker = health.NewTracker(t.Logf)
	key, err := signers.AnthropicKey("k")
	if err != nil {
		t.Fatal(err)
	}
	strategy, _ := engine.NewStrategy("first-pick", 0)
	g.world = &engine.Generation{Strategy: strategy, Vitals: g.tracker, Upstreams: []*engine.UpstreamSlot{{Upstream: g.up, Signers: key,
		Dialect: &engine.DialectSlot{Dialect: engine.Passthrough{}, Meter: &engine.Meter{}}}}}
	return g
}

func (g *gateway) send(ctx context.Context) (*engine.Answer, error) {
	return g.world.Serve(ctx, &engine.Exchange{Principal: &engine.Principal{}, Request: &engine.RequestContext{Method: "POST", Path: "/v1/messages"}},
		engine.TransportFunc(func(context.Context, engine.Signed) (*engine.Response, error) { return g.answer() }))
}

func (g *gateway) vitals() *engine.Vitals { return g.tracker.Vitals(g.up, time.Now()) }

func reply(status int, body io.Reader, headers ...string) func() (*engine.Response, error) {
	return func() (*engine.Response, error) {
		r := &engine.Response{Status: status, Body: io.NopCloser(body)}
		for i := 0; i < len(headers); i += 2 {
			r.Headers.Add(headers[i], headers[i+1])
		}
		return r, nil
	}
}

func TestAnAnswerIsInFlightUntilItIsClosed(t *testing.T) {
	g := newGateway(t)
	if v := g.vitals(); v.InFlight != 0 || !v.Healthy || v.Breaker != "closed" {
		t.Errorf("before the first: %+v", v)
	}
	g.answer = reply(200, strings.NewReader("ok"))
	a, err := g.send(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	before := g.vitals()
	if before.InFlight != 1 || before.TTFB <= 0 {
		t.Errorf("while it runs: %+v", before)
	}
	a.Body.Close()
	a.Body.Close()
	if v := g.vitals(); v.InFlight != 0 || before.InFlight != 1 {
		t.Errorf("after it: %+v, and the snapshot of before says %d", v, before.InFlight)
	}
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestFailuresOfTheProviderCountAndThoseOfTheClientDoNot(t *testing.T) {
	gone, leave := context.WithCancel(context.Background())
	leave()
	f := func(what string, ctx context.Context, answer func() (*engine.Response, error), want bool) {
		t.Helper()
		g := newGateway(t)
		g.answer = answer
		if a, err := g.send(ctx); err == nil {
			io.ReadAll(a.Body)
			a.Body.Close()
		}
		if v := g.vitals(); (v.ErrorRate > 0) != want || v.InFlight != 0 {
			t.Errorf("%s: error rate %v and %d in flight, want counted = %v and none", what, v.ErrorRate, v.InFlight, want)
		}
	}
	here := context.Background()
	failing := func() (*engine.Response, error) { return nil, errors.New("refused") }
	f("200", here, reply(200, strings.NewReader("ok")), false)
	f("400", here, reply(400, strings.NewReader("no")), false)
	f("429", here, reply(429, strings.NewReader("no")), false)
	f("529", here, reply(529, strings.NewReader("no")), true)
	f("no answer", here, failing, true)
	f("cut", here, reply(200, cut{}), true)
	f("no answer, client gone", gone, failing, false)
	f("cut, client gone", gone, reply(200, cut{}), false)
}

func TestLimitsAndQuotasAreReadFromEveryAnswer(t *testing.T) {
	g := newGateway(t)
	send := func(headers ...string) *engine.Vitals {
		g.answer = reply(429, strings.NewReader(""), headers...)
		a, err := g.send(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		return g.vitals()
	}
	reset := time.Now().Add(time.Hour).Truncate(time.Second)
	v := send("Anthropic-RateLimit-Requests-Limit", "50", "anthropic-ratelimit-requests-remaining", "10",
		"anthropic-ratelimit-requests-reset", reset.UTC().Format(time.RFC3339), "anthropic-ratelimit-input-tokens-limit", "1000",
		"anthropic-ratelimit-unified-status", "allowed_warning", "anthropic-ratelimit-unified-5h-utilization", "0.83",
		"anthropic-ratelimit-unified-5h-status", "allowed", "anthropic-ratelimit-unified-5h-reset", "4102444800",
		"anthropic-ratelimit-unified-7d_opus-utilization", "1", "anthropic-ratelimit-unified-fallback", "x", "anthropic-ratelimit-nonsense", "1")
	if len(v.RateLimits) != 2 || v.RateLimits[0] != (engine.RateLimit{Kind: "requests", Window: "1m", Limit: 50, Remaining: 10, Resets: v.RateLimits[0].Resets}) ||
		!v.RateLimits[0].Resets.Equal(reset) || v.RateLimits[1].Kind != "input_tokens" || v.RateLimits[1].Remaining != -1 {
		t.Errorf("rate limits %+v", v.RateLimits)
	}
	now := time.Now()
	for window, want := range map[string]float64{"5h": 0.83, "7d_opus": 1, "requests": 0.8} {
		if u, ok := v.UtilizationOf(window, now); !ok || u < want-1e-9 || u > want+1e-9 {
			t.Errorf("utilization of %s is %v %v, want %v", window, u, ok, want)
		}
	}
	later := send("anthropic-ratelimit-unified-5h-utilization", "0.9")
	if u, _ := later.UtilizationOf("5h", now); u != 0.9 || len(later.RateLimits) != 2 {
		t.Errorf("a later answer overlays: %v, %d rate limits", u, len(later.RateLimits))
	}
	if u, _ := v.UtilizationOf("5h", now); u != 0.83 {
		t.Errorf("an old snapshot changed to %v", u)
	}
}

func TestCountsHoldUnderConcurrency(t *testing.T) {
	g := newGateway(t)
	g.answer = reply(200, strings.NewReader(""))
	var wait sync.WaitGroup
	for range 8 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for range 200 {
				if a, err := g.send(context.Background()); err == nil {
					a.Body.Close()
				}
			}
		}()
	}
	wait.Wait()
	if v := g.vitals(); v.InFlight != 0 || v.ErrorRate != 0 {
		t.Errorf("after all: %+v", v)
	}
}

// TestARefusedCredentialThatIsRenewedLaterCoolsUntilThen: the account may be well again before what counts as dead is looked at again.
func TestARefusedCredentialThatIsRenewedLaterCoolsUntilThen(t *testing.T) {
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"access_token":"new","refresh_token":"next","expires_in":3600}`)
	}))
	t.Cleanup(tokens.Close)
	data, err := reload.OpenData(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { data.Close() })
	now := time.Now().Add(time.Hour) // stands still
	accounts := signers.NewAccounts(signers.Options{Shelf: data, Now: func() time.Time { return now }})
	t.Cleanup(func() { accounts.Close() })
	g := newGateway(t)
	f, err := accounts.AnthropicOAuth(signers.OAuth{Upstream: g.up.ID, Name: "up", ClientID: "c", AccessToken: "old", RefreshToken: "first", TokenURL: tokens.URL})
	if err != nil {
		t.Fatal(err)
	}
	accounts.Adopt("", maps.Values(map[int]engine.SignerFactory{0: f}))
	g.world.Upstreams[0].Signers = f
	statuses := []int{401, 200, 401}
	g.answer = func() (*engine.Response, error) {
		status := statuses[0]
		statuses = statuses[1:]
		return reply(status, strings.NewReader("no"))()
	}
	a, err := g.send(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	var refusal *engine.Refusal
	if _, err := g.send(context.Background()); !errors.As(err, &refusal) || refusal.Code != engine.CodeUpstreamCredential {
		t.Errorf("the new token is refused: %v", err)
	}
	if c := g.vitals().Cooling; c.Class != engine.ClassCredential || !c.Until.Equal(now.Add(5*time.Second)) || len(statuses) != 0 {
		t.Errorf("it cools %+v, want until %v", c, now.Add(5*time.Second))
	}
}
