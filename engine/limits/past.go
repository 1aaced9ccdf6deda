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

// Missing begins to tell the limits that are new what was before them, and those of a principal what counted in limits of a key that are gone:
// it returns how far back that goes, 0 = nothing is new, and whose limits they are. Past is to be given every request of those principals that
// ended in that time and is in the ledger when Missing returns, and then Complete to be called, or Abandon where that fails: by one goroutine
// at a time. Meanwhile requests go on; each counts once.
func (b *Book) Missing(now time.Time) (back time.Duration, of map[string]bool) {
	b.asked, b.extra, of = b.at(now), make(map[*counter]*counter), make(map[string]bool)
	b.each(func(principal string, a *account, c *counter) {
		if !c.filling && !a.lacks(c, b.asked) {
			return
		}
		if c.since == math.MaxInt64 {
			c.since = b.asked
		}
		back, of[principal] = max(back, c.span+2*c.used.width), true
	})
	return back, of
}

// lacks reports whether c is the principal's and of a kind that some key has no limits of its own of any more, of which Past is to tell.
func (a *account) lacks(c *counter, asked time.Duration) (lacks bool) {
	if !slices.Contains(a.tally("").counters, c) {
		return false
	}
	for _, t := range a.tallies {
		if g := t.gone[c.kind]; g != nil && g.pending {
			g.asked, lacks = asked, true
		}
	}
	return lacks
}

// Past books a request in the limits that are new: in its principal's where its key had none of its own of that kind, or has none now and is
// still there.
func (b *Book) Past(p Past) {
	b.tell(p, func(own, shared *tally, came, ended time.Duration) {
		for _, c := range own.counters {
			b.fill(c, came, ended, &p.Booked)
		}
		for _, c := range shared.counters {
			switch apart := isOf(p.Booked.Own, c.kind); {
			case apart && (!own.known || slices.Contains(own.replaces, c.kind)):
			case c.filling:
				b.fill(c, came, ended, &p.Booked)
			case apart && own.lacks(c.kind, ended):
				b.add(c, came, ended, &p.Booked)
			}
		}
	})
}

// add has Complete book a request in a limit that others go by.
func (b *Book) add(c *counter, came, ended time.Duration, booked *engine.Booked) {
	if c.used == nil {
		return
	}
	if b.extra[c] == nil {
		b.extra[c] = &counter{kind: c.kind, span: c.span, used: newWindow(c.span)}
	}
	b.extra[c].book(came, ended, booked)
}

// fill books a request in a limit that is new, if no request tells of it itself. A row from the future, by a clock that was set back since,
// counts as of the book's beginning: nothing may move a window ahead of its clock.
func (b *Book) fill(c *counter, came, ended time.Duration, booked *engine.Booked) {
	switch {
	case !c.filling, c.since > 0 && ended >= c.since:
	case c.since > 0:
		c.book(came, ended, booked)
	default:
		c.book(min(came, b.made), min(ended, b.made), booked)
	}
}

// Late books a request that has just ended, and began when its principal had no limits: it held nothing of those that it has by now.
func (b *Book) Late(p Past) {
	b.tell(p, func(own, shared *tally, came, ended time.Duration) {
		counters(own, shared, own.replaces, func(c *counter) {
			if c.counts(ended) {
				c.book(came, ended, &p.Booked)
			}
		})
	})
}

// tell calls f with what a request's key and its principal have spent.
func (b *Book) tell(p Past, f func(own, shared *tally, came, ended time.Duration)) {
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
	f(own, a.tally(""), b.at(p.Came), b.at(p.Ended))
}

// Complete ends what Missing began.
func (b *Book) Complete() {
	b.each(func(_ string, _ *account, c *counter) { c.filling = false })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = true
	for _, a := range b.accounts {
		a.mu.Lock()
		for _, c := range a.tally("").counters {
			if extra := b.extra[c]; extra != nil {
				c.used.merge(extra.used)
			}
		}
		for _, t := range a.tallies {
			t.told()
		}
		a.mu.Unlock()
	}
	b.extra = nil
}

// Abandon forgets the limits that are new: nobody serves by them, and their like will be new again.
func (b *Book) Abandon() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.extra = nil
	for _, a := range b.accounts {
		a.mu.Lock()
		for _, t := range a.tallies {
			t.counters = slices.DeleteFunc(t.counters, func(c *counter) bool { return c.filling })
			for _, g := range t.gone {
				g.asked = 0
			}
		}
		a.mu.Unlock()
	}
}

// each calls f for every counter that has a window.
func (b *Book) each(f func(principal string, a *account, c *counter)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, a := range b.accounts {
		a.mu.Lock()
		for _, t := range a.tallies {
			for _, c := range t.counters {
				if c.used != nil {
					f(name, a, c)
				}
			}
		}
		a.mu.Unlock()
	}
}
