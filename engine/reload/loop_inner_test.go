package reload

import (
	"testing"
	"time"
)

// While somebody waits for a round that files being written hold up, the loop rests until one of them has settled or patience ends,
// whatever else is due to be built.
func TestWhoeverAsksMakesNoLoopThatSpins(t *testing.T) {
	now := time.Now()
	past := now.Add(-time.Minute)
	asked := timing{looked: now, held: true, waiting: make([]chan Outcome, 1), since: now}
	for what, due := range map[string]timing{"nothing": {}, "what was starved": {again: past}, "a change": {ripe: past, rested: past}} {
		l := &Loop{disk: newDisk(nil), timing: asked}
		l.options.Poll = time.Hour
		l.again, l.ripe, l.rested = due.again, due.ripe, due.rested
		if at := l.nextStep(); !at.Equal(now.Add(patience)) {
			t.Errorf("%s is due: the next step is %v after the last, want %v", what, at.Sub(now), patience)
		}
	}
}
