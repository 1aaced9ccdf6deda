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
		"x, x = 1, 2", "\tx=1", "x = 1\n  y = 2", "x = \"\\ud800\"", "x = 0x", "config = config", "lambda: 1"} {
		f.Add(src)
	}
	rt := starlark.New()
	f.Fuzz(func(t *testing.T, src string) {
		m, err := rt.Load(files{"s.star": src}.snapshot(), "s.star", nil, engine.Budget{Steps: 1000, Time: time.Second})
		if err == nil {
			m.Functions()
			return
		}
		var script *engine.ScriptError
		if !errors.As(err, &script) || script.File != "s.star" || script.Message == "" {
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
