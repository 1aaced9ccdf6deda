package limits

import (
	"slices"
	"time"

	"sluice/engine"
)

// gone is a kind of which a key had limits of its own, and has none any more: what counted in them counts for its principal. Past tells what
// ended before it was asked for, and what runs on tells itself.
type gone struct {
	pending bool          // Past is to tell
	from    time.Duration // what ended before is told
	asked   time.Duration // when Missing was; 0 = it was not yet
	last    time.Duration // behind the end of the last that told itself
}

// replace notes of which kinds a key has limits of its own now.
func (t *tally) replace(kinds []Kind) {
	for _, k := range t.replaces {
		if slices.Contains(kinds, k) {
			continue
		}
		if t.gone == nil {
			t.gone = make(map[Kind]*gone)
		}
		if t.gone[k] == nil {
			t.gone[k] = &gone{}
		}
		t.gone[k].pending, t.gone[k].asked = true, 0
	}
	for _, k := range kinds {
		if g := t.gone[k]; g != nil {
			g.pending = false
		}
	}
	t.replaces = kinds
}

// lacks reports whether Past is to tell a limit that is not new what ended at a moment.
func (t *tally) lacks(k Kind, ended time.Duration) bool {
	g := t.gone[k]
	return g != nil && g.pending && g.from <= ended && ended < g.asked
}

// told notes that Past has told all.
func (t *tally) told() {
	for _, g := range t.gone {
		if g.pending {
			g.pending, g.from = false, max(g.asked, g.last)
		}
	}
}

// leaves reports whether a request that came while the key had limits of its own, and ends now, counts for its principal as well.
func (t *tally) leaves(k Kind, at time.Duration) bool {
	g := t.gone[k]
	switch {
	case g == nil, slices.Contains(t.replaces, k):
		return false
	case g.pending:
		return g.asked > 0 && at >= g.asked
	}
	return at >= g.from
}

// pool books a request in its principal's limits whose key had limits of its own when it came.
func (s *Set) pool(came, at time.Duration, b *engine.Booked) {
	for _, k := range s.replaced {
		if !s.own.leaves(k, at) {
			continue
		}
		for _, c := range s.shared.counters {
			if c.kind == k && c.used != nil && c.counts(at) {
				c.book(came, at, b)
			}
		}
		g := s.own.gone[k]
		g.last = at + 1
		if !g.pending {
			g.from = g.last
		}
	}
}
