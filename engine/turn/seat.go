package turn

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	// young is for how long work takes turns with all other such work. What takes longer is done one after the other, as many at a time as
	// there are processors, so that what it holds is not held by all at once.
	young = 2 * time.Millisecond
	// unmeasured is what counts, at most, of a time in which nobody knows how long the work had a processor.
	unmeasured = 2 * time.Millisecond
	// absent is how long who has a seat may be without a rest, until others may have it: it waits for something, or does not end.
	absent = 20 * time.Millisecond
)

// Seat is what long work needs to go on. There are as many as processors; who waits for one is behind those who wait already. The zero value
// is that of work which has not taken long yet. One goroutine uses it.
type Seat struct {
	asked bool          // that goroutine has asked for it
	used  time.Duration // processor time of its thread, at the end of the last rest; 0 = it is not known
	wake  chan struct{} // has room for one

	ran   time.Duration // guarded by hall.mu
	taken bool          // guarded by hall.mu
	seen  time.Time     // at the last rest; guarded by hall.mu
}

// hall is where the seats of this process are.
var hall seats

type seats struct {
	mu         sync.Mutex
	taken      []*Seat // guarded by mu
	young, old []*Seat // that wait, the next one first; guarded by mu
	oldNext    bool    // the next seat is for old, if any waits; guarded by mu
	looks      bool    // somebody waits, and look is called some time; guarded by mu
}

// Rest lets others run, so long after the last rest, and returns when the work may go on. It tells for how long of that time the work had a
// processor, and how long it has waited since for others of this process. Where stays is true it does not wait for a seat.
func (s *Seat) Rest(passed time.Duration, stays bool) (ran, waited time.Duration) {
	ran = s.worked(passed)
	began := time.Now()
	pass()
	waited = time.Since(began)
	schedYield()
	if s.asked = s.asked || !stays; !stays && !hall.keeps(s, ran) {
		began = time.Now()
		<-s.wake
		waited += time.Since(began)
	}
	s.used = threadTime()
	return ran, waited
}

// worked is how much of a time since the last rest the work had a processor for. That of another thread says nothing of it, where it has
// changed threads since.
func (s *Seat) worked(passed time.Duration) time.Duration {
	now := threadTime()
	switch ran := now - s.used; {
	case now == 0:
		return passed
	case s.used == 0 || ran < 0 || ran > passed+slack:
		return min(passed, unmeasured)
	default:
		return min(passed, ran)
	}
}

// slack is by how much a thread's time may differ from what passed.
const slack = 100 * time.Microsecond

// Leave ends the work. It may be called again.
func (s *Seat) Leave() {
	if s.asked {
		s.asked = false
		hall.leave(s)
	}
}

// keeps reports whether s has a seat, or gets one at once. Otherwise it will be woken.
func (h *seats) keeps(s *Seat, ran time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.ran += ran
	s.seen = time.Now()
	if s.taken && len(h.young) == 0 {
		return true
	}
	h.wait(s)
	h.serve(s.seen)
	if s.taken {
		<-s.wake
		return true
	}
	h.watch()
	return false
}

// wait puts s in line. Old work that had a seat is the next to have one. It is called with mu held.
func (h *seats) wait(s *Seat) {
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
	}
	switch {
	case s.ran < young:
		h.young = append(h.young, s)
	case s.taken:
		h.old = slices.Insert(h.old, 0, s)
	default:
		h.old = append(h.old, s)
	}
	h.free(s)
}

func (h *seats) leave(s *Seat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.free(s)
	h.serve(time.Now())
}

// free takes the seat of s, if it has one. It is called with mu held.
func (h *seats) free(s *Seat) {
	s.taken = false
	h.taken = slices.DeleteFunc(h.taken, func(other *Seat) bool { return other == s })
}

// serve gives free seats to those who wait. It is called with mu held.
func (h *seats) serve(now time.Time) {
	for len(h.young)+len(h.old) > 0 && len(h.taken) < runtime.GOMAXPROCS(0) {
		line := &h.young
		if len(h.old) > 0 && (h.oldNext || len(h.young) == 0) {
			line = &h.old
		}
		h.oldNext = line == &h.young
		s := (*line)[0]
		*line = slices.Delete(*line, 0, 1)
		s.taken, s.seen = true, now
		h.taken = append(h.taken, s)
		s.wake <- struct{}{}
	}
}

// watch has seats looked after while somebody waits. It is called with mu held.
func (h *seats) watch() {
	if len(h.young)+len(h.old) > 0 && !h.looks {
		h.looks = true
		time.AfterFunc(absent, h.look)
	}
}

// look gives the seats of those who are absent to others.
func (h *seats) look() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for _, s := range slices.Clone(h.taken) {
		if now.Sub(s.seen) > absent {
			h.free(s)
		}
	}
	h.serve(now)
	h.looks = false
	h.watch()
}
