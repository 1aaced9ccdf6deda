package main

import (
	"time"

	"sluice/engine"
	"sluice/engine/config"
	"sluice/engine/limits"
)

// remember books what was spent before this process, so that a restart opens no limit's window. It is called once a generation knows the
// limits, and before anybody is served.
func (g *gateway) remember(b *builder) error {
	longest := longestWindow(g.cfg)
	if longest == 0 {
		return nil
	}
	return g.book.Scan(time.Now().Add(-longest), func(r *engine.Record) bool {
		if spent(r) {
			b.spending.Past(limits.Past{Principal: r.Principal, Key: r.KeyID, Started: r.Started, Ended: r.Started.Add(r.Timings.Duration),
				Usage: r.Usage, CostMicroUSD: r.CostMicroUSD})
		}
		return true
	})
}

// spent reports whether a request counted: an upstream answered it with a success, or may have worked for a client that left.
func spent(r *engine.Record) bool {
	return len(r.Trace.Attempts) > 0 && (r.Status/100 == 2 || r.Code == engine.CodeClientGone)
}

// longestWindow is how far back any limit looks, 0 = there is none.
func longestWindow(cfg *config.Config) (longest time.Duration) {
	look := func(list []config.Limit) {
		for _, l := range list {
			longest = max(longest, l.Window)
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
