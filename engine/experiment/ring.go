package experiment

import (
	"sync/atomic"

	"sluice/engine"
)

const (
	// ringSize is how many decisions wait for their shadows at most. It is a power of two.
	ringSize = 256
	// ringBytes bounds the bodies of those that wait, which their requests have no more use for.
	ringBytes = 64 << 20
)

// ring hands decisions from many goroutines to one. Whoever puts one in takes no lock and allocates nothing: he claims a cell that was
// made before, and writes there. A cell's turn says whose it is: at turn n the nth put may write it, at n+1 it holds the nth decision.
type ring struct {
	cells [ringSize]cell
	tail  atomic.Uint64 // the next put
	head  uint64        // the next take; the reader's alone
	bytes atomic.Int64
}

type cell struct {
	turn atomic.Uint64
	job  job
}

// job is one decision and whose shadows are to decide it.
type job struct {
	decided engine.Decided
	live    *Live
}

func newRing() *ring {
	r := &ring{}
	for i := range r.cells {
		r.cells[i].turn.Store(uint64(i))
	}
	return r
}

// put adds a decision, and reports false where there is no room.
func (r *ring) put(d *engine.Decided, l *Live) bool {
	size := int64(len(d.Request.Body))
	if r.bytes.Add(size) > ringBytes {
		r.bytes.Add(-size)
		return false
	}
	for {
		n := r.tail.Load()
		c := &r.cells[n%ringSize]
		switch turn := c.turn.Load(); {
		case turn == n:
			if r.tail.CompareAndSwap(n, n+1) {
				c.job.decided, c.job.live = *d, l
				c.turn.Store(n + 1)
				return true
			}
		case turn < n: // what was put a whole round before is still there
			r.bytes.Add(-size)
			return false
		}
	}
}

// take moves the oldest decision out. It reports false where there is none.
func (r *ring) take(into *job) bool {
	c := &r.cells[r.head%ringSize]
	if c.turn.Load() != r.head+1 {
		return false
	}
	*into = c.job
	c.job = job{} // the request's body is garbage from now on
	c.turn.Store(r.head + ringSize)
	r.head++
	r.bytes.Add(-int64(len(into.decided.Request.Body)))
	return true
}
