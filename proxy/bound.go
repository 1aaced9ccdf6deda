package proxy

import (
	"errors"
	"os"
	"time"
)

// bound is until when one direction of a connection may wait. The connection is told only by a transfer that has to wait, and only where it
// would wait too long: one that wakes too early looks at the clock and goes on waiting. So hardly any request sets a timer. Whoever
// reads, or writes, owns it.
type bound struct {
	set    func(time.Time) error // tells the connection
	due    time.Time             // zero = it may wait as long as it takes
	within time.Duration         // the time from the first wait to due, which is not known until then; 0 = due is known
	armed  time.Time             // what the connection was told: due, or some moment before it; zero = nothing
}

// until bounds the waits that follow by a moment, zero = not at all.
func (b *bound) until(due time.Time) { b.due, b.within = due, 0 }

// first bounds the waits that follow by a time that begins with the first of them, 0 = not at all.
func (b *bound) first(within time.Duration) { b.due, b.within = time.Time{}, within }

// arm is called before a wait.
func (b *bound) arm() {
	b.fix()
	if !b.due.IsZero() && (b.armed.IsZero() || b.due.Before(b.armed)) {
		b.tell()
	}
}

// early reports whether a transfer that ended with err was woken too early, and may wait on.
func (b *bound) early(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	if b.fix(); !b.due.IsZero() && !time.Now().Before(b.due) {
		return false
	}
	b.tell()
	return true
}

func (b *bound) fix() {
	if b.within > 0 {
		b.until(time.Now().Add(b.within))
	}
}

func (b *bound) tell() {
	b.armed = b.due
	_ = b.set(b.due)
}
