package runtimes

import (
	"math/bits"
	"time"

	"sluice/engine"
	"sluice/engine/turn"
)

// spell is how long a call may run until it makes room for others. Nearly all end before; Go would take the processor from it after 10 ms.
const spell = 200 * time.Microsecond

// Clock is the time of one call. One goroutine uses it, at each look at the call's budget.
type Clock struct {
	began time.Time
	turn  time.Duration // since then, at which to make room for others
	seen  time.Duration // since then, at the end of the last look
	slow  uint8         // how often the steps until the next look are halved
}

// Start begins the time of a call.
func (c *Clock) Start(began time.Time) { *c = Clock{began: began, turn: spell} }

// Skip takes what has passed since a moment out of the call's time.
func (c *Clock) Skip(since time.Time) {
	c.began = c.began.Add(time.Since(since))
}

// Late reports whether the call has outlasted its time. A call that has kept others waiting lets them run first.
func (c *Clock) Late(b engine.Budget) bool {
	ran := time.Since(c.began)
	c.pace(ran - c.seen)
	c.seen = ran
	if ran > c.turn {
		turn.Yield()
		c.seen = time.Since(c.began)
		c.turn = c.seen + spell
	}
	return b.Time > 0 && ran > b.Time
}

// slowest is how often steps are halved at most: of a thousand one is left.
const slowest = 10

// pace takes in how long it was from one look to the next. Where that was longer than a turn the next one comes sooner.
func (c *Clock) pace(took time.Duration) {
	switch {
	case took > spell:
		c.slow = uint8(min(slowest, int(c.slow)+bits.Len64(uint64(took/spell))))
	case c.slow > 0 && took < spell/4:
		c.slow--
	}
}

// Ahead is how many steps, of so many at most, the call may take until it looks at its clock again: about as many as fit into a turn.
func (c *Clock) Ahead(most int64) int64 { return max(1, most>>c.slow) }

// Over is the moment at which a call's time is over, zero = there is none.
func (c *Clock) Over(b engine.Budget) time.Time {
	if b.Time <= 0 {
		return time.Time{}
	}
	return c.began.Add(b.Time)
}
