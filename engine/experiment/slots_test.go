package experiment

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func weightsOf(parts ...float64) []weight {
	out := make([]weight, len(parts))
	for i, p := range parts {
		out[i] = weight{string(rune('a' + i)), p}
	}
	return out
}

// arms is the arm of each of n units.
func (l *layout) arms(weights []weight, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = weights[l[hashOf("x", fmt.Sprint("unit-", i))%Slots]].arm
	}
	return out
}

func shares(arms []string) map[string]float64 {
	out := map[string]float64{}
	for _, a := range arms {
		out[a] += 1 / float64(len(arms))
	}
	return out
}

func TestOnlyTheShareThatMustMoveMoves(t *testing.T) {
	const units = 100_000
	f := func(before, after []weight) {
		t.Helper()
		var old, next layout
		old.from(nil, before)
		next.from(old.runs(before), after)
		was, is := old.arms(before, units), next.arms(after, units)
		moved := 0
		for i := range was {
			if was[i] != is[i] {
				moved++
			}
		}
		a, b := normal(before), normal(after)
		must := 0.0
		for arm, share := range b {
			must += max(0, share-a[arm])
			if got := shares(is)[arm]; math.Abs(got-share) > 0.01 {
				t.Errorf("%v to %v: arm %s has %.4f of the units, want %.4f", before, after, arm, got, share)
			}
		}
		if got := float64(moved) / units; math.Abs(got-must) > 0.01 {
			t.Errorf("%v to %v: %.4f of the units moved, want %.4f", before, after, got, must)
		}
	}
	f(weightsOf(50, 50), weightsOf(50, 50))
	f(weightsOf(50, 50), weightsOf(60, 40))
	f(weightsOf(50, 30, 20), weightsOf(30, 50, 20))
	f(weightsOf(50, 30, 20), weightsOf(30, 30, 40))
	f(weightsOf(1, 1, 1), weightsOf(1, 1))
	f(weightsOf(1, 1), weightsOf(1, 1, 1, 1))
	f(weightsOf(100, 0), weightsOf(0, 100))
	f(weightsOf(0, 100), weightsOf(1, 99))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		random := func() []weight {
			parts := make([]float64, 2+rng.IntN(6))
			for i := range parts {
				parts[i] = float64(rng.IntN(100))
			}
			parts[0]++
			return weightsOf(parts...)
		}
		f(random(), random())
	}
}

func normal(weights []weight) map[string]float64 {
	var total float64
	for _, w := range weights {
		total += w.parts
	}
	out := map[string]float64{}
	for _, w := range weights {
		out[w.arm] = w.parts / total
	}
	return out
}

func TestALayoutSurvivesTheDisk(t *testing.T) {
	var first, second layout
	first.from(nil, weightsOf(3, 2, 1))
	second.from(first.runs(weightsOf(3, 2, 1)), weightsOf(3, 2, 1))
	if first != second {
		t.Error("a layout is another one once it was written down")
	}
}

func TestASlotIsTheSameInEveryRelease(t *testing.T) {
	f := func(experiment, unit string, want int) {
		t.Helper()
		if got := int(hashOf(experiment, unit) % Slots); got != want {
			t.Errorf("unit %q of %q falls into slot %d, want %d", unit, experiment, got, want)
		}
	}
	f("tier", "", 3457)
	f("tier", "alice/s1", 8757)
	f("canary", "alice/s1", 8256)
}
