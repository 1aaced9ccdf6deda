package main

import (
	"fmt"
	"time"

	"sluice/engine"
	"sluice/engine/config"
	"sluice/engine/health"
	"sluice/engine/limits"
)

// restsBack is how far back a start looks for cool-downs: as long as the shorter window of a subscription. One that began before shows in
// the later rows, among what their candidates were.
const restsBack = 5 * time.Hour

// tellsAfter is how long the past may take to read before that is told.
const tellsAfter = 2 * time.Second

// remember tells the limits that a build brought what was spent before them, in this process or an earlier one, and at the start who
// cools: neither a restart nor a changed config opens a window. It is called before the build's generation serves.
func (b *builder) remember(g *engine.Generation) error {
	if b.ledger == nil {
		return nil
	}
	now := time.Now()
	back, spenders := b.spending.Missing(now)
	rest := func(*engine.Record) {}
	if b.rests != nil {
		rest = restore(b.rests, g, now)
		back = max(back, restsBack)
	}
	if back == 0 {
		b.spending.Complete()
		return nil
	}
	defer time.AfterFunc(tellsAfter, func() {
		if b.warn != nil {
			b.warn(fmt.Errorf("ledger: reading the rows of the last %v, for limits and cool-downs", back))
		}
	}).Stop()
	err := b.ledger.Past(now.Add(-back), spenders, func(r *engine.Record) {
		b.spending.Past(pastOf(r))
		rest(r)
	})
	if err != nil {
		return err
	}
	b.rests = nil
	b.spending.Complete()
	return nil
}

// restore tells a tracker of what a row says about who cools. What clients with credentials of their own met is not told: it is theirs.
func restore(t *health.Tracker, g *engine.Generation, now time.Time) func(*engine.Record) {
	own := make(map[string]*engine.Upstream)
	for _, u := range g.Upstreams {
		if !u.ForwardsClient {
			own[u.Name] = u.Upstream
		}
	}
	tell := func(name string, c engine.Cooling) {
		if u := own[name]; u != nil {
			t.Restore(u, c, now)
		}
	}
	return func(r *engine.Record) {
		for _, c := range r.Trace.Candidates {
			tell(c.Name, c.Vitals.Cooling)
		}
		for _, a := range r.Trace.Attempts {
			tell(a.Upstream, a.Cooling)
		}
	}
}

func pastOf(r *engine.Record) limits.Past {
	return limits.Past{Principal: r.Principal, Key: r.KeyID, Came: r.Started, Ended: r.Started.Add(r.Timings.Duration), Booked: r.Booked}
}

// warnOfPast says of a limit that it cannot be rebuilt, where the ledger keeps less than its window. Nothing is wrong before a restart.
func (b *builder) warnOfPast(cfg *config.Config) {
	l := longestWindow(cfg)
	if b.warn == nil || l == nil || l.Window <= cfg.Ledger.Keep {
		return
	}
	b.warn(config.Error{File: b.name, Pos: l.Pos, Message: fmt.Sprintf(
		"warning: this limit looks back %v, and a restart rebuilds it from a ledger that keeps %v: want ledger.keep at least that long", l.Window, cfg.Ledger.Keep)})
}

// longestWindow is how far back any limit looks, and which one that is; nil = there is none.
func longestWindow(cfg *config.Config) (longest *config.Limit) {
	look := func(list []config.Limit) {
		for i := range list {
			if longest == nil || list[i].Window > longest.Window {
				longest = &list[i]
			}
		}
	}
	for i := range cfg.Principals {
		look(cfg.Principals[i].Limits)
		for _, k := range cfg.Principals[i].Keys {
			look(k.Limits)
		}
	}
	return longest
}
