package starlark_test

import (
	"errors"
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes/starlark"
)

// FuzzSource: whatever a file holds, it loads or fails with a place in it.
func FuzzSource(f *testing.F) {
	for _, src := range []string{headroom, explained, short, "", "\x00", "def", "x = (",
		"load(\"s.star\", \"x\")", "load(1)", "load(\"\", a=\"b\")",
		"x = [x for x in x]", "\xff\xfe", "def f(*, a=1, **k): pass\nf()", "x = json.decode(\"[\")", "if 1: x = 2\nfor y in [3]: pass",
		"x, x = 1, 2", "\tx=1", "x = [1]\nx[f()] += x", "None = 1", "for x[0] in y: x.append(*y, **z)", "def f(a=[].append): return a[::-1]",
		"x = {y: z for y in x for z in y if y in z}", "a.b[c].d *= e % f", "x = lambda *a, **k: a in k", "(x, [y.z, w[0]]) = t", "x |= {1: 2}", "x = 1\n  y = 2", "x = \"\\ud800\"", "x = 0x", "config = config", "lambda: 1"} {
		f.Add(src)
	}
	rt := starlark.New()
	f.Fuzz(func(t *testing.T, src string) {
		m, err := rt.Load(files{"s.star": src}.snapshot(), "s.star", nil, engine.Budget{Steps: 1000, Time: time.Second, Memory: 1 << 20})
		if err == nil {
			m.Functions()
			return
		}
		var script *engine.ScriptError
		if !errors.As(err, &script) || script.File != "s.star" || script.Message == "" || script.Trap {
			t.Errorf("%q: got %v", src, err)
		}
	})
}

// FuzzJSON: what was decoded is written so that it decodes to the same.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{}`, `[1,2.5,-0,1e400,12345678901234567890]`, `{"a":{"a":1,"b":2,"a":3}}`, `"\ud800\u0000é"`, `nul`,
		`[[[[]]]]`} {
		f.Add([]byte(text))
	}
	ups := upstreams(1)
	src := "def filter(ctx, p, cs):\n    text = json.encode(ctx.body.json())\n" +
		"    if json.encode(json.decode(text)) != text:\n        return text\n    return cs\n"
	filter, err := starlark.New().InstantiateFilter(manifest(files{"s.star": src}, ups))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ctx := request()
		ctx.Body = body
		_, err := filter.Filter(ctx, principal(), candidates(ups))
		var output *engine.OutputError
		if errors.As(err, &output) {
			t.Errorf("%q: %v", body, err)
		}
	})
}

// FuzzReturn: whatever a hook computes and returns, the call ends with a decision or with an error of the script, within its budget.
func FuzzReturn(f *testing.F) {
	for _, expr := range []string{"x", "[x]", "{\"keep\": [c.id for c in x], \"reasons\": {x[0].id: 1}}", "{\"deny\": \"a\" * 10000}", "x[0].id", "[x[0]] * 3",
		"{\"status\": 404, \"body\": {1: 2}}", "(1, [2, {}])", "{\"keep\": None}", "set([1])", "lambda: 1", "range(9)", "b\"a\"", "1 << 400", "-0.0",
		"sorted(x, key = str)", "\"%s\" % [x]", "\"{}\".format(x)", "[x][0][::-1]", "x + x", "x == [x]", "max(range(1 << 60))", "json.decode(json.encode([1]))",
		"[x, {\"name\": \"e\", \"data\": {\"a\": [1]}}]", "{\"status\": 201, \"headers\": {\"x\": [\"1\", 2]}, \"body\": [x]}", "[{\"name\": \"\\n\"}] * 3",
		"dict([(1, 2)]).items()", "\",\".join([\"a\"] * 9).split(\",\")", "re.find_all(\"(a)|b\", \"ab\")", "[][0]", "{[]: 1}", "getattr(x, \"index\")(1)"} {
		f.Add(expr)
	}
	ups := upstreams(3)
	budget := engine.Budget{Steps: 20_000, Time: time.Second, Memory: 1 << 20}
	f.Fuzz(func(t *testing.T, expr string) {
		m := manifest(files{"s.star": "def filter(_, __, x): return (" + expr + "\n)\ndef route(_, __, x): return (" + expr + "\n)\n" +
			"def shape(_, __, ___, x): return (" + expr + "\n)\ndef normalize_error(_, x): return (" + expr + "\n)\n" +
			"def transform_response(_, x): return (" + expr + "\n)\ndef transform_event(_, x, y): return (" + expr + "\n)\n" +
			"def observe(x): return (" + expr + "\n)\n", "d.star": "def drop(_, __, x): return (" + expr + "\n)\n"}, ups)
		m.Budget = budget
		for _, err := range returned(m, ups) {
			var script *engine.ScriptError
			if errors.As(err, &script) && script.Trap {
				t.Errorf("%q: %v", expr, err)
			}
		}
	})
}

// returned calls every hook of a script. It lists the errors.
func returned(m *engine.PluginManifest, ups []*engine.Upstream) (failed []error) {
	rt := starlark.New()
	filter, err := rt.InstantiateFilter(m)
	if err != nil {
		return []error{err}
	}
	_, err = filter.Filter(request(), principal(), candidates(ups))
	failed = append(failed, err)
	router, err := rt.InstantiateRouter(m)
	if err != nil {
		return append(failed, err)
	}
	_, err = router.Route(request(), principal(), candidates(ups))
	failed = append(failed, err)
	dialect, err := rt.InstantiateDialect(m)
	if err != nil {
		return append(failed, err)
	}
	failed = append(failed, shape(dialect, request(), ups[0]))
	_, err = dialect.NormalizeError(400, nil, []byte(`{"error":{"type":"x"}}`))
	failed = append(failed, err)
	answers := dialect.(engine.AnswerDialect)
	_, err = answers.TransformResponse(request(), &engine.State{}, &engine.Reply{Status: 200, Body: []byte(`{"a":[1]}`)})
	failed = append(failed, err)
	_, err = answers.TransformEvent(request(), &engine.State{}, engine.StreamEvent{Name: "e", Data: []byte(`{"a":[1]}`)})
	failed = append(failed, err)
	observer, err := rt.InstantiateObservability(m)
	if err != nil {
		return append(failed, err)
	}
	failed = append(failed, observer.Observe(&engine.RequestStarted{EventHead: engine.EventHead{RequestID: "r", At: now}}))
	m.Artifact = "d.star"
	drop, err := rt.InstantiateFilter(m)
	if err != nil {
		return append(failed, err)
	}
	_, err = drop.Filter(request(), principal(), candidates(ups))
	return append(failed, err)
}
