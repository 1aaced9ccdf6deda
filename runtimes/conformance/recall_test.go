//go:build !race

package conformance_test

import (
	"testing"

	"sluice/engine"
)

// recall returns a function that looks up what a bundled filter decided once.
func recall(t testing.TB, script string) func() {
	t.Helper()
	w := newWorld(1)
	f, in := w.bind(t, bundledScripts, script), w.draw()
	look := func() bool {
		_, known := f.(engine.RecallingFilter).Recall(in.ctx, in.principal, in.candidates)
		return known
	}
	look()
	if _, err := f.Filter(in.ctx, in.principal, in.candidates); err != nil {
		t.Fatal(err)
	}
	return func() {
		if !look() {
			t.Fatal("nothing is remembered")
		}
	}
}

var recalled = []string{"filters/headroom.star", "filters/headroom.lua", "filters/tier.star", "filters/tier.lua", "filters/choose.lua"}

func TestADecisionIsRememberedWithoutAnAllocation(t *testing.T) {
	for _, script := range recalled {
		if n := testing.AllocsPerRun(200, recall(t, script)); n > 0 {
			t.Errorf("%s: %v allocations", script, n)
		}
	}
}

func BenchmarkRecall(b *testing.B) {
	for _, script := range recalled {
		b.Run(script, func(b *testing.B) {
			look := recall(b, script)
			b.ReportAllocs()
			for b.Loop() {
				look()
			}
		})
	}
}
