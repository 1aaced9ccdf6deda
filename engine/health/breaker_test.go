package health

import (
	"math/rand/v2"
	"testing"
	"time"

	"sluice/engine"
)

// oracle is a breaker that keeps everything that ever happened since it last closed, and works its state out from that.
type oracle struct {
	c        engine.Breaker
	outcomes []moment // while closed
	opened   time.Time
	open     bool
	probes   int // out
}

type moment struct {
	at    time.Time
	ok    bool
	doubt bool // the error rate was high before it
}

func (o *oracle) enter(now time.Time) (ok, probe bool) {
	if !o.open {
		return true, false
	}
	if now.Sub(o.opened) < o.c.Open || o.probes > 0 {
		return false, false
	}
	o.probes++
	return true, true
}

func (o *oracle) note(now time.Time, ok, probe, doubt bool) {
	switch {
	case probe && ok:
		*o = oracle{c: o.c}
	case probe:
		*o = oracle{c: o.c, open: true, opened: now}
	case !o.open:
		if o.outcomes = append(o.outcomes, moment{now, ok, doubt}); o.tripped(now) {
			*o = oracle{c: o.c, open: true, opened: now}
		}
	}
}

// tripped looks back over the run of failures that the outcomes end with. A run whose failures are all too old begins anew.
func (o *oracle) tripped(now time.Time) bool {
	start := len(o.outcomes)
	for start > 0 && !o.outcomes[start-1].ok {
		start--
	}
	var counted []moment
	for _, m := range o.outcomes[start:] {
		for len(counted) > 1 && m.at.Sub(counted[0].at) > o.c.Within {
			counted = counted[1:]
		}
		if len(counted) == 1 && m.at.Sub(counted[0].at) > o.c.Within {
			counted[0].at = time.Time{} // too old to count, but the run that it began goes on
		}
		counted = append(counted, m)
	}
	n := 0
	for _, m := range counted {
		if now.Sub(m.at) <= o.c.Within {
			n++
		}
	}
	need := o.c.Failures
	if o.outcomes[max(start, 0)%len(o.outcomes)].doubt && start < len(o.outcomes) {
		need *= 2
	}
	return start < len(o.outcomes) && n >= need
}

func (o *oracle) state(now time.Time) string {
	switch {
	case !o.open:
		return "closed"
	case now.Sub(o.opened) < o.c.Open:
		return "open"
	}
	return "half_open"
}

func TestABreakerDoesWhatItsModelDoes(t *testing.T) {
	const steps = 200_000
	rng := rand.New(rand.NewPCG(1, 2))
	c := engine.Breaker{Failures: 3, Within: 10 * time.Second, Open: 30 * time.Second}
	b, o, now := breaker{}, oracle{c: c}, time.Unix(1e9, 0)
	var out []bool // visits that are not over: whether each is the probe
	seen := map[string]int{}
	for step := range steps {
		switch op := rng.IntN(10); {
		case op < 3:
			ok, probe := b.enter(now)
			if wantOK, wantProbe := o.enter(now); ok != wantOK || probe != wantProbe {
				t.Fatalf("step %d: enter %v %v, want %v %v", step, ok, probe, wantOK, wantProbe)
			}
			if ok {
				out = append(out, probe)
			}
		case op < 8 && len(out) > 0:
			i := rng.IntN(len(out))
			probe := out[i]
			out = append(out[:i], out[i+1:]...)
			doubt := rng.IntN(5) == 0
			switch kind := rng.IntN(8); {
			case kind == 0 && probe:
				b.left(probe)
				o.probes--
			case kind < 3:
				b.worked(probe)
				o.note(now, true, probe, doubt)
			default:
				rate := 0.0
				if doubt {
					rate = 0.5
				}
				b.failed(c, now, probe, rate)
				o.note(now, false, probe, doubt)
			}
		default:
			now = now.Add(time.Duration(rng.IntN(8000)) * time.Millisecond)
		}
		if got, want := b.state(now), o.state(now); got != want {
			t.Fatalf("step %d: %s, want %s", step, got, want)
		}
		seen[b.state(now)]++
	}
	for _, state := range []string{"closed", "open", "half_open"} {
		if seen[state] < steps/50 {
			t.Errorf("%s in %d of %d steps: the walk does not go there", state, seen[state], steps)
		}
	}
}

func TestABreakerOpensAfterARunAndNotByChance(t *testing.T) {
	c := engine.Breaker{Failures: 5, Within: 10 * time.Second, Open: 30 * time.Second}
	f := func(what string, rate float64, every time.Duration, want int) {
		t.Helper()
		var b breaker
		now, n := time.Unix(1e9, 0), 0
		for n < 100 {
			n++
			if b.failed(c, now, false, rate) {
				break
			}
			now = now.Add(every)
		}
		if n != want {
			t.Errorf("%s: open after %d failures, want %d", what, n, want)
		}
	}
	f("a sound upstream", 0, time.Millisecond, 5)
	f("one that fails now and then", 0.2, time.Millisecond, 10)
	f("slowly, but within", 0, 2500*time.Millisecond, 5)
	f("too slowly", 0, 2501*time.Millisecond, 100)
}
