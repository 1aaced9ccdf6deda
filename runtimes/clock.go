package runtimes

import (
	"time"

	"sluice/engine"
)

// How a call that takes long shares the machine.
const (
	// firstTurn is how long a call may run before it makes room for others: nearly all end before.
	firstTurn = time.Millisecond
	// nextTurn is how long it may run from then on. Go would take the processor from it after 10 ms.
	nextTurn = 200 * time.Microsecond
)

// Clock is the time of one call. One goroutine uses it, at each look at the call's budget.
type Clock struct {
	began time.Time
	turn  time.Duration // since then, at which to make room for others
}

// Start begins the time of a call.
func (c *Clock) Start(began time.Time) { *c = Clock{began, firstTurn} }

// Skip takes what has passed since a moment out of the call's time.
func (c *Clock) Skip(since time.Time) {
	c.began = c.began.Add(time.Since(since))
}

// Late reports whether the call has outlasted its time. A call that has kept others waiting lets them run first.
func (c *Clock) Late(b engine.Budget) bool {
	ran := time.Since(c.began)
	if ran > c.turn {
		stepAside()
		c.turn = time.Since(c.began) + nextTurn
	}
	return b.Time > 0 && ran > b.Time
}

// Over is the moment at which a call's time is over, zero = there is none.
func (c *Clock) Over(b engine.Budget) time.Time {
	if b.Time <= 0 {
		return time.Time{}
	}
	return c.began.Add(b.Time)
}
