package health

import (
	"time"

	"sluice/engine"
)

// Weights of the newest answer in the running means.
const (
	errorWeight = 0.1
	ttfbWeight  = 0.2
)

// classBroke counts answers that broke off after their head.
const classBroke engine.FailureClass = "broke"

// visit is one attempt's place. Only its request's goroutine uses it.
type visit struct {
	tracker *Tracker
	host    *host
	account *account
	to      engine.Account
	probe   bool // it is the breaker's
	success int  // which of the breaker's its answer is, 0 = none
	broke   bool
	over    bool
}

// Enter takes a place at an account, nil = it cools, its breaker is open or it is full.
func (t *Tracker) Enter(a engine.Account) engine.Visit {
	h := t.of(a.Upstream)
	of := h.account(a.Client)
	if !h.take(a.Concurrency) {
		return nil
	}
	if v := t.admit(h.host, of, a); v != nil {
		return v
	}
	t.leave(h.host)
	return nil
}

// admit makes a visit of a place that was taken, nil = the account takes no request.
func (t *Tracker) admit(h *host, of *account, a engine.Account) *visit {
	if h.calm.Load() && of.cools.Load() == nil {
		return &visit{tracker: t, host: h, account: of, to: a}
	}
	now := time.Now()
	if c := of.cooling(&a, now); c.Class != "" && !c.Soft {
		return nil
	}
	ok, probe := h.enter(now)
	if !ok {
		return nil
	}
	return &visit{tracker: t, host: h, account: of, to: a, probe: probe}
}

// Judge notes what came of a round trip.
func (v *visit) Judge(o *engine.Outcome) engine.Verdict {
	verdict := Classify(o)
	if o.Err == nil {
		v.account.observe(o.Headers, o.Now)
		weight := ttfbWeight
		if v.host.ttfb.value() == 0 {
			weight = 1
		}
		v.host.ttfb.add(float64(o.TTFB), weight)
	}
	if verdict.Class != "" {
		v.host.count(verdict.Class)
	}
	switch {
	case verdict.Class == engine.ClassShortage: // the upstream was not asked
	case verdict.Class.Broken():
		v.failed(verdict.Class, o.Now)
	default:
		v.host.outcome(o.Status >= 500)
		v.worked(o.Now)
	}
	switch {
	case verdict.Cool.Class != "":
		v.cool(&verdict.Cool, o.Now)
	case o.Status/100 == 2 && v.account.cools.Load() != nil:
		v.account.recover(&v.to)
	}
	return verdict
}

// outcome moves the error rate. The first answers weigh as a plain mean, so that one failure at the start is not a tenth of a failure.
func (h *host) outcome(failed bool) {
	sample := 0.0
	if failed {
		sample = 1
	}
	h.answers.Add(1)
	h.errors.add(sample, h.weight())
}

// weight is that of the newest answer.
func (h *host) weight() float64 { return max(errorWeight, 1/float64(max(1, h.answers.Load()))) }

func (h *host) count(c engine.FailureClass) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failures == nil {
		h.failures = make(map[engine.FailureClass]int64)
	}
	h.failures[c]++
}

// worked tells the breaker that the upstream works, and begins a new count when that closed it.
func (v *visit) worked(now time.Time) {
	h := v.host
	h.mu.Lock()
	closed, success := h.breaker.worked(v.to.Breaker, now, v.probe)
	v.probe, v.success = v.probe && !closed, success
	if closed {
		h.calm.Store(true)
	}
	h.mu.Unlock()
	if closed {
		h.answers.Store(1)
		h.errors.reset()
		v.tracker.logf("upstream %s: it works again: breaker closed", v.to.Name)
	}
}

// failed tells the breaker of a failure, which takes the place of the success that its answer counted as before, if any: one that breaks
// off is told of twice.
func (v *visit) failed(why engine.FailureClass, now time.Time) {
	h := v.host
	if v.success > 0 {
		h.errors.raise(h.weight())
	} else {
		h.outcome(true)
	}
	h.mu.Lock()
	opened := h.breaker.failed(v.to.Breaker, now, v.probe, v.success)
	v.probe = v.probe && !opened
	h.calm.Store(h.breaker.calm())
	h.mu.Unlock()
	if opened {
		v.tracker.logf("upstream %s: breaker open for %v: %s", v.to.Name, v.to.Breaker.Open, why)
		v.tracker.dismiss(h)
	}
}

// cool leaves the account alone. c becomes what it cools by in the end, which an earlier refusal may have made longer.
func (v *visit) cool(c *engine.Cooling, now time.Time) {
	if v.to.Client == ([16]byte{}) {
		c.Account = v.to.Upstream.Account
	}
	r := rest{Cooling: *c}
	if c.Class == engine.ClassCredential {
		r.config = v.to.Upstream
	}
	v.tracker.cool(v.host, v.account, r, v.to.Name, now)
}

// cool leaves an account alone, and tells of it unless the same was told: of a soft rest where it is longer than the moment that any
// overload takes.
func (t *Tracker) cool(h *host, of *account, r rest, name string, now time.Time) {
	if !of.cool(r, now) || r.Soft && !r.Until.After(now.Add(softFor)) {
		return
	}
	t.logf("upstream %s: %s cools until %s: %s", name, r.String(), r.Until.UTC().Format(time.RFC3339), r.Class)
	if !r.Soft {
		t.dismiss(h)
	}
}

// cool adds a cool-down, and reports whether that is news.
func (a *account) cool(r rest, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	var cs coolings
	if old := a.cools.Load(); old != nil {
		cs = *old
	}
	next := cs.with(r, now)
	a.cools.Store(&next)
	return !cs.tell(r, now)
}

// recover ends what a success ends.
func (a *account) recover(of *engine.Account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.cools.Load()
	if old == nil {
		return
	}
	if next := old.worked(of, time.Now()); len(next) == 0 {
		a.cools.Store(nil)
	} else if len(next) < len(*old) {
		a.cools.Store(&next)
	}
}

// Broke notes that the answer broke off.
func (v *visit) Broke() {
	if v.broke || v.over {
		return
	}
	v.broke = true
	v.host.count(classBroke)
	v.failed(classBroke, time.Now())
}

// Leave gives the place back, once. A probe that told nothing lets another one go.
func (v *visit) Leave() {
	if v.over {
		return
	}
	v.over = true
	if v.probe {
		v.host.mu.Lock()
		v.host.breaker.left()
		v.host.mu.Unlock()
	}
	v.tracker.leave(v.host)
}
