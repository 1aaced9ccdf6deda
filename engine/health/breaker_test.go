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
	first    time.Time
	opened   time.Time
	open     bool
	why      string // it was opened, of the first time
	probes   int    // out
}

type moment struct {
	part int64 // of ten in Within
	ok   bool
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

func (o *oracle) note(now time.Time, ok, probe bool) {
	switch {
	case probe && ok:
		*o = oracle{c: o.c}
	case probe:
		*o = oracle{c: o.c, open: true, opened: now}
	case !o.open:
		if len(o.outcomes) == 0 {
			o.first = now
		}
		o.outcomes = append(o.outcomes, moment{int64(now.Sub(o.first) / (o.c.Within / 10)), ok})
		if why := o.tripped(); !ok && why != "" {
			*o = oracle{c: o.c, open: true, opened: now, why: why}
		}
	}
}

// tripped looks back over what happened within the while that ends with the latest, and says by which rule that opens the breaker.
func (o *oracle) tripped() string {
	latest := o.outcomes[len(o.outcomes)-1].part
	total, failed, run, running := 0, 0, 0, true
	for i := len(o.outcomes) - 1; i >= 0 && o.outcomes[i].part > latest-10; i-- {
		total++
		running = running && !o.outcomes[i].ok
		if !o.outcomes[i].ok {
			failed++
		}
		if running {
			run++
		}
	}
	older := float64(failed-run) / float64(total-run)
	switch sometimes := total-run >= 20 && older > 0.05; {
	case run >= 2*o.c.Failures, run >= o.c.Failures && !sometimes:
		return "run"
	case total >= 4*o.c.Failures && failed*2 >= total:
		return "rate"
	}
	return ""
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
	c := engine.Breaker{Failures: 5, Within: 10 * time.Second, Open: 30 * time.Second}
	b, o, now := breaker{}, oracle{c: c}, time.Unix(1e9, 0)
	var out []bool // visits that are not over: whether each is the probe
	seen, failing := map[string]int{}, 0
	for step := range steps {
		if step%100 == 0 { // the upstream is well, or ill, or in between, for a time
			failing = rng.IntN(10)
		}
		switch op := rng.IntN(20); {
		case op < 9:
			ok, probe := b.enter(now)
			if wantOK, wantProbe := o.enter(now); ok != wantOK || probe != wantProbe {
				t.Fatalf("step %d: enter %v %v, want %v %v", step, ok, probe, wantOK, wantProbe)
			}
			if ok {
				out = append(out, probe)
			}
		case op < 18 && len(out) > 0:
			i := rng.IntN(len(out))
			probe := out[i]
			out = append(out[:i], out[i+1:]...)
			switch {
			case probe && rng.IntN(5) == 0:
				b.left()
				o.probes--
			case rng.IntN(10) < failing:
				b.failed(c, now, probe, 0)
				o.note(now, false, probe)
			default:
				b.worked(c, now, probe)
				o.note(now, true, probe)
			}
		default:
			now = now.Add(time.Duration(rng.IntN(1<<rng.IntN(14))) * time.Millisecond)
		}
		if got, want := b.state(now), o.state(now); got != want {
			t.Fatalf("step %d: %s, want %s", step, got, want)
		}
		seen[b.state(now)]++
		seen[o.why]++
	}
	for _, what := range []string{"run", "rate"} {
		if seen[what] == 0 {
			t.Errorf("it never opened for a %s", what)
		}
	}
	for _, state := range []string{"closed", "open", "half_open"} {
		if seen[state] < steps/50 {
			t.Errorf("%s in %d of %d steps: the walk does not go there", state, seen[state], steps)
		}
	}
}

func TestABreakerOpensAfterARunAndNotByChance(t *testing.T) {
	c := engine.Breaker{Failures: 5, Within: 10 * time.Second, Open: 30 * time.Second}
	f := func(what string, sound, oneIn int, every time.Duration, want int) {
		t.Helper()
		var b breaker
		now, n := time.Unix(1e9, 0), 0
		for i := range sound {
			if oneIn > 0 && i%oneIn == 0 {
				b.failed(c, now, false, 0)
			} else {
				b.worked(c, now, false)
			}
		}
		b.worked(c, now, false)
		for n < 100 {
			n++
			if b.failed(c, now, false, 0) {
				break
			}
			now = now.Add(every)
		}
		if n != want {
			t.Errorf("%s: open after %d failures, want %d", what, n, want)
		}
	}
	f("a sound upstream", 1000, 0, time.Millisecond, 5)
	f("one that nobody knows", 0, 0, time.Millisecond, 5)
	f("one that fails now and then", 1000, 5, time.Millisecond, 10)
	f("slowly, but within", 0, 0, 2*time.Second, 5)
	f("too slowly", 0, 0, 3*time.Second, 100)
}

// TestABreakerOpensByTheErrorRate: failures that are never in a row open it as well, once there were enough answers to tell.
func TestABreakerOpensByTheErrorRate(t *testing.T) {
	c := engine.Breaker{Failures: 5, Within: 10 * time.Second, Open: 30 * time.Second}
	f := func(what string, fails, of int, every time.Duration, want int) {
		t.Helper()
		var b breaker
		now, n := time.Unix(1e9, 0), 0
		for n < 1000 {
			n++
			if n%of >= fails {
				b.worked(c, now, false)
			} else if b.failed(c, now, false, 0) {
				break
			}
			now = now.Add(every)
		}
		if n != want {
			t.Errorf("%s: open after %d answers, want %d", what, n, want)
		}
	}
	f("every second", 1, 2, time.Millisecond, 20)
	f("two of three", 2, 3, time.Millisecond, 21)
	f("one in three", 1, 3, time.Millisecond, 1000)
	f("every second, too slowly to tell", 1, 2, 600*time.Millisecond, 1000)
}
