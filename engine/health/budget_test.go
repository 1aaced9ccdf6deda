//go:build !race

package health_test

import (
	"fmt"
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
	f := func(budget float64, o engine.Outcome) {
		t.Helper()
		n := testing.AllocsPerRun(1000, func() {
			tr.Look(&a, time.Now())
			v := tr.Enter(a)
			v.Judge(&o)
			v.Leave()
		})
		if n > budget {
			t.Errorf("%g allocations, want at most %g", n, budget)
		}
	}
	f(2, headed(200, "content-type: application/json", "request-id: r"))
	f(2, headed(200, keyLimits("1999000")...)) // the same as before
	f(5, headed(200, subscriptionLimits...))
	tr.Look(&a, time.Now())
	if n := testing.AllocsPerRun(100, func() { tr.Look(&a, time.Now()) }); n > 0 {
		t.Errorf("%g allocations for what has not changed", n)
	}
}

// BenchmarkLook is what a request pays for the vitals of ten upstreams, one of which is used.
func BenchmarkLook(b *testing.B) {
	tr := health.NewTracker(nil)
	var all [10]engine.Account
	now := time.Now()
	for i := range all {
		all[i] = place(named(fmt.Sprint("up", i)), "m")
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n&1 == 0 {
			tr.Enter(all[3])
		}
		for i := range all {
			tr.Look(&all[i], now)
		}
	}
}

func BenchmarkVisit(b *testing.B) {
	tr := health.NewTracker(nil)
	a := place(named("up"), "m")
	fine := headed(200, "content-type: application/json", "request-id: r")
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			tr.Look(&a, time.Now())
			v := tr.Enter(a)
			v.Judge(&fine)
			v.Leave()
		}
	})
}
