package conformance_test

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes"
	"sluice/runtimes/lua"
	"sluice/runtimes/starlark"
)

// What the top level of a script left is held as long as the script serves. A further one that finds no room for it is refused, until there is.
func TestWhatATopLevelLeavesIsHeldWhileItServes(t *testing.T) {
	for _, make := range []func(*runtimes.Pool) runtimes.Language{
		func(p *runtimes.Pool) runtimes.Language { rt := starlark.New(); rt.Memory = p; return rt },
		func(p *runtimes.Pool) runtimes.Language { rt := lua.New(); rt.Memory = p; return rt },
	} {
		pool := new(runtimes.Pool)
		pool.SetLimit(6 << 20)
		lang := make(pool)
		hoarding := func(mib int) *engine.PluginManifest {
			m := manifest(lang, written{
				".star": fmt.Sprintf("T = [\"x\" * 65536 for i in range(%d)]\ndef filter(ctx, principal, candidates):\n    return candidates\n", 16*mib),
				".lua":  fmt.Sprintf("local T = {}\nfor i = 1, %d do T[i] = string.rep(\"x\", 65536) end\nfunction filter(ctx, principal, candidates)\n  return T and candidates\nend\n", 16*mib),
			})
			m.Budget = engine.Budget{}
			return m
		}
		refused := func(m *engine.PluginManifest, budget string) {
			t.Helper()
			_, err := lang.InstantiateFilter(m)
			var e *engine.ScriptError
			if !errors.As(err, &e) || e.File != m.Artifact || e.Budget != budget || !strings.Contains(e.Message, "the top level allocates") ||
				!strings.Contains(e.Message, "half of budgets.total_memory at most, which is 3.0 MiB") {
				t.Errorf("%s: %v", lang.Extension(), err)
			}
		}
		first := filterOf(t, lang, hoarding(2))
		if _, err := first.Filter(runtimes.SampleRequest(), runtimes.SamplePrincipal(), candidates()); err != nil {
			t.Error(err)
		}
		if held := pool.Used(); held < 2<<20-64<<10 || held > 3<<20 {
			t.Errorf("%s: %d bytes are held, want those of the top level", lang.Extension(), held)
		}
		refused(hoarding(2), engine.BudgetTotalMemory)
		refused(hoarding(4), "")
		goruntime.KeepAlive(first)
		second := filterOf(t, lang, hoarding(2)) // the process collects the first for it
		goruntime.KeepAlive(second)
		second = nil
		for late := time.Now().Add(20 * time.Second); pool.Used() > 0; time.Sleep(time.Millisecond) {
			if goruntime.GC(); time.Now().After(late) {
				t.Fatalf("%s: %d bytes are held by scripts that are gone", lang.Extension(), pool.Used())
			}
		}
	}
}
