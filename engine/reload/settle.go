package reload

import (
	"maps"
	"time"
)

const (
	// still is how long a file that was written must stand still.
	still = 25 * time.Millisecond
	// absent is how long a file must be gone: it serves on anyway, and another is put in its place, mostly.
	absent = 250 * time.Millisecond
	// grace is how long a file that appeared whole must stay untouched: an editor that creates a file writes to it within that time.
	grace = 3 * time.Millisecond
	// hold is how long to listen, after a file was read, for the event of a write that had begun before.
	hold = 2 * time.Millisecond
)

// mark is what is known of a path that was touched.
type mark struct {
	due      time.Time // from when on it counts as settled, if nothing more happens
	appeared time.Time // when it appeared whole, zero = it was written, or who knows
	sighted  bool      // noticed by reading, with no event
	seen     [32]byte  // what was read then
}

// marks are kept by real path until a look has taken them into account.
type marks map[string]mark

// settled reports whether now, which differs from old, may be used; to read it was begun at read. It may be used where an event told of
// the change and nothing followed, where another link leads to another file, or where it was read twice, the same, with time between.
func (m marks) settled(old, now *file, read time.Time) bool {
	k, marked := m[now.real]
	wait := still
	if now.missing() {
		wait = absent
	}
	switch {
	case !marked && !old.missing() && !now.missing() && old.real != now.real:
		return true
	case !marked || k.sighted && k.seen != now.sum:
		m[now.real] = mark{due: time.Now().Add(wait), sighted: true, seen: now.sum}
		return false
	case k.due.After(read):
		return false
	case k.young(now, read):
		m[now.real] = mark{due: now.written.Add(still)}
		return false
	}
	return true
}

// young reports a file whose own time says that it was written just now: the event of that may be late. A time ahead of ours by more
// than a second is that of another clock.
func (k mark) young(now *file, read time.Time) bool {
	age := read.Sub(now.written)
	return -time.Second < age && age < still && (k.appeared.IsZero() || now.written.After(k.appeared))
}

// taken forgets what had settled when a look began to read.
func (m marks) taken(read time.Time) {
	maps.DeleteFunc(m, func(_ string, k mark) bool { return !k.due.After(read) })
}

// next is when the first mark falls due, or late where there is none.
func (m marks) next(late time.Time) time.Time {
	for _, k := range m {
		if k.due.Before(late) {
			late = k.due
		}
	}
	return late
}
