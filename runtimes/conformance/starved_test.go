package conformance_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"sluice/engine"
	"sluice/runtimes"
	"sluice/runtimes/lua"
	"sluice/runtimes/starlark"
)

// Time in which a call waits for memory that others hold is not the script's fault. Where that was most of it, what ends the call is
// budgets.total_memory, which puts nothing aside; a short wait excuses no endless loop.
func TestACallThatIsLateForWantOfMemoryIsNotBlamedForTheTime(t *testing.T) {
	scripts := fstest.MapFS{
		"f.star": {Data: []byte("def filter(ctx, principal, candidates):\n    text = \"x\" * 1000000\n    for i in range(1 << 30):\n        n = \"y\" in text\n    return candidates\n")},
		"f.lua":  {Data: []byte("function filter(ctx, principal, candidates)\n  local text = string.rep('x', 1000000)\n  while true do local n = string.find(text, 'y', 1, true) end\nend\n")},
	}
	for waits, want := range map[time.Duration]string{300 * time.Millisecond: engine.BudgetTotalMemory, 20 * time.Millisecond: "time", 0: "time"} {
		for name := range scripts {
			t.Run(fmt.Sprint(name, " ", waits), func(t *testing.T) {
				t.Parallel()
				pool := new(runtimes.Pool)
				pool.SetLimit(8 << 20)
				var lang runtimes.Language
				if st, lu := starlark.New(), lua.New(); name == "f.star" {
					st.Memory, lang = pool, st
				} else {
					lu.Memory, lang = pool, lu
				}
				f, err := lang.InstantiateFilter(&engine.PluginManifest{Name: "f", Artifact: name, Files: scripts, Config: &engine.Object{},
					Budget: engine.Budget{Time: 400 * time.Millisecond}})
				if err != nil {
					t.Fatal(err)
				}
				if waits > 0 {
					others := runtimes.Share{Pool: pool}
					if err := others.Cover(8<<20, time.Time{}); err != nil {
						t.Fatal(err)
					}
					time.AfterFunc(waits, others.Free)
				}
				w := newWorld(1)
				in := w.draw()
				_, err = f.Filter(in.ctx, in.principal, in.candidates)
				var e *engine.ScriptError
				if !errors.As(err, &e) || e.Budget != want {
					t.Errorf("after it waited for memory: %v, want an overrun of %s", err, want)
				}
			})
		}
	}
}

// An admission that others leave no memory says so by its budget, whichever of its steps it is that finds none: what was edited may be
// well, and is tried again.
func TestAnAdmissionWithoutMemoryIsNotBlamed(t *testing.T) {
	steps := map[string]written{
		"the probe": {".star": "def filter(ctx, principal, candidates):\n    text = \"x\" * 1000000\n    return candidates\n",
			".lua": "function filter(ctx, principal, candidates)\n  local text = string.rep('x', 1000000)\n  return candidates\nend\n"},
		"a test": {".star": "def filter(ctx, principal, candidates):\n    return candidates\n\ndef test_it(t):\n    text = \"x\" * 1000000\n",
			".lua": "function filter(ctx, principal, candidates)\n  return candidates\nend\n\nfunction test_it(t)\n  local text = string.rep('x', 1000000)\nend\n"},
		"the load": {".star": "text = \"x\" * 1000000\n\ndef filter(ctx, principal, candidates):\n    return candidates\n",
			".lua": "text = string.rep('x', 1000000)\n\nfunction filter(ctx, principal, candidates)\n  return candidates\nend\n"},
	}
	for step, source := range steps {
		for _, lang := range languages() {
			pool := new(runtimes.Pool)
			pool.SetLimit(2 << 20)
			switch l := lang.(type) {
			case *starlark.Runtime:
				l.Memory = pool
			case *lua.Runtime:
				l.Memory = pool
			}
			others := runtimes.Share{Pool: pool}
			if err := others.Cover(2<<20, time.Time{}); err != nil {
				t.Fatal(err)
			}
			m := manifest(lang, source)
			m.Budget.Time = 50 * time.Millisecond
			a := runtimes.Admission{Language: lang, Files: m.Files, Path: m.Artifact, Budget: m.Budget,
				Bindings: []runtimes.Binding{{Slot: engine.SlotFilter, Manifest: m}}}
			if got := a.Admit().Errors; len(got) != 1 || got[0].Budget != engine.BudgetTotalMemory {
				t.Errorf("%s, %s: %+v, want an overrun of %s", step, lang.Extension(), got, engine.BudgetTotalMemory)
			}
			others.Free()
			if got := a.Admit().Errors; len(got) != 0 {
				t.Errorf("%s, %s, with memory: %+v", step, lang.Extension(), got)
			}
		}
	}
}
