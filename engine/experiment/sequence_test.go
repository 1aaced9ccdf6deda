package experiment

import (
	"math/rand/v2"
	"testing"
)

// simulate feeds two arms with units of several requests, and looks after every 200. The second arm is better by effect. It returns the last
// interval, and whether any look decided.
func simulate(seed uint64, effect float64) (last Interval, decided bool) {
	rng := rand.New(rand.NewPCG(seed, 7))
	var arms [2]sample
	type unit struct {
		arm      int
		level    float64 // units differ
		requests int
		mean     float64
	}
	units := make([]*unit, 0, 4000)
	for request := 1; request <= 20_000; request++ {
		var u *unit
		if len(units) == 0 || rng.IntN(5) == 0 {
			u = &unit{arm: rng.IntN(2), level: rng.NormFloat64()}
			units = append(units, u)
		} else {
			u = units[len(units)-1-rng.IntN(min(len(units), 50))]
		}
		value := 100 + 10*u.level + 20*rng.NormFloat64() + effect*float64(u.arm)
		before := u.mean
		u.requests++
		u.mean += (value - u.mean) / float64(u.requests)
		arms[u.arm].replace(before, u.mean, u.requests == 1)
		if request%200 == 0 {
			last = compare(&arms[0], &arms[1], 3)
			decided = decided || last.Decided()
		}
	}
	return last, decided
}

func TestWithoutADifferenceNoneIsFound(t *testing.T) {
	wrong := 0
	for seed := range uint64(50) {
		if _, decided := simulate(seed+1, 0); decided {
			wrong++
		}
	}
	if wrong > 1 {
		t.Errorf("%d of 50 runs found a difference that is not there, want at most 1", wrong)
	}
}

func TestADifferenceIsFoundAndCovered(t *testing.T) {
	missed, uncovered := 0, 0
	for seed := range uint64(20) {
		last, decided := simulate(seed+1, 5)
		if !decided {
			missed++
		}
		if last.Low > 5 || last.High < 5 {
			uncovered++
		}
	}
	if missed > 0 || uncovered > 0 {
		t.Errorf("of 20 runs %d missed the difference, and the interval of %d does not cover it", missed, uncovered)
	}
}

func TestNothingIsSaidOfTooFewUnits(t *testing.T) {
	var a, b sample
	for range MinUnits {
		a.replace(0, 1, true)
		b.replace(0, 2, true)
		if got := compare(&a, &b, 3).Decided(); got != (a.units >= MinUnits) {
			t.Fatalf("with %d units each: decided is %v", a.units, got)
		}
	}
}

func TestWhatIsTheSameForAllDoesNotDifferByRounding(t *testing.T) {
	for n := MinUnits; n < 3000; n += 7 {
		var a, b sample
		for range n {
			a.replace(0, 0.000096, true)
		}
		for range n + 31 {
			b.replace(0, 0.000096, true)
		}
		if got := compare(&a, &b, 3); got.Decided() {
			t.Fatalf("%d units of the same cost and %d: %+v", n, n+31, got)
		}
	}
}

// canary sends 20,000 requests, of which the second arm has one in twenty, and looks after every 200. The arms fail this often.
func canary(seed uint64, fails [2]float64) (last Interval, decided bool) {
	rng := rand.New(rand.NewPCG(seed, 7))
	var arms [2]sample
	for request := 1; request <= 20_000; request++ {
		arm, value := 0, 1.0
		if rng.IntN(20) == 0 {
			arm = 1
		}
		if rng.Float64() < fails[arm] {
			value = 0
		}
		arms[arm].replace(0, value, true)
		if request%200 == 0 {
			last = compare(&arms[0], &arms[1], 3)
			decided = decided || last.Decided()
		}
	}
	return last, decided
}

func TestASmallShareIsJudgedByWhatIsRare(t *testing.T) {
	for _, fails := range []float64{0.001, 0.01, 0.05} {
		wrong := 0
		for seed := range uint64(100) {
			if _, decided := canary(seed+1, [2]float64{fails, fails}); decided {
				wrong++
			}
		}
		if wrong > 3 {
			t.Errorf("where %v of all fail, %d of 100 runs found a difference that is not there, want at most 3", fails, wrong)
		}
	}
	for seed := range uint64(20) {
		if last, decided := canary(seed+1, [2]float64{0.01, 0.1}); !decided || last.Low > -0.09 || last.High < -0.09 {
			t.Errorf("one in ten fails, in place of one in a hundred: decided is %v, %+v", decided, last)
		}
	}
}
