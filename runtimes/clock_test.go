package runtimes

import (
	"runtime"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/turn"
)

// Where steps take long the next look comes after fewer of them, and after as many as before once they do not.
func TestTheNextLookComesSoonerWhereStepsTakeLong(t *testing.T) {
	var c Clock
	if n := c.Ahead(1000); n != 1000 {
		t.Errorf("%d steps until the first look, want 1000", n)
	}
	c.pace(100 * spell)
	if n := c.Ahead(1000); n < 1 || n > 10 {
		t.Errorf("%d steps until the next look, after a thousand that took a hundred turns, want at most 10", n)
	}
	for range 10 {
		c.pace(100 * spell)
	}
	if n := c.Ahead(1000); n != 1 {
		t.Errorf("%d steps until the next look, where each takes long, want 1", n)
	}
	for range slowest {
		c.pace(0)
	}
	if n := c.Ahead(1000); n != 1000 {
		t.Errorf("%d steps until the next look, after many that took no time, want 1000", n)
	}
}

// A large call waits until what others left is collected. That is none of its time as far as its patience goes, and no lack of memory.
func TestAWaitForACollectionIsNoWaitForMemory(t *testing.T) {
	const wait = 20 * time.Millisecond
	p := &Pool{collected: make(chan struct{})}
	memory, b := &Share{Pool: p}, engine.Budget{Time: time.Minute}
	began := time.Now()
	time.AfterFunc(wait, func() { close(p.collected) })
	var c Clock
	c.Start(began, nil)
	if c.Late(b, memory, large) {
		t.Fatal("the call is late")
	}
	if time.Since(began) < wait {
		t.Error("the call went on before the collection was done")
	}
	if waited := memory.Waited(); waited != 0 || c.seen >= wait {
		t.Errorf("%v of it are a wait for memory, and the call's time is %v, want neither", waited, c.seen)
	}
}

// forAlice is the watch of a call that is alone.
type forAlice struct{}

func (forAlice) Pause() bool          { return true }
func (forAlice) Resume(time.Duration) {}
func (forAlice) Principal() string    { return "alice" }
func (forAlice) Beside() int          { return 0 }

// A call whose top level has just run for it holds what that allocated, and goes on in the same seat.
func TestACallGoesOnInTheSeatOfItsTopLevel(t *testing.T) {
	var c Clock
	c.Start(time.Now(), forAlice{})
	if !c.seat.Hold(turn.Most) {
		t.Fatal("there is no seat")
	}
	for range runtime.GOMAXPROCS(0) - 1 {
		other := new(turn.Seat)
		defer other.Leave()
		other.Hold(turn.Most)
	}
	c.Keep()
	c.Stop()
	c.Start(time.Now(), forAlice{})
	var next turn.Seat
	if next.Hold(turn.Most) {
		t.Error("another has the seat")
	}
	next.Leave()
	c.Stop()
	if !next.Hold(turn.Most) {
		t.Error("the call has ended, and its seat is taken")
	}
	next.Leave()
}
