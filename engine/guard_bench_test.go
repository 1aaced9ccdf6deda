package engine_test

import (
	"testing"
	"time"

	"sluice/engine"
)

// BenchmarkHop is what it costs that a call runs where it can be left behind: the difference between its two rows.
func BenchmarkHop(b *testing.B) {
	for _, guard := range []bool{false, true} {
		name := "bare"
		if guard {
			name = "guarded"
		}
		b.Run(name, func(b *testing.B) {
			w := &world{generation: &engine.Generation{}, principal: &engine.Principal{Name: "alice"}}
			slot := &engine.FilterSlot{Filter: &scripted{do: func(*engine.RequestContext) error { return nil }}, Meter: &engine.Meter{}}
			crew := engine.NewCrew()
			defer crew.Close()
			if guard {
				slot.Guard = &engine.Guard{Crew: crew, Standing: new(engine.Standings).For("f.star", "1"), Budget: engine.Budget{Time: time.Second}}
			}
			w.add(slot)
			x := &engine.Exchange{Principal: w.principal, Request: &engine.RequestContext{}}
			candidates := []engine.UpstreamCandidate{{Upstream: upstreamNamed("a"), Vitals: &engine.Vitals{}}}
			b.ReportAllocs()
			for b.Loop() {
				x.Trace.Stages = x.Trace.Stages[:0]
				if _, err := w.generation.Filter(x, candidates); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
