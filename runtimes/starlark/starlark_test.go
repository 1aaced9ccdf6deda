package starlark_test

import (
	"errors"
	"fmt"
	"net/url"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/runtimes/starlark"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// files are scripts by path.
type files map[string]string

func (f files) snapshot() fstest.MapFS {
	out := make(fstest.MapFS, len(f))
	for name, text := range f {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

// manifest is a binding of s.star with a usual budget.
func manifest(f files, upstreams []*engine.Upstream) *engine.PluginManifest {
	config := &engine.Object{}
	config.Set("max_utilization", 0.9)
	config.Set("regions", []any{"eu", "us"})
	nested := &engine.Object{}
	nested.Set("deep", []any{int64(1), nil})
	config.Set("nested", nested)
	config.Set("big", engine.Number("123456789012345678901234567890"))
	return &engine.PluginManifest{
		Name: "test", Artifact: "s.star", Files: f.snapshot(), Config: config, Upstreams: upstreams,
		Budget: engine.Budget{Time: 10 * time.Second, Steps: 2_000_000},
	}
}

// request is a request of the real shape.
func request() *engine.RequestContext {
	body := `{"model":"claude-sonnet-4-5","max_tokens":1024,"stream":true,"big":9007199254740993,` +
		`"messages":[{"role":"user","content":"hi"}],"metadata":{"user_id":"u-1"},"none":null,"half":0.5}`
	return &engine.RequestContext{
		RequestID: "0195-r1", SessionID: "s-1", Method: "POST", Path: "/v1/messages", Query: "beta=true&x=a%20b",
		Headers: engine.Headers{{Name: "Anthropic-Version", Value: "2023-06-01"}, {Name: "anthropic-beta", Value: "a"},
			{Name: "anthropic-beta", Value: "b"}, {Name: "X-Api-Key", Value: "hidden"}},
		Body: []byte(body), Model: "claude-sonnet-4-5", Stream: true, MaxTokens: 1024, Attempt: 1, Now: now, Seed: 42,
	}
}

func principal() *engine.Principal {
	claims := &engine.Object{}
	claims.Set("team", "core")
	claims.Set("roles", []any{"dev", "ops"})
	return &engine.Principal{ID: "alice", Name: "alice", Kind: engine.PrincipalAPIKey, Claims: claims}
}

// upstreams are n of the real shape, sorted by id.
func upstreams(n int) []*engine.Upstream {
	out := make([]*engine.Upstream, n)
	for i := range out {
		labels := &engine.Object{}
		labels.Set("team", "core")
		labels.Set("tier", []string{"gold", "silver"}[i%2])
		id := uuid.UUID{15: byte(i + 1)}
		out[i] = &engine.Upstream{
			ID: id, Name: fmt.Sprintf("up-%d", i), Kind: engine.KindBedrockRuntime, Region: "us-east-1", Weight: 1, Priority: i,
			BaseURL: &url.URL{Scheme: "https", Host: fmt.Sprintf("up-%d.example.com", i)}, Labels: labels,
			Models: map[string]string{"claude-sonnet-4-5": "own-sonnet"},
		}
	}
	return out
}

// candidates are those upstreams at a moment; the i-th is i/10 full.
func candidates(ups []*engine.Upstream) []engine.UpstreamCandidate {
	out := make([]engine.UpstreamCandidate, len(ups))
	for i, u := range ups {
		out[i] = engine.UpstreamCandidate{Upstream: u, Vitals: &engine.Vitals{
			Healthy: i%3 != 2, Breaker: "closed", InFlight: i, Concurrency: 100 + i, ErrorRate: 0.01, TTFB: 800 * time.Millisecond,
			RateLimits: []engine.RateLimit{{Kind: "requests", Window: "1m", Limit: 1000, Remaining: 900, Resets: now.Add(time.Minute)}},
			Quotas: []engine.Quota{
				{Window: "5h", Status: "allowed", Utilization: float64(i) / 10, Resets: now.Add(time.Hour), Observed: now},
				{Window: "7d", Status: "allowed", Utilization: 0.3, Resets: now.Add(24 * time.Hour), Observed: now},
			},
		}}
	}
	return out
}

// filterOf makes a filter of one file.
func filterOf(t testing.TB, src string) engine.Filter {
	t.Helper()
	f, err := starlark.New().InstantiateFilter(manifest(files{"s.star": src}, upstreams(4)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// eval returns what an expression or the body of a function makes of a request with four candidates, as text: the reason of a filter that
// keeps all.
func eval(t testing.TB, body string) (string, error) {
	t.Helper()
	src := "def run(ctx, principal, candidates):\n" + body + "\n" +
		"def filter(ctx, principal, candidates):\n" +
		"    return {\"keep\": candidates, \"reason\": str(run(ctx, principal, candidates))}\n"
	ups := upstreams(4)
	f, err := starlark.New().InstantiateFilter(manifest(files{"s.star": src}, ups))
	if err != nil {
		return "", err
	}
	out, err := f.Filter(request(), principal(), candidates(ups))
	return out.Reason, err
}

// scriptError is the script's fault in an error, or a failed test.
func scriptError(t testing.TB, err error) *engine.ScriptError {
	t.Helper()
	var out *engine.ScriptError
	if !errors.As(err, &out) {
		t.Fatalf("error %v holds no *engine.ScriptError", err)
	}
	return out
}
