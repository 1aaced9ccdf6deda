package health

import (
	"time"

	"sluice/engine"
)

// Vitals is what is known of an upstream for whatever request.
func (t *Tracker) Vitals(u *engine.Upstream, now time.Time) *engine.Vitals {
	return t.Look(&engine.Account{Upstream: u}, now)
}

// Look is what is known of an account.
func (t *Tracker) Look(a *engine.Account, now time.Time) *engine.Vitals {
	h := t.of(a.Upstream)
	of := h.account(a.Client)
	var at pace // set part by part: what is copied whole, right after it was written, waits for all writes before
	at.inFlight, at.queued, at.concurrency = int(h.inFlight.Load()), int(h.queued.Load()), a.Concurrency
	at.errorRate, at.ttfb, at.limits = h.errors.value(), time.Duration(h.ttfb.value()), of.limits.Load()
	if h.calm.Load() && of.cools.Load() == nil {
		return of.look(&at)
	}
	v := new(engine.Vitals)
	at.tell(v)
	if v.Cooling = of.cooling(a, now); v.Cooling.Class != "" {
		v.Cooldown = v.Cooling.Until.Sub(now)
	}
	h.mu.Lock()
	v.Breaker, v.Reopens = h.breaker.state(now), h.breaker.reopens(now)
	h.mu.Unlock()
	v.Healthy = (v.Cooling.Class == "" || v.Cooling.Soft) && v.Reopens == 0
	return v
}

// pace is all that is known of an account that does not cool, behind a breaker that is closed.
type pace struct {
	inFlight, queued, concurrency int
	errorRate                     float64
	ttfb                          time.Duration
	limits                        *limits // nil = none told
}

// glance is what somebody saw of an account at a pace.
type glance struct {
	limits *limits
	vitals engine.Vitals
}

// at reports whether it shows a pace.
func (g *glance) at(p *pace) bool {
	v := &g.vitals
	return v.InFlight == p.inFlight && v.TTFB == p.ttfb && g.limits == p.limits && v.ErrorRate == p.errorRate && v.Queued == p.queued && v.Concurrency == p.concurrency
}

// look is what is known at a pace: the same for all as long as nothing changes, which for most upstreams is long.
func (a *account) look(p *pace) *engine.Vitals {
	if last := a.last.Load(); last != nil && last.at(p) {
		return &last.vitals
	}
	g := &glance{limits: p.limits}
	p.tell(&g.vitals)
	a.last.Store(g)
	return &g.vitals
}

// tell makes v what is known at p.
func (p *pace) tell(v *engine.Vitals) {
	v.Healthy, v.Breaker = true, stateClosed
	v.InFlight, v.Queued, v.Concurrency = p.inFlight, p.queued, p.concurrency
	v.Full = p.concurrency > 0 && (p.inFlight >= p.concurrency || p.queued > 0)
	v.ErrorRate, v.TTFB = p.errorRate, p.ttfb
	if p.limits != nil {
		v.RateLimits, v.Quotas = p.limits.rates, p.limits.quotas
	}
}

func (a *account) cooling(of *engine.Account, now time.Time) engine.Cooling {
	if cs := a.cools.Load(); cs != nil {
		return cs.of(of, now)
	}
	return engine.Cooling{}
}
