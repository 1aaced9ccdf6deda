package runtimes

import (
	"math/bits"
	"time"

	"sluice/engine"
	"sluice/engine/turn"
)

// spell is how long a call may run until it makes room for others. Nearly all end before; Go would take the processor from it after 10 ms.
const spell = 200 * time.Microsecond

// longSpell is how long it may run where others took the processor for long when it made room.
const longSpell = 2 * time.Millisecond

// Clock is the time that one call runs: what it waits for others is not in it. One goroutine uses it, at each look at the call's budget.
type Clock struct {
	seat turn.Seat
	kept bool // Stop leaves the seat to the call that begins next
	timing
}

// timing is what a Clock knows of one call.
type timing struct {
	watch engine.Watch  // who bounds it from outside; nil = nobody does
	sits  bool          // it takes a seat: it is for somebody's request. An observer's is not, and in line with all principals it would see few events
	began time.Time     // later by what it waited
	turn  time.Duration // since then, at which to make room for others
	seen  time.Duration // since then, at the end of the last look
	last  time.Duration // since then, when it made room; 0 = it has not
	away  time.Duration // for which other processes had its processor
	short time.Duration // for which it waited for memory: that is its own time
	crowd int           // how many calls ran beside it, at most
	slow  uint8         // how often the steps until the next look are halved
}

// Start begins the time of a call, which somebody may bound from outside, in the place of one that ran.
func (c *Clock) Start(began time.Time, watch engine.Watch) {
	if !c.kept {
		c.Stop()
		c.seat = turn.Seat{}
	}
	c.kept, c.timing = false, timing{watch: watch, began: began, turn: spell}
	if watch != nil {
		c.seat.For, c.crowd = watch.Principal(), watch.Beside()
		c.sits = c.seat.For != engine.GlobalPrincipal
	}
}

// Skip takes what has passed since a moment out of the call's time.
func (c *Clock) Skip(since time.Time) {
	c.began = c.began.Add(time.Since(since))
}

// Late reports whether the call, which allocated so many bytes in all, has outlasted its time. One that has kept others waiting lets them run
// first, and so does one that is about to hold some of all calls' memory, or much: while it waits for its turn it does not. A large one waits
// for what others have left to be collected.
func (c *Clock) Late(b engine.Budget, memory *Share, bytes int64) bool {
	ran := time.Since(c.began)
	c.pace(ran - c.seen)
	c.seen = ran
	waits := c.sits && !c.seat.Hold(memory.holds(bytes))
	collected := memory.uncollected(bytes)
	if (waits || collected != nil || ran > c.turn) && !c.rest(ran, b, memory, collected) {
		return true
	}
	return b.Time > 0 && c.seen > b.Time
}

// patience is for how long the call may be without a processor, nobody knows why: other processes may have that for engine.Patience times the
// call's time, and where many calls run it waits for those wherever it does not go on at once, for memory to be collected or for a lock. What
// is beyond that is taken for its own time, so that whoever waits for the call knows how long.
func (c *Clock) patience(b engine.Budget) time.Duration {
	if c.watch != nil {
		c.crowd = max(c.crowd, c.watch.Beside())
	}
	return engine.Patience*b.Time + time.Duration(c.crowd)*engine.CrewTurn
}

// rest lets others run, at a moment of the call, and waits for a collection. It reports false where nobody waits for the call any more.
func (c *Clock) rest(ran time.Duration, b engine.Budget, memory *Share, collected <-chan struct{}) bool {
	began := time.Now()
	if c.watch != nil && !c.watch.Pause() {
		return false
	}
	worked, waited := c.seat.Rest(ran-c.last, !c.sits)
	worked = min(worked+memory.Waited()-c.short, ran-c.last)
	patience := max(0, c.patience(b)-c.away)
	awaited := memory.await(collected, c.left(b)+patience)
	took := time.Since(began) - waited
	away := min(ran-c.last-worked+took, patience)
	if own := ran - c.last - worked + took - away; awaited > 0 {
		memory.waited += min(own, awaited) // so much of it is the call's own time
	}
	if c.away, c.short = c.away+away, memory.Waited(); c.watch != nil {
		c.watch.Resume(waited + away)
	}
	c.began = c.began.Add(waited + away)
	c.seen = time.Since(c.began)
	c.last, c.turn = c.seen, c.seen+min(max(spell, took/8), longSpell)
	return true
}

// left is how much of its time the call has, in which it may wait for memory.
func (c *Clock) left(b engine.Budget) time.Duration {
	if b.Time <= 0 {
		return memoryWait
	}
	return b.Time - c.seen
}

// Began is when the call would have begun, had it not waited.
func (c *Clock) Began() time.Time { return c.began }

// Keep has the call that Start begins next go on in the seat of this one: it holds what this one holds.
func (c *Clock) Keep() { c.kept = true }

// Stop ends the time of the call. It may be called again.
func (c *Clock) Stop() {
	if !c.kept {
		c.seat.Leave()
	}
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
