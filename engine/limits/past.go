package limits

import (
	"math"
	"slices"
	"time"

	"sluice/engine"
)

// Past is a request that ended, as the ledger tells of it.
type Past struct {
	Principal   string
	Key         string // the key's hash
	Came, Ended time.Time
	Booked      engine.Booked
}

// Missing begins to tell the limits that are new what was before them: it returns how far back that goes, 0 = no limit is new, and whose
// limits they are. Past is to be given every request of those principals that ended in that time and is in the ledger when Missing returns,
// and then Complete to be called, or Abandon where that fails. Meanwhile requests go on; each counts once.
func (b *Book) Missing(now time.Time) (back time.Duration, of map[string]bool) {
	at := b.at(now)
	of = make(map[string]bool)
	b.each(func(principal string, c *counter) {
		if !c.filling {
			return
		}
		if c.since == math.MaxInt64 {
			c.since = at
		}
		back, of[principal] = max(back, c.span+2*c.used.width), true
	})
	return back, of
}

// Past books a request in the limits that are new: in those of its key, and in its principal's of the kinds of which its key had none of its own
// when it came. A row from the future, by a clock that was set back since, counts as of the book's beginning: nothing may move a window ahead
// of its clock.
func (b *Book) Past(p Past) {
	b.tell(p, func(c *counter, came, ended time.Duration) {
		switch {
		case !c.filling, c.since > 0 && ended >= c.since:
		case c.since > 0:
			c.book(came, ended, &p.Booked)
		default:
			c.book(min(came, b.made), min(ended, b.made), &p.Booked)
		}
	})
}

// Late books a request that has just ended, and began when its principal had no limits: it held nothing of those that it has by now.
func (b *Book) Late(p Past) {
	b.tell(p, func(c *counter, came, ended time.Duration) {
		if c.counts(ended) {
			c.book(came, ended, &p.Booked)
		}
	})
}

// tell calls f for the counters that a request counts in.
func (b *Book) tell(p Past, f func(c *counter, came, ended time.Duration)) {
	b.mu.RLock()
	a := b.accounts[p.Principal]
	b.mu.RUnlock()
	if a == nil || !p.Booked.Counts {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	own := &tally{}
	if p.Key != "" {
		own = a.tally(p.Key)
	}
	counters(own, a.tally(""), p.Booked.Own, func(c *counter) { f(c, b.at(p.Came), b.at(p.Ended)) })
}

// Complete ends what Missing began.
func (b *Book) Complete() {
	b.each(func(_ string, c *counter) { c.filling = false })
	b.mu.Lock()
	b.running = true
	b.mu.Unlock()
}

// Abandon forgets the limits that are new: nobody serves by them, and their like will be new again.
func (b *Book) Abandon() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.accounts {
		a.mu.Lock()
		for _, t := range a.tallies {
			t.counters = slices.DeleteFunc(t.counters, func(c *counter) bool { return c.filling })
		}
		a.mu.Unlock()
	}
}

// each calls f for every counter that has a window.
func (b *Book) each(f func(principal string, c *counter)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, a := range b.accounts {
		a.mu.Lock()
		for _, t := range a.tallies {
			for _, c := range t.counters {
				if c.used != nil {
					f(name, c)
				}
			}
		}
		a.mu.Unlock()
	}
}
