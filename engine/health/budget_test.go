//go:build !race

package health_test

import (
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/health"
)

// TestAVisitStaysInItsMemory counts what health costs a request that all goes well with.
func TestAVisitStaysInItsMemory(t *testing.T) {
	tr := health.NewTracker(nil)
	u := named("up")
	u.Concurrency = 10
	a := place(u, "claude-opus-4-5")
	var vitals engine.Vitals
	f := func(budget float64, o engine.Outcome) {
		t.Helper()
		n := testing.AllocsPerRun(1000, func() {
			tr.Look(a, time.Now(), &vitals)
			v := tr.Enter(a)
			v.Judge(&o)
			v.Leave()
		})
		if n > budget {
			t.Errorf("%g allocations, want at most %g", n, budget)
		}
	}
	f(1, headed(200, "content-type: application/json", "request-id: r"))
	f(1, headed(200, keyLimits("1999000")...)) // the same as before
	f(5, headed(200, subscriptionLimits...))
}

func BenchmarkVisit(b *testing.B) {
	tr := health.NewTracker(nil)
	a := place(named("up"), "m")
	fine := headed(200, "content-type: application/json", "request-id: r")
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		var vitals engine.Vitals
		for p.Next() {
			tr.Look(a, time.Now(), &vitals)
			v := tr.Enter(a)
			v.Judge(&fine)
			v.Leave()
		}
	})
}
