package conformance_test

import (
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"sluice/engine"
	"sluice/runtimes"
)

// What the compiler takes is bounded by what a file may hold. It is not the script's time, which a busy machine would use up before the
// first line runs. The top level is long enough for the clock to be looked at.
func TestCompilingIsNotTheScriptsTime(t *testing.T) {
	lines := strings.Repeat("    x = (x + 1) * 2\n", 10_000)
	source := written{
		".star": fmt.Sprintf("squares = [i * i for i in range(1000)]\ndef never(x):\n%s\ndef filter(ctx, principal, candidates):\n    return candidates\n", lines),
		".lua":  fmt.Sprintf("for i = 1, 1000 do local square = i * i end\nfunction never(x)\n%send\nfunction filter(ctx, principal, candidates) return candidates end\n", lines),
	}
	for i, lang := range languages() {
		load := func(b engine.Budget) (time.Duration, error) {
			fresh, began := languages()[i], time.Now()
			m := manifest(fresh, source)
			m.Budget = b
			_, err := fresh.InstantiateFilter(m)
			return time.Since(began), err
		}
		least := time.Hour
		for range 3 {
			took, err := load(engine.Budget{})
			if err != nil {
				t.Fatal(err)
			}
			least = min(least, took)
		}
		var err error
		for range 20 { // a busy machine may have no time for the top level; where compiling counted, no attempt would do
			if _, err = load(engine.Budget{Time: least / 2}); err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("%s: %v", lang.Extension(), err)
		}
	}
}

// A script and what it loads are compiled once for all who have them, also when a call has failed and the process has collected since.
func TestAScriptThatServesIsCompiledOnce(t *testing.T) {
	lines := strings.Repeat("    x = (x + 1) * 2\n", 2_000)
	source := written{
		".star": "load(\"lib.star\", \"keep\")\n\ndef filter(ctx, principal, candidates):\n    return keep(candidates)\n",
		".lua":  "local lib = require(\"lib\")\nfunction filter(ctx, principal, candidates) return lib.keep(candidates) end\n",
	}
	library := written{
		".star": fmt.Sprintf("def never(x):\n%s\ndef keep(candidates):\n    return [][0]\n", lines),
		".lua":  fmt.Sprintf("function never(x)\n%send\nfunction keep(candidates) return nil + 1 end\n", lines),
	}
	for _, lang := range languages() {
		m := manifest(lang, source)
		m.Files.(fstest.MapFS)["lib"+lang.Extension()] = &fstest.MapFile{Data: []byte(library[lang.Extension()])}
		load := func() (f engine.Filter, objects uint64) {
			var before, after goruntime.MemStats
			goruntime.ReadMemStats(&before)
			f, err := lang.InstantiateFilter(m)
			goruntime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			return f, after.Mallocs - before.Mallocs
		}
		serves, compiled := load()
		if _, err := serves.Filter(runtimes.SampleRequest(), &engine.Principal{}, candidates()); err == nil {
			t.Fatalf("%s: the call has not failed", lang.Extension())
		}
		goruntime.GC()
		if _, found := load(); found > compiled/3 {
			t.Errorf("%s: to load a script that serves takes %d objects, and to load it first %d", lang.Extension(), found, compiled)
		}
		goruntime.KeepAlive(serves)
	}
}

// Bindings of one version share what its top level left if they could not tell it from their own: each has its own config and isolation.
func TestBindingsShareALoadAndHaveTheirOwnConfig(t *testing.T) {
	source := written{
		".star": "log(\"loaded \" + json.encode(config))\ndef filter(ctx, principal, candidates):\n    return {\"keep\": candidates, \"reason\": json.encode(config)}\n",
		".lua":  "log(\"loaded \" .. json.encode(config))\nfunction filter(ctx, principal, candidates)\n  return { keep = candidates, reason = json.encode(config) }\nend\n",
	}
	object := func(key string, v any) *engine.Object {
		o := new(engine.Object)
		o.Set(key, v)
		return o
	}
	for _, lang := range languages() {
		var loaded []string
		m := manifest(lang, source)
		m.Loads = new(engine.Loads)
		m.Log = func(_ string, _ int, line string) { loaded = append(loaded, line) }
		configs := []*engine.Object{object("a", "1"), object("a", int64(1)), object("a", object("a", nil)), object("a", []any{int64(1)}), object("b", int64(1))}
		for range 3 {
			for i, want := range []string{`{"a":"1"}`, `{"a":1}`, `{"a":{"a":null}}`, `{"a":[1]}`, `{"b":1}`} {
				one := *m
				one.Config = configs[i]
				out, err := filterOf(t, lang, &one).Filter(runtimes.SampleRequest(), runtimes.SamplePrincipal(), candidates())
				if err != nil || out.Reason != want {
					t.Errorf("%s: %q, %v, want %s", lang.Extension(), out.Reason, err, want)
				}
			}
		}
		if len(loaded) != len(configs) {
			t.Errorf("%s: the top level ran for %v, want once for each config", lang.Extension(), loaded)
		}
	}
}
