package engine_test

import (
	"slices"
	"testing"

	"sluice/engine"
)

// pool is n candidates; change may set their weights and vitals.
func pool(n int, change func(i int, c *engine.UpstreamCandidate)) []engine.UpstreamCandidate {
	out := make([]engine.UpstreamCandidate, n)
	for i := range out {
		out[i] = engine.UpstreamCandidate{Upstream: &engine.Upstream{Weight: 1}, Vitals: &engine.Vitals{}}
		if change != nil {
			change(i, &out[i])
		}
	}
	return out
}

func strategy(t *testing.T, name string, seed uint64) engine.Strategy {
	t.Helper()
	s, err := engine.NewStrategy(name, seed)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name() != name {
		t.Errorf("strategy %q calls itself %q", name, s.Name())
	}
	return s
}

func picks(s engine.Strategy, kept []engine.UpstreamCandidate, n int, dry bool) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = s.Pick(&engine.Exchange{Dry: dry, Request: &engine.RequestContext{Seed: uint64(i)}}, kept)
	}
	return out
}

func TestStrategiesPickAsTheirNameSays(t *testing.T) {
	f := func(name string, kept []engine.UpstreamCandidate, want ...int) {
		t.Helper()
		if got := picks(strategy(t, name, 0), kept, len(want), false); !slices.Equal(got, want) {
			t.Errorf("%s picks %v, want %v", name, got, want)
		}
	}
	f("first-pick", pool(3, nil), 0, 0, 0)
	f("priority", pool(4, func(i int, c *engine.UpstreamCandidate) { c.Priority = []int{2, 1, 0, 0}[i] }), 2, 2)
	f("least-connections", pool(3, func(i int, c *engine.UpstreamCandidate) { c.InFlight = []int{5, 1, 1}[i] }), 1, 1)
	f("round-robin", pool(3, nil), 0, 1, 2, 0)
	f("round-robin", pool(3, func(i int, c *engine.UpstreamCandidate) { c.Weight = []int{2, 0, 1}[i] }), 0, 0, 2, 0, 0, 2)
	f("round-robin", pool(2, func(_ int, c *engine.UpstreamCandidate) { c.Weight = 0 }), 0, 1, 0)
}

func TestRandomIsReproducibleWeightedAndCoversAll(t *testing.T) {
	kept := pool(3, func(i int, c *engine.UpstreamCandidate) { c.Weight = []int{1, 0, 3}[i] })
	a, b := picks(strategy(t, "random", 7), kept, 4000, false), picks(strategy(t, "random", 7), kept, 4000, false)
	if !slices.Equal(a, b) {
		t.Error("the same seed picks otherwise")
	}
	var count [3]int
	for _, i := range a {
		count[i]++
	}
	if count[1] != 0 || count[0] < 850 || count[0] > 1150 {
		t.Errorf("4000 picks at weights 1, 0, 3 fall %v", count)
	}
}

// A shadow's pick is held against the one that served, and a replay may be asked for twice.
func TestADryRandomPickIsTheSameForTheSameRequest(t *testing.T) {
	s := strategy(t, "random", 0)
	for n := 1; n < 5; n++ {
		a, b := picks(s, pool(n, nil), 1000, true), picks(s, pool(n, nil), 1000, true)
		if !slices.Equal(a, b) {
			t.Fatalf("of %d, the same requests have others picked", n)
		}
		for i := range n {
			if !slices.Contains(a, i) {
				t.Errorf("of %d, number %d is never picked", n, i)
			}
		}
	}
}

func TestADryPickLeavesNoTrace(t *testing.T) {
	rr := strategy(t, "round-robin", 0)
	picks(rr, pool(3, nil), 1, false)
	if got := picks(rr, pool(3, nil), 3, true); !slices.Equal(got, []int{1, 1, 1}) {
		t.Errorf("dry picks %v, want the next turn each time", got)
	}
	a, b := strategy(t, "random", 7), strategy(t, "random", 7)
	picks(a, pool(5, nil), 10, true)
	if !slices.Equal(picks(a, pool(5, nil), 50, false), picks(b, pool(5, nil), 50, false)) {
		t.Error("dry picks moved the sequence")
	}
}

func TestAnUnknownStrategyIsRefused(t *testing.T) {
	if _, err := engine.NewStrategy("fastest", 0); err == nil {
		t.Error("strategy fastest was taken")
	}
}
