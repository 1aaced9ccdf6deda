package starlark_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes/starlark"
)

// wire is an upstream that answers 200 and remembers what was sent.
type wire struct{ sent string }

func (w *wire) Build(context.Context, *engine.Upstream) (engine.Signer, error) { return w, nil }

func (w *wire) Sign(_ context.Context, s engine.Shaped, c *engine.SigningCapability) (engine.Signed, error) {
	return c.Seal(s)
}

func (w *wire) OnUnauthorized(context.Context, *engine.UpstreamError) engine.RetryDecision {
	return engine.Fail
}

func (w *wire) Vitals(*engine.Upstream, time.Time) *engine.Vitals {
	return &engine.Vitals{Healthy: true, Breaker: "closed", Concurrency: 7}
}

func (w *wire) RoundTrip(_ context.Context, s engine.Signed) (*engine.Response, error) {
	lines := []string{s.Method() + " " + s.Scheme() + "://" + s.Host() + s.RequestURI()}
	for i := range s.HeaderLines() {
		lines = append(lines, s.HeaderLine(i).Name+": "+s.HeaderLine(i).Value)
	}
	w.sent = strings.Join(append(lines, string(s.Body())), "\n")
	return &engine.Response{Status: 200, Body: io.NopCloser(bytes.NewReader(nil))}, nil
}

// send lets the engine send a request through a dialect. The error is the dialect's.
func send(d engine.Dialect, ctx *engine.RequestContext, u *engine.Upstream) (string, error) {
	w := &wire{}
	strategy, err := engine.NewStrategy("first-pick", 1)
	if err != nil {
		return "", err
	}
	g := &engine.Generation{Strategy: strategy, Vitals: w, Upstreams: []*engine.UpstreamSlot{
		{Upstream: u, Dialect: &engine.DialectSlot{Dialect: d, Script: "s.star", Meter: &engine.Meter{}}, Signers: w},
	}}
	_, err = g.Serve(context.Background(), &engine.Exchange{Request: ctx, Principal: principal()}, w)
	var refusal *engine.Refusal
	if errors.As(err, &refusal) {
		err = refusal.Cause
	}
	return w.sent, err
}

func shape(d engine.Dialect, ctx *engine.RequestContext, u *engine.Upstream) error {
	_, err := send(d, ctx, u)
	return err
}

func dialectOf(t testing.TB, src string, ups []*engine.Upstream) engine.Dialect {
	t.Helper()
	d, err := starlark.New().InstantiateDialect(manifest(files{"s.star": src}, ups))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// small is a request whose wire form fits on few lines.
func small() *engine.RequestContext {
	return &engine.RequestContext{
		RequestID: "0195-r1", Method: "POST", Path: "/v1/messages", Query: "beta=true", Model: "claude-sonnet-4-5", Now: now,
		Headers: engine.Headers{{Name: "anthropic-beta", Value: "a"}, {Name: "Content-Type", Value: "application/json"}},
		Body:    []byte(`{"model": "claude-sonnet-4-5", "n": [1, 2]}`),
	}
}

func TestADialectEditsTheRequestInPlace(t *testing.T) {
	t.Parallel()
	ups := upstreams(1)
	f := func(body string, want ...string) {
		t.Helper()
		d := dialectOf(t, "def shape(ctx, upstream, principal, request):\n    "+strings.ReplaceAll(body, "; ", "\n    ")+"\n", ups)
		got, err := send(d, small(), ups[0])
		if err != nil || got != strings.Join(want, "\n") {
			t.Errorf("%s:\n got %s, %v\nwant %s", body, got, err, strings.Join(want, "\n"))
		}
	}
	const line, beta, typ, body = "POST https://up-0.example.com/v1/messages?beta=true", "anthropic-beta: a", "Content-Type: application/json",
		`{"model": "claude-sonnet-4-5", "n": [1, 2]}`
	f("pass", line, beta, typ, body)
	f(`request.url = upstream.base_url + "/model/" + url.escape(upstream.model(ctx.model)) + "/invoke"`,
		"POST https://up-0.example.com/model/own-sonnet/invoke", beta, typ, body)
	f(`request.method = "PUT"; request.headers.set("X-Region", upstream.region); request.headers.remove("anthropic-beta")`,
		"PUT https://up-0.example.com/v1/messages?beta=true", typ, "X-Region: us-east-1", body)
	f(`request.body.remove("model"); request.body.set("n.-1", 3); request.body.set("v", {"a": [None, 1.0]})`,
		line, beta, typ, `{"n": [1, 2,3],"v":{"a":[null,1]}}`)
	f(`b = request.body.json(); b["model"] = "x"; request.body.replace(b)`, line, beta, typ, `{"model":"x","n":[1,2]}`)
	f(`request.state["seen"] = 1; request.state["list"] = []; request.state["list"].append(2); request.headers.set("s", str(request.state))`,
		line, beta, typ, `s: {"seen": 1, "list": [2]}`, body)
	f(`request.headers.set("v", "%s %s %s" % (upstream.concurrency, upstream.healthy, ctx.attempt))`, line, beta, typ, "v: 7 True 1", body)
	f(`request.headers["nope"] == None or fail("there"); request.headers.add("anthropic-beta", principal.name)`,
		line, beta, typ, "anthropic-beta: alice", body)
}

func TestADialectThatFailsEndsTheAttempt(t *testing.T) {
	t.Parallel()
	ups := upstreams(1)
	f := func(body, want string) {
		t.Helper()
		d := dialectOf(t, "def shape(ctx, upstream, principal, request):\n    "+body+"\n", ups)
		_, err := send(d, small(), ups[0])
		var failure *engine.DialectError
		if !errors.As(err, &failure) || string(failure.Variant)+": "+failure.Reason != want {
			t.Errorf("%s:\n got %v\nwant %s", body, err, want)
		}
	}
	f("return 1", "unsupported request: s.star:1:1: shape returned the number 1, want nothing")
	f("fail(\"no\")", "unsupported request: s.star:2:9: fail: no")
	f("request.url = 7", "unsupported request: s.star:2:13: request.url is a number, want a string")
	f("request.body = 7", "unsupported request: s.star:2:13: request.body cannot be assigned to, want its set(path, value), or replace(value)")
	f("upstream.name = 7", "unsupported request: s.star:2:14: upstream.name is read-only")
	f("request.url = \"https://other.example.com/\"", `invalid url: s.star:2:13: url "https://other.example.com/" leaves upstream "up-0", `+
		`want an origin of https://up-0.example.com:443 or one of allow_origins`)
}

func TestADialectWithoutShapeSendsTheRequestAsItIs(t *testing.T) {
	t.Parallel()
	ups := upstreams(1)
	d := dialectOf(t, "def normalize_error(status, body):\n    pass\n", ups)
	got, err := send(d, small(), ups[0])
	if want := "POST https://up-0.example.com/v1/messages?beta=true\n"; err != nil || !strings.HasPrefix(got, want) {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestADialectNormalizesErrors(t *testing.T) {
	t.Parallel()
	f := func(params, body, want string) {
		t.Helper()
		d := dialectOf(t, "def normalize_error("+params+"):\n    "+body+"\n", nil)
		out, err := d.NormalizeError(429, engine.Headers{{Name: "Retry-After", Value: "7"}}, []byte(`{"message":"slow down"}`))
		got := "as it is"
		switch {
		case err != nil:
			got = err.Error()
		case out != nil:
			got = string(rune('0'+out.Status/100)) + " " + string(out.Body)
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", body, got, want)
		}
	}
	f("status, body", "return None", "as it is")
	f("status, body", "return \"text\"", "0 text")
	f("status, body", "return {\"error\": {\"message\": body.get(\"message\")}}", `0 {"error":{"message":"slow down"}}`)
	f("status, body, headers", "return {\"status\": status + 100, \"body\": headers[\"retry-after\"]}", "5 7")
	f("status, body", "return {\"status\": 200, \"body\": \"\"}",
		"dialect: unsupported request: s.star:1:1: normalize_error returned the number 200 as the status, want 400 to 599")
	f("status, body", "return body.nope", `dialect: unsupported request: s.star:2:17: body has no field "nope", want type`)
	d := dialectOf(t, "def shape(ctx):\n    pass\n", nil)
	if out, err := d.NormalizeError(500, nil, nil); out != nil || err != nil {
		t.Errorf("a dialect without normalize_error: %v, %v", out, err)
	}
}
