package experiment_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/experiment"
)

// traffic sends 20,000 simulated requests of sessions through an experiment, and looks after every 200. Arm b prefers an upstream that is
// slower by so much. It returns the last look, and whether any look called a winner.
func traffic(t *testing.T, seed uint64, slower time.Duration) (last experiment.View, called bool) {
	r := newRig(t)
	r.load(arms(50, 50))
	rng := rand.New(rand.NewPCG(seed, 7))
	type session struct {
		choice engine.ArmChoice
		level  float64 // sessions differ
		cost   int64
	}
	sessions := make([]session, 4001)
	for i := range sessions {
		sessions[i] = session{r.live.Assign(request("alice", fmt.Sprint("s", i)), 0), 20 * rng.NormFloat64(), 1000 + int64(rng.IntN(500))}
	}
	for n := 1; n <= 20_000; n++ {
		s := &sessions[n/5-rng.IntN(min(n/5+1, 40))]
		ttfb := 100 + s.level + 30*rng.ExpFloat64()
		row := &engine.Record{Status: 200, Upstream: s.choice.Label, CostMicroUSD: s.cost}
		if s.choice.Arm == 1 {
			ttfb += float64(slower.Milliseconds())
		}
		if rng.IntN(50) == 0 {
			row.Status, row.CostMicroUSD = 529, 0
		}
		row.Timings.TTFB = time.Duration(ttfb * float64(time.Millisecond))
		r.live.Settle(s.choice, row)
		if n%200 == 0 {
			var err error
			last, err = r.book.View("tier")
			r.must(err)
			called = called || last.Winner != nil
		}
	}
	return last, called
}

func TestTheBetterArmIsCalled(t *testing.T) {
	v, called := traffic(t, 1, 20*time.Millisecond)
	if !called || v.Winner == nil || *v.Winner != "a" {
		t.Fatalf("the verdict is %q", v.Verdict)
	}
	for _, m := range v.Measures {
		if m.Name == "ttfb_seconds" && (*m.Low > 0.020 || *m.High < 0.020 || *m.Low < 0) {
			t.Errorf("arm b is said to take %.4f to %.4f seconds longer, and it takes 0.020", *m.Low, *m.High)
		}
		if m.Name != "ttfb_seconds" && m.Better != nil {
			t.Errorf("%s is said to be better in %s", *m.Better, m.Name)
		}
	}
}

func TestNoWinnerIsCalledWhereThereIsNone(t *testing.T) {
	wrong := 0
	for seed := range uint64(100) {
		if _, called := traffic(t, seed+1, 0); called {
			wrong++
		}
	}
	if wrong > 3 {
		t.Errorf("%d of 100 runs called a winner, want at most 3", wrong)
	}
}

func TestFewUnitsCallNoWinner(t *testing.T) {
	r := newRig(t)
	r.load(arms(50, 50))
	for i := range experiment.MinUnits { // about half of them have each arm, and differ by a second
		c := r.live.Assign(request("alice", fmt.Sprint("s", i)), 0)
		r.live.Settle(c, &engine.Record{Status: 200, Timings: engine.Timings{TTFB: time.Duration(c.Arm+1) * time.Second}})
	}
	v, err := r.book.View("tier")
	r.must(err)
	if want := "too few units to call a winner: each arm needs 100"; v.Winner != nil || v.Verdict != want || v.Measures[0].Low != nil {
		t.Errorf("the verdict is %q, want %q", v.Verdict, want)
	}
	if d := v.Measures[0].Difference; d == nil || math.Abs(*d) != 1 && math.Abs(*d) != 1000 {
		t.Errorf("the difference of the first measure is %v, want a second", d)
	}
}

func TestOneArmAloneDiffersFromNothing(t *testing.T) {
	r := newRig(t)
	r.load(arms(1, 0))
	r.live.Settle(r.live.Assign(request("alice", "s"), 0), &engine.Record{Status: 200, Timings: engine.Timings{TTFB: time.Second}})
	v, err := r.book.View("tier")
	r.must(err)
	for _, m := range v.Measures {
		if m.Difference != nil {
			t.Errorf("%s: the difference is %v, want none", m.Name, *m.Difference)
		}
	}
}

func TestWhatCountsAsAFailure(t *testing.T) {
	f := func(row engine.Record, want string) {
		t.Helper()
		r := newRig(t)
		r.load(arms(1, 0))
		r.live.Settle(r.live.Assign(request("alice", "s"), 0), &row)
		v, err := r.book.View("tier")
		r.must(err)
		got := "nothing"
		if m := v.Measures[1].Means[0]; m != nil {
			got = fmt.Sprint(m.Value)
		}
		if got != want {
			t.Errorf("status %d %s counts as %s, want %s", row.Status, row.Code, got, want)
		}
	}
	f(engine.Record{Status: 200}, "1")
	f(engine.Record{Status: 529}, "0")
	f(engine.Record{Status: 503, Code: engine.CodeNoUpstreamAfterFilter}, "0")
	f(engine.Record{Status: 429}, "0")
	f(engine.Record{Status: 403, Code: engine.CodeDeniedByFilter}, "0")
	f(engine.Record{Status: 400}, "nothing")
	f(engine.Record{Status: 499, Code: engine.CodeClientGone}, "nothing")
}

// judged is the view of arms that take so many seconds to the first byte, each with about 1,000 units.
func judged(t *testing.T, seconds ...float64) experiment.View {
	t.Helper()
	r := newRig(t)
	weights := make([]float64, len(seconds))
	for i := range weights {
		weights[i] = 1
	}
	r.load(arms(weights...))
	rng := rand.New(rand.NewPCG(1, 7))
	for i := range 1000 * len(seconds) {
		c := r.live.Assign(request("alice", fmt.Sprint("s", i)), 0)
		ttfb := seconds[c.Arm] + 0.1*rng.Float64()
		r.live.Settle(c, &engine.Record{Status: 200, Timings: engine.Timings{TTFB: time.Duration(ttfb * float64(time.Second))}})
	}
	v, err := r.book.View("tier")
	r.must(err)
	return v
}

func TestAWinnerIsBetterThanEachOtherArm(t *testing.T) {
	f := func(want string, seconds ...float64) {
		t.Helper()
		v := judged(t, seconds...)
		if won := v.Winner != nil; v.Verdict != want || won != strings.HasSuffix(want, " is better") {
			t.Errorf("arms that take %v s: %q, winner %v, want %q", seconds, v.Verdict, won, want)
		}
	}
	f("b is better", 2, 1)
	f("c is better", 3, 2, 1)
	f("b is better", 3, 1, 2)
	f("no difference that one could tell", 1, 1, 1)
	f("b is better than a, c is better than a", 2, 1, 1)
	f("a is better than b, c is better than b", 1, 2, 1)
}

func TestAnArmWithoutWeightKeepsNobodyFromWinning(t *testing.T) {
	r := newRig(t)
	r.load(arms(1, 1, 0))
	for i := range 1000 {
		c := r.live.Assign(request("alice", fmt.Sprint("s", i)), 0)
		r.live.Settle(c, &engine.Record{Status: 200, Timings: engine.Timings{TTFB: time.Duration(1+i%2+10*c.Arm) * time.Second}})
	}
	v, err := r.book.View("tier")
	r.must(err)
	if v.Verdict != "a is better" {
		t.Errorf("the verdict is %q", v.Verdict)
	}
	r.load(arms(1, 0))
	v, err = r.book.View("tier")
	r.must(err)
	if v.Winner == nil {
		t.Errorf("what had weight once is forgotten: %q", v.Verdict)
	}
}
