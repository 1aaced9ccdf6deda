package starlark_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/runtimes/starlark"
)

// decide runs a filter over four candidates.
func decide(t testing.TB, src string) (engine.FilterOutput, error) {
	t.Helper()
	ups := upstreams(4)
	f, err := starlark.New().InstantiateFilter(manifest(files{"s.star": src}, ups))
	if err != nil {
		t.Fatal(err)
	}
	return f.Filter(request(), principal(), candidates(ups))
}

// summary is a decision as text; upstreams are numbered from 0.
func summary(out engine.FilterOutput) string {
	if out.Denied {
		return "deny: " + out.Reason
	}
	var b strings.Builder
	for _, id := range out.KeptUpstreamIDs {
		fmt.Fprintf(&b, "%d ", id[15]-1)
	}
	b.WriteString("|" + out.Reason + "|")
	for _, r := range out.PerCandidateReasons {
		fmt.Fprintf(&b, " %d kept=%v %s", r.UpstreamID[15]-1, r.Kept, r.Reason)
	}
	return b.String()
}

func TestAFilterKeepsWhatItReturns(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		out, err := decide(t, "def filter(ctx, principal, candidates):\n    "+body+"\n")
		if got := summary(out); err != nil || got != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", body, got, err, want)
		}
	}
	f("return candidates", "0 1 2 3 ||")
	f("return [c for c in candidates if c.healthy]", "0 1 3 ||")
	f("return [candidates[2].id, candidates[0]]", "2 0 ||")
	f("return (candidates[-1],)", "3 ||")
	f("return []", "||")
	f("return {\"keep\": candidates[1:3], \"reason\": \"two\"}", "1 2 |two|")
	f("return {\"keep\": [candidates[0]], \"reasons\": {candidates[1].id: \"no\", candidates[0].id: \"yes\"}}",
		"0 || 1 kept=false no 0 kept=true yes")
	f("return {\"deny\": \"not today\"}", "deny: not today")
	f("return sorted(candidates, key = lambda c: -c.priority)[:1]", "3 ||")
	f("return candidates[:0] + [c for c in candidates if c.name == \"up-2\"]", "2 ||")
}

func TestTheDropFormDropsOneByOne(t *testing.T) {
	t.Parallel()
	out, err := decide(t, "def drop(ctx, principal, c):\n    if c.in_flight >= 2:\n        return c.name + \" is busy\"\n")
	want := "0 1 |up-2 is busy| 2 kept=false up-2 is busy 3 kept=false up-3 is busy"
	if got := summary(out); err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestTrailingParametersMayBeLeftOut(t *testing.T) {
	t.Parallel()
	f := func(params, body, want string) {
		t.Helper()
		out, err := decide(t, "def filter("+params+"):\n    return "+body+"\n")
		if got := summary(out); err != nil || got != want {
			t.Errorf("filter(%s): got %s, %v, want %s", params, got, err, want)
		}
	}
	f("ctx", `{"keep": [], "reason": ctx.model}`, "|claude-sonnet-4-5|")
	f("ctx, principal", `{"keep": [], "reason": principal.name}`, "|alice|")
	f("ctx, *rest", `rest[1]`, "0 1 2 3 ||")
	f("ctx, principal, candidates = []", `candidates`, "0 1 2 3 ||")
}

func TestAnInvalidDecisionIsPlacedAtTheHook(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		_, err := decide(t, "\ndef filter(ctx, principal, candidates):\n    "+body+"\n")
		var failure *engine.FilterError
		var output *engine.OutputError
		if !errors.As(err, &failure) || !errors.As(err, &output) {
			t.Fatalf("%s: error %v, want a *engine.FilterError over an *engine.OutputError", body, err)
		}
		if failure.Variant != engine.FilterRuntime || failure.Reason != "s.star:2:1: filter returned "+want {
			t.Errorf("%s: got %s error %s", body, failure.Variant, failure.Reason)
		}
		if e := scriptError(t, err); e.Line != 2 || e.Column != 1 || e.Message != "filter returned "+want {
			t.Errorf("%s: script error %v", body, e)
		}
	}
	f("pass", "nothing, want a list of candidates, or {keep, reason, reasons}, or {deny}")
	f("return 7", "the number 7, want a list of candidates, or {keep, reason, reasons}, or {deny}")
	f("return [\"x\"]", `"x", want a candidate of this request`)
	f("return [candidates]", "a list, want a candidate of this request")
	f("return [ctx]", "a ctx, want a candidate of this request")
	f("return candidates + [candidates[1]]", `candidate "up-1" twice`)
	f("return {\"kep\": []}", `a map with the key "kep", want keep`)
	f("return {1: []}", "a map with a key that is a number, want a string")
	f("return set(candidates)", "a set, want a list of candidates, or {keep, reason, reasons}, or {deny}")
	f("return filter", "a function, want a list of candidates, or {keep, reason, reasons}, or {deny}")
}

func TestAFilterHasItsBindingsIdentity(t *testing.T) {
	t.Parallel()
	m := manifest(files{"s.star": keepAll}, nil)
	m.Principal = "alice"
	f, err := starlark.New().InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte("sluice:plugin:test"))
	if f.PluginName() != "test" || f.PluginID() != id || f.SlotKey() != (engine.SlotKey{Principal: "alice", Plugin: "test"}) {
		t.Errorf("got %s %s %v", f.PluginName(), f.PluginID(), f.SlotKey())
	}
}

func TestAnErrorHasItsPlaceAndItsStack(t *testing.T) {
	t.Parallel()
	ups := upstreams(4)
	f, err := starlark.New().InstantiateFilter(manifest(files{
		"s.star":     "load(\"lib/a.star\", \"pick\")\n\ndef filter(ctx, p, candidates):\n    return [c for c in candidates if pick(c)]\n",
		"lib/a.star": "def pick(c):\n    x = 1\n    return c.nmae\n",
	}, ups))
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Filter(request(), principal(), candidates(ups))
	var failure *engine.FilterError
	if !errors.As(err, &failure) || failure.Variant != engine.FilterRuntime ||
		failure.Reason != `lib/a.star:3:14: candidate has no field "nmae", want name` {
		t.Errorf("got %v", err)
	}
	e := scriptError(t, err)
	if got, want := strings.Join(e.Stack, "|"), "lib/a.star:3:14: in pick|s.star:4:42: in filter"; got != want {
		t.Errorf("stack %s, want %s", got, want)
	}
	if e.File != "lib/a.star" || e.Line != 3 || e.Column != 14 || e.Trap || e.Budget != "" {
		t.Errorf("got %+v", e)
	}
}

func TestAPanicIsATrap(t *testing.T) {
	t.Parallel()
	ups := upstreams(1)
	rt := starlark.NewPanicking()
	src := "def filter(ctx, p, cs):\n    if ctx.path == \"/panic\":\n        panic()\n    return cs\n"
	f, err := rt.InstantiateFilter(manifest(files{"s.star": src}, ups))
	if err != nil {
		t.Fatal(err)
	}
	ctx := request()
	ctx.Path = "/panic"
	_, err = f.Filter(ctx, principal(), candidates(ups))
	var failure *engine.FilterError
	if !errors.As(err, &failure) || failure.Variant != engine.FilterTrap || !strings.HasPrefix(failure.Reason, "s.star:1:1: filter panicked: ") {
		t.Errorf("got %v", err)
	}
	if e := scriptError(t, err); !e.Trap {
		t.Errorf("got %+v", e)
	}
	if out, err := f.Filter(request(), principal(), candidates(ups)); err != nil || len(out.KeptUpstreamIDs) != 1 {
		t.Errorf("after a panic: %v, %v", out, err)
	}
}

func TestARouterPicksOne(t *testing.T) {
	t.Parallel()
	rt, ups := starlark.New(), upstreams(4)
	f := func(body, want string) {
		t.Helper()
		r, err := rt.InstantiateRouter(manifest(files{"s.star": "def route(ctx, p, cs):\n    " + body + "\n"}, ups))
		if err != nil {
			t.Fatal(err)
		}
		out, err := r.Route(request(), principal(), candidates(ups))
		var failure *engine.RouteError
		switch {
		case errors.As(err, &failure):
			if got := string(failure.Variant) + ": " + failure.Reason; got != want {
				t.Errorf("%s: got %s, want %s", body, got, want)
			}
		case err != nil || out.Upstream.Name != want || out.UpstreamID != out.Upstream.ID || out.Dialect != nil:
			t.Errorf("%s: got %+v, %v, want %s", body, out, err, want)
		}
	}
	f("return cs[2]", "up-2")
	f("return cs[1].id", "up-1")
	f("return None", "no route: s.star:1:1: route returned nothing, want a candidate of this request")
	f("return cs", "no route: s.star:1:1: route returned a list, want a candidate of this request")
	f("return cs[9]", "runtime error: s.star:2:14: list index 9 out of range [-4:3]")
}
