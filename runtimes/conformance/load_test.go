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
