package health

import (
	"time"

	"sluice/engine"
)

// The states of a breaker, as scripts see them.
const (
	stateClosed   = "closed"
	stateOpen     = "open"
	stateHalfOpen = "half_open"
)

// flaky is from which error rate on an upstream fails now and then: a run of failures must then be twice as long, so that chance does not
// make it.
const flaky = 0.05

// breaker keeps requests away from an upstream that does not work. It opens after a run of failures, and lets one request through, the
// probe, when it was open long enough: that one closes it, or opens it again. It is plain data: time comes from outside, and its owner
// locks.
type breaker struct {
	run     []time.Time // failures in a row that still count, oldest first
	need    int         // how long the run must be
	until   time.Time   // open until then; zero = closed
	probing bool        // the probe is out
}

// calm reports whether there is nothing to remember.
func (b *breaker) calm() bool { return b.until.IsZero() && len(b.run) == 0 }

// state names the state at a moment. After its time an open breaker is half open, whether or not a probe is out.
func (b *breaker) state(now time.Time) string {
	switch {
	case b.until.IsZero():
		return stateClosed
	case now.Before(b.until):
		return stateOpen
	}
	return stateHalfOpen
}

// enter reports whether a request may go, and whether it is the probe.
func (b *breaker) enter(now time.Time) (ok, probe bool) {
	switch {
	case b.until.IsZero():
		return true, false
	case b.probing || now.Before(b.until):
		return false, false
	}
	b.probing = true
	return true, true
}

// worked notes an answer of an upstream that works, and reports whether that closed the breaker. Who entered before it opened closes
// nothing.
func (b *breaker) worked(probe bool) bool {
	if !b.until.IsZero() && !probe {
		return false
	}
	closed := !b.until.IsZero()
	*b = breaker{run: b.run[:0]}
	return closed
}

// failed notes a failure and reports whether it opened the breaker. rate is the share of recent answers that failed before it.
func (b *breaker) failed(c engine.Breaker, now time.Time, probe bool, rate float64) bool {
	switch {
	case c.Failures == 0 || !b.until.IsZero() && !probe:
		return false
	case probe:
		b.probing, b.until = false, now.Add(c.Open)
		return true
	case len(b.run) == 0:
		b.need = c.Failures
		if rate > flaky {
			b.need *= 2
		}
	}
	old := 0
	for old < len(b.run) && now.Sub(b.run[old]) > c.Within {
		old++
	}
	b.run = append(append(b.run[:0], b.run[old:]...), now)
	if len(b.run) < b.need {
		return false
	}
	*b = breaker{until: now.Add(c.Open)}
	return true
}

// left gives the probe back that ended without telling anything.
func (b *breaker) left(probe bool) {
	if probe {
		b.probing = false
	}
}

// reopens is how long it keeps requests away, 0 = it does not.
func (b *breaker) reopens(now time.Time) time.Duration {
	switch {
	case b.until.IsZero():
		return 0
	case b.probing:
		return time.Second // as long as the probe takes, which nobody knows
	}
	return max(b.until.Sub(now), 0)
}
