package conformance_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"sluice/engine"
	"sluice/runtimes"
)

// What is compiled of the versions of a large file that is saved often is kept in bounded memory. The first of them serves on, also two
// calls at once, for which Lua starts one more state, and can be made again.
func TestVersionsOfALargeFileAreKeptInBoundedMemory(t *testing.T) {
	const saves, most = 100, 16 << 20
	for _, lang := range languages() {
		version := func(n int) *engine.PluginManifest {
			text := fmt.Sprintf("%d %s", n, strings.Repeat("x", 250<<10))
			return manifest(lang, written{
				".star": fmt.Sprintf("text = %q\ndef filter(ctx, principal, candidates):\n    log(text[:3])\n    return candidates\n", text),
				".lua": fmt.Sprintf("local text = %q\nfunction filter(ctx, principal, candidates)\n  log(text:sub(1, 3))\n  return candidates\nend\n",
					text),
			})
		}
		var both sync.WaitGroup // of two calls that have come to their log
		first := version(0)
		first.Log = func(_ string, _ int, message string) {
			if message != "0 x" {
				t.Errorf("%s: %q serves as the first version", lang.Extension(), message)
			}
			both.Done()
			both.Wait()
		}
		filter := filterOf(t, lang, first)
		before := inUse()
		for n := range saves {
			filterOf(t, lang, version(1+n))
		}
		if grown := inUse() - before; grown > most {
			t.Errorf("%s: %d versions hold %d bytes, want at most %d", lang.Extension(), saves, grown, most)
		}
		for _, f := range []engine.Filter{filter, filterOf(t, lang, first)} {
			both.Add(2)
			var calls sync.WaitGroup
			for range 2 {
				calls.Go(func() {
					if _, err := f.Filter(runtimes.SampleRequest(), runtimes.SamplePrincipal(), candidates()); err != nil {
						t.Errorf("%s: %v", lang.Extension(), err)
						both.Done()
					}
				})
			}
			calls.Wait()
		}
	}
}

func filterOf(t *testing.T, lang runtimes.Language, m *engine.PluginManifest) engine.Filter {
	t.Helper()
	f, err := lang.InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// inUse is what the heap holds, in bytes.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
