package experiment

import (
	"sync"
	"sync/atomic"
	"time"

	"sluice/engine"
)

// counts are the figures of one arm, or of one shadow, for one version of its script and one config. They may be used by many goroutines.
type counts struct {
	key      string
	since    time.Time
	meter    *engine.Meter // calls of the script
	diverted atomic.Int64  // requests that another arm had because this one was put aside
	ttfb     engine.Meter  // a histogram: from a request's first byte to that of a successful answer

	mu      sync.Mutex
	total   outcome          // guarded by mu
	measure [measures]sample // guarded by mu
	units   units            // guarded by mu

	shadow shadowCounts
}

// outcome sums up what came of the requests of an arm.
type outcome struct {
	Requests  int64
	Statuses  [6]int64 // by class: [2] are 200 to 299
	Usage     engine.Usage
	CostMicro int64            // micro-dollars
	Upstreams map[string]int64 // who was asked last, "" = nobody
}

func newCounts(key string, unit engine.Unit, meter *engine.Meter) *counts {
	c := &counts{key: key, since: time.Now(), meter: meter}
	c.total.Upstreams = make(map[string]int64)
	c.units.once = unit == engine.UnitRequest
	return c
}

// What is compared between arms, for each of their units.
const (
	byTTFB    = iota // seconds to the first byte of a success
	bySuccess        // 1 = a success, 0 = a failure of the policy's side
	byCost           // dollars of a success
	measures
)

// Settle takes what came of a request.
func (l *Live) Settle(c engine.ArmChoice, r *engine.Record) { l.arms[c.Arm].settle(c.Unit, r) }

func (c *counts) settle(unit uint64, r *engine.Record) {
	success := r.Status/100 == 2
	if success {
		c.ttfb.Observe(r.Timings.TTFB)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.total
	t.Requests++
	if class := r.Status / 100; class < len(t.Statuses) {
		t.Statuses[class]++
	}
	t.Upstreams[r.Upstream]++
	t.use(r.Usage)
	t.CostMicro += r.CostMicroUSD
	u := c.units.get(unit)
	if success {
		c.measure[byTTFB].add(&u[byTTFB], r.Timings.TTFB.Seconds())
	}
	if success && r.CostMicroUSD > 0 {
		c.measure[byCost].add(&u[byCost], float64(r.CostMicroUSD)/1e6)
	}
	switch {
	case success:
		c.measure[bySuccess].add(&u[bySuccess], 1)
	case failed(r):
		c.measure[bySuccess].add(&u[bySuccess], 0)
	}
}

func (t *outcome) use(u engine.Usage) {
	t.Usage.InputTokens += u.InputTokens
	t.Usage.OutputTokens += u.OutputTokens
	t.Usage.CacheCreationInputTokens += u.CacheCreationInputTokens
	t.Usage.CacheReadInputTokens += u.CacheReadInputTokens
}

// failed reports whether a request had no success for reasons that a policy may have to do with: not those of the client.
func failed(r *engine.Record) bool {
	return r.Status >= 500 || r.Status == 429 || r.Code == engine.CodeDeniedByFilter
}

// running is one unit's mean of one measure.
type running struct {
	n    int
	mean float64
}

// add takes one more value of a unit.
func (s *sample) add(u *running, value float64) {
	before := u.mean
	u.n++
	u.mean += (value - before) / float64(u.n)
	s.replace(before, u.mean, u.n == 1)
}

// maxUnits is how many units each half of the memory holds: some four megabytes an arm.
const maxUnits = 1 << 15

// units remembers the means of an arm's latest units. One that was forgotten keeps its part in the figures; if it comes back it is taken
// for another.
type units struct {
	once   bool // none comes back
	seen   int
	recent map[uint64]*unit
	older  map[uint64]*unit // what was in recent when that was full
}

type unit [measures]running

func (us *units) get(id uint64) *unit {
	if us.once {
		us.seen++
		return new(unit)
	}
	if u := us.recent[id]; u != nil {
		return u
	}
	u := us.older[id]
	if u == nil {
		u = new(unit)
		us.seen++
	}
	if us.recent == nil || len(us.recent) >= maxUnits {
		us.older, us.recent = us.recent, make(map[uint64]*unit)
	}
	us.recent[id] = u
	return u
}
