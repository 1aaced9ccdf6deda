package turn

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	// young is for how long work takes turns with all other such work. What takes longer, or holds much, is done one after the other, as many at
	// a time as there are processors, so that what it holds is not held by all at once.
	young = 2 * time.Millisecond
	// crowd is how much work for one may wait until what comes behind it is done in its turn, young or not.
	crowd = 16
	// unmeasured is what counts, at most, of a time in which nobody knows how long the work had a processor.
	unmeasured = 2 * time.Millisecond
	// absent is how long who has a seat may be without a rest, until others may have it: it waits for something, or does not end.
	absent = 20 * time.Millisecond
)

// Seat is what long work needs to go on. There are as many as processors. Those whom the same work is for wait for one in one line, and the
// lines take turns. The zero value is that of work which has not taken long yet. One goroutine uses it.
type Seat struct {
	For string // whom the work is for; set it first

	more  Hold          // what the work holds, or is about to
	asked bool          // that goroutine has asked for it
	used  time.Duration // processor time of its thread, at the end of the last rest; 0 = it is not known
	wake  chan struct{} // has room for one

	ran   time.Duration // guarded by hall.mu
	turn  time.Duration // ran, since it got the seat; guarded by hall.mu
	taken bool          // guarded by hall.mu
	there bool          // who has taken it goes on: it was woken, and had a processor; guarded by hall.mu
	aged  bool          // it is no longer young; guarded by hall.mu
	holds Hold          // what it is to hold when it has a seat; guarded by hall.mu
	begun Hold          // what it held when it had one, since it aged; guarded by hall.mu
	seen  time.Time     // at the last rest; guarded by hall.mu
}

// Hold is how much memory work holds. Zero is Little.
type Hold int8

// How much work holds.
const (
	nothing Hold = iota // it has not begun
	Little
	Some
	Much
	Most
	levels
)

// midst is how much work may be in the midst of what it does, and wait, for more to come to hold as much.
var midst = [levels]int{Little: 128, Some: 128, Much: 4, Most: 1}

// hall is where the seats of this process are.
var hall seats

type seats struct {
	mu         sync.Mutex
	taken      []*Seat // guarded by mu
	young, old queue   // who waits; guarded by mu
	oldNext    bool    // the next seat is for old, if any waits; guarded by mu
	looks      bool    // somebody waits, and look is called some time; guarded by mu
}

// Hold is told what the work holds, or is about to. It reports whether it may: where it is more than before, and there is no seat, a Rest comes
// first.
func (s *Seat) Hold(h Hold) bool {
	if h <= s.more {
		return true
	}
	s.more, s.asked = h, true
	return hall.holds(s)
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
		hall.sit(s)
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
	s.ran, s.turn = s.ran+ran, s.turn+ran
	s.seen = time.Now()
	if s.taken && s.more <= s.holds && !h.wanted(s) {
		return true
	}
	h.wait(s)
	h.serve()
	if s.taken {
		<-s.wake
		s.there = true
		return true
	}
	h.watch()
	return false
}

// holds gives s a seat for what it is about to hold, if nobody waits for that, and reports whether it has one.
func (h *seats) holds(s *Seat) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting() > 0 || !s.taken && len(h.taken) == runtime.GOMAXPROCS(0) {
		return false
	}
	if s.age(); !s.taken {
		h.take(s)
	}
	s.there, s.begun, s.seen = true, s.holds, time.Now()
	return true
}

// sit is called by who was woken.
func (h *seats) sit(s *Seat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.there, s.seen = true, time.Now()
}

// waiting is how many wait. It is called with mu held.
func (h *seats) waiting() int { return h.young.len + h.old.len }

// wanted reports whether the seat of s is for others now: for who is young, or for somebody else's work. It is called with mu held.
func (h *seats) wanted(s *Seat) bool {
	return h.young.len > 0 || s.turn >= young && h.old.others(s.For)
}

// wait puts s in line. It is called with mu held.
func (h *seats) wait(s *Seat) {
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
	}
	h.free(s)
	if s.age(); !s.aged && h.old.long(s.For, crowd) {
		s.aged, s.begun = true, nothing
	}
	if s.aged {
		h.old.put(s)
	} else {
		h.young.put(s)
	}
}

// age has work be young no longer that takes long, or is to hold much. It is called with mu held.
func (s *Seat) age() {
	if s.holds = max(s.more, Little); !s.aged && (s.holds >= Much || s.ran >= young) {
		s.aged, s.begun = true, nothing
	}
}

func (h *seats) leave(s *Seat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.free(s)
	h.serve()
}

// free takes the seat of s, if it has one. It is called with mu held.
func (h *seats) free(s *Seat) {
	s.taken = false
	h.taken = slices.DeleteFunc(h.taken, func(other *Seat) bool { return other == s })
}

// serve gives free seats to those who wait. It is called with mu held.
func (h *seats) serve() {
	for h.waiting() > 0 && len(h.taken) < runtime.GOMAXPROCS(0) {
		from := &h.young
		if h.old.len > 0 && (h.oldNext || h.young.len == 0) {
			from = &h.old
		}
		h.oldNext = from == &h.young
		s := from.next()
		h.take(s)
		s.there, s.begun = false, s.holds
		s.wake <- struct{}{}
	}
}

// take gives s a seat that is free. It is called with mu held.
func (h *seats) take(s *Seat) {
	s.taken, s.turn = true, 0
	h.taken = append(h.taken, s)
}

// watch has seats looked after while somebody waits. It is called with mu held.
func (h *seats) watch() {
	if h.waiting() > 0 && !h.looks {
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
		if s.there && now.Sub(s.seen) > absent {
			h.free(s)
		}
	}
	h.serve()
	h.looks = false
	h.watch()
}
