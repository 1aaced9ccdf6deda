package conformance_test

import (
	"errors"
	"testing"
	"testing/fstest"
	"time"

	"sluice/engine"
	"sluice/runtimes"
)

// written is a script in both languages, by extension.
type written map[string]string

func manifest(lang runtimes.Language, source written) *engine.PluginManifest {
	path := "x" + lang.Extension()
	return &engine.PluginManifest{Name: "b", Artifact: path, Files: fstest.MapFS{path: {Data: []byte(source[lang.Extension()])}},
		Budget: engine.Budget{Time: 5 * time.Second, Steps: 20_000}}
}

func candidates() []engine.UpstreamCandidate {
	var out []engine.UpstreamCandidate
	for _, u := range runtimes.SampleUpstreams() {
		out = append(out, engine.UpstreamCandidate{Upstream: u, Vitals: &engine.Vitals{Healthy: true, Breaker: "closed"}})
	}
	return out
}

// scriptError is the script's own error below err, which must be there.
func scriptError(t *testing.T, err error) *engine.ScriptError {
	t.Helper()
	var e *engine.ScriptError
	if !errors.As(err, &e) {
		t.Fatalf("%v holds no *engine.ScriptError", err)
	}
	return e
}

func TestTheFailureOfAFilterIsOfItsKind(t *testing.T) {
	f := func(name string, source written, variant engine.FilterVariant, budget string, invalid bool) {
		t.Helper()
		for _, lang := range languages() {
			filter, err := lang.InstantiateFilter(manifest(lang, source))
			if err != nil {
				t.Fatal(err)
			}
			_, err = filter.Filter(runtimes.SampleRequest(), runtimes.SamplePrincipal(), candidates())
			var failed *engine.FilterError
			if !errors.As(err, &failed) || failed.Variant != variant {
				t.Errorf("%s, %s: got %v, want a %s error", name, lang.Extension(), err, variant)
				continue
			}
			if e := scriptError(t, err); e.Budget != budget || e.File != "x"+lang.Extension() || e.Line == 0 || failed.Reason != e.Error() {
				t.Errorf("%s, %s: got %+v and the reason %q", name, lang.Extension(), e, failed.Reason)
			}
			var output *engine.OutputError
			if errors.As(err, &output) != invalid {
				t.Errorf("%s, %s: invalid output is %v", name, lang.Extension(), !invalid)
			}
		}
	}
	f("own error", written{".star": "def filter(ctx):\n    fail('x')\n", ".lua": "function filter(ctx)\n  error('x')\nend\n"},
		engine.FilterRuntime, "", false)
	f("unknown field", written{".star": "def filter(ctx):\n    return ctx.nope\n",
		".lua": "function filter(ctx)\n  return ctx.nope\nend\n"}, engine.FilterRuntime, "", false)
	f("steps", written{".star": "def filter(ctx):\n    for i in range(1000000): pass\n",
		".lua": "function filter(ctx)\n  while true do end\nend\n"}, engine.FilterTrap, "steps", false)
	f("invalid output", written{".star": "def filter(ctx):\n    return 1\n", ".lua": "function filter(ctx)\n  return 1\nend\n"},
		engine.FilterRuntime, "", true)
}

func TestTheFailuresOfTheOtherHooksAreOfTheirKinds(t *testing.T) {
	source := written{
		".star": "def route(ctx):\n    fail('x')\ndef shape(ctx, upstream, principal, request):\n    fail('x')\n" +
			"def normalize_error(status, body):\n    fail('x')\ndef observe(event):\n    fail('x')\n",
		".lua": "function route(ctx)\n  error('x')\nend\nfunction shape(ctx, upstream, principal, request)\n  error('x')\nend\n" +
			"function normalize_error(status, body)\n  error('x')\nend\nfunction observe(event)\n  error('x')\nend\n",
	}
	for _, lang := range languages() {
		m := manifest(lang, source)
		router, err := lang.InstantiateRouter(m)
		if err != nil {
			t.Fatal(err)
		}
		_, err = router.Route(runtimes.SampleRequest(), runtimes.SamplePrincipal(), candidates())
		var route *engine.RouteError
		if !errors.As(err, &route) || route.Variant != engine.RouteRuntime {
			t.Errorf("%s: got %v, want a runtime error of a router", lang.Extension(), err)
		}
		scriptError(t, err)

		dialect, err := lang.InstantiateDialect(m)
		if err != nil {
			t.Fatal(err)
		}
		_, err = runtimes.Shape(dialect, runtimes.SampleRequest(), runtimes.SamplePrincipal(), candidates()[0])
		var shape *engine.DialectError
		if !errors.As(err, &shape) {
			t.Errorf("%s: got %v, want the error of a dialect", lang.Extension(), err)
		}
		scriptError(t, err)
		if _, err = dialect.NormalizeError(500, nil, []byte("{}")); err == nil {
			t.Errorf("%s: normalize_error did not fail", lang.Extension())
		}
		scriptError(t, err)

		observer, err := lang.InstantiateObservability(m)
		if err != nil {
			t.Fatal(err)
		}
		err = observer.Observe(engine.Chunk{})
		var missed *engine.ObservabilityError
		if !errors.As(err, &missed) || missed.Variant != engine.ObservabilityDropped {
			t.Errorf("%s: got %v, want a dropped event", lang.Extension(), err)
		}
		scriptError(t, err)

		if _, err := lang.InstantiateSignerFactory(m); err != engine.ErrSignersAreBuiltIn {
			t.Errorf("%s: got %v, want %v", lang.Extension(), err, engine.ErrSignersAreBuiltIn)
		}
	}
}

func TestAScriptThatCannotBeMadeIsARuntimeError(t *testing.T) {
	f := func(source written) {
		t.Helper()
		for _, lang := range languages() {
			_, err := lang.InstantiateFilter(manifest(lang, source))
			var failed *engine.RuntimeError
			if !errors.As(err, &failed) {
				t.Errorf("%s: got %v, want an *engine.RuntimeError", lang.Extension(), err)
			}
			scriptError(t, err)
		}
	}
	f(written{".star": "def filter(", ".lua": "function filter("})
	f(written{".star": "x = 1 // 0\n", ".lua": "error('x')\n"})
	f(written{".star": "x = 1\n", ".lua": "x = 1\n"})
	f(written{".star": "def filter():\n    pass\n", ".lua": "function filter()\nend\n"})
}

func TestLinesBeyondTheCapAreToldOfTheScript(t *testing.T) {
	source := written{
		".star": "def filter(ctx, principal, candidates):\n    for i in range(12): log(i)\n    return candidates\n",
		".lua":  "function filter(ctx, principal, candidates)\n  for i = 1, 12 do log(i) end\n  return candidates\nend\n",
	}
	for _, lang := range languages() {
		m := manifest(lang, source)
		var file, last string
		m.Log = func(f string, _ int, message string) { file, last = f, message }
		filter, err := lang.InstantiateFilter(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = filter.Filter(runtimes.SampleRequest(), runtimes.SamplePrincipal(), candidates()); err != nil {
			t.Fatal(err)
		}
		if file != m.Artifact || last != "2 more lines of filter were dropped, a call may log 10" {
			t.Errorf("%s: the last line is %q of %q", lang.Extension(), last, file)
		}
	}
}
