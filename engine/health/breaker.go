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

const (
	// flaky is from which error rate on an upstream fails now and then: a run of failures must then be twice as long, so that chance does
	// not make it.
	flaky = 0.05
	// rateKnown is how many answers it takes to know an error rate.
	rateKnown = 20
	// volume is how many times Breaker.Failures an upstream must have answered for its error rate alone to open the breaker.
	volume = 4
)

// breaker keeps requests away from an upstream that does not work. It opens after a run of failures, or when half of the answers of the
// last while were failures, and lets one request through, the probe, when it was open long enough: that one closes it, or opens it again.
// It is plain data: time comes from outside, and its owner locks.
type breaker struct {
	recent    window    // since it closed
	run       int       // failures in a row
	ended     int       // the run that the last success ended
	successes int       // since ever
	proof     int       // the one that closed it, 0 = none
	standing  int       // successes since it closed that were not taken back
	until     time.Time // open until then; zero = closed
	probing   bool      // the probe is out
}

// calm reports whether it is closed.
func (b *breaker) calm() bool { return b.until.IsZero() }

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

// worked notes an answer of an upstream that works, and reports whether that closed the breaker, or else which of its successes that is: 0 =
// none, for who entered before it opened closes nothing.
func (b *breaker) worked(c engine.Breaker, now time.Time, probe bool) (closed bool, success int) {
	switch {
	case b.until.IsZero():
		b.recent.note(c.Within, now, false)
		b.successes++
		b.standing++
		b.ended, b.run = b.run, 0
		return false, b.successes
	case probe:
		n := b.successes + 1
		*b = breaker{successes: n, proof: n, standing: 1}
		return true, n
	}
	return false, 0
}

// failed notes a failure and reports whether it opened the breaker. That of an answer which was a success before, 0 = none, takes that back:
// a run that it was the last to end goes on, and a breaker that it closed is open again where no other stands.
func (b *breaker) failed(c engine.Breaker, now time.Time, probe bool, success int) bool {
	if success > 0 && success >= b.proof {
		b.standing--
	}
	switch {
	case c.Failures == 0 || !b.until.IsZero() && !probe:
		return false
	case probe, success > 0 && success == b.proof && b.standing == 0:
		*b = breaker{until: now.Add(c.Open), successes: b.successes}
		return true
	}
	b.recent.note(c.Within, now, true)
	if success > b.proof { // any other counts in no window
		b.recent.forget(now)
	}
	if success > 0 && success == b.successes {
		b.run, b.ended = b.run+b.ended, 0
	}
	b.run++
	if !b.tripped(c, now) {
		return false
	}
	*b = breaker{until: now.Add(c.Open), successes: b.successes}
	return true
}

// tripped reports whether the answers of the last while, the latest of them a failure, are those of an upstream that does not work.
func (b *breaker) tripped(c engine.Breaker, now time.Time) bool {
	total, failed := b.recent.count(now)
	run, need := min(b.run, failed), c.Failures
	if before := total - run; before >= rateKnown && float64(failed-run) > flaky*float64(before) {
		need *= 2
	}
	return run >= need || total >= volume*c.Failures && 2*failed >= total
}

// left gives the probe back that ended without telling anything.
func (b *breaker) left() { b.probing = false }

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

// windowParts is in how many parts a window is counted: what is older than it goes a part at a time.
const windowParts = 10

// window counts the answers of the last while. Its parts are counted from its first answer on, so that no clock that is set moves them.
type window struct {
	start time.Time
	width time.Duration // of a part
	parts [windowParts]struct {
		number        int64
		total, failed int
	}
}

// note counts an answer. A window of another length is a new one.
func (w *window) note(within time.Duration, now time.Time, failed bool) {
	if width := max(1, within/windowParts); width != w.width {
		*w = window{start: now, width: width}
	}
	number := w.number(now)
	p := &w.parts[number%windowParts]
	if p.number != number {
		p.number, p.total, p.failed = number, 0, 0
	}
	p.total++
	if failed {
		p.failed++
	}
}

// forget takes a success back, if there is one in the part that a moment is in.
func (w *window) forget(now time.Time) {
	if p := &w.parts[w.number(now)%windowParts]; p.total > p.failed {
		p.total--
	}
}

// count is how many answers there were, and how many of them were failures.
func (w *window) count(now time.Time) (total, failed int) {
	number := w.number(now)
	for i := range w.parts {
		if p := &w.parts[i]; p.number > number-windowParts && p.number <= number {
			total, failed = total+p.total, failed+p.failed
		}
	}
	return total, failed
}

// number is that of the part a moment is in. Who is judged with an older moment than the first is in the first.
func (w *window) number(now time.Time) int64 { return max(0, int64(now.Sub(w.start)/w.width)) }
