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

// An empty root is there, and what has no sum is not. A walk that finds nothing touched gives what was there.
func TestAWalkOfAnEmptyRootFindsSomething(t *testing.T) {
	root, nobody := t.TempDir(), func(string, string) {}
	first := scan(root, &Snapshot{}, nobody)
	if first.err != nil || first.sum == (&Snapshot{}).sum {
		t.Errorf("an empty root has the sum %x, %v", first.sum, first.err)
	}
	if again := scan(root, first, nobody); again != first {
		t.Error("a walk that finds nothing touched gives another snapshot")
	}
}
