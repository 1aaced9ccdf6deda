package turn

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// spin works for so long of processor time, with a rest each 100 us, and returns for how long that was by its own account.
func spin(s *Seat, long time.Duration) (ran, waited time.Duration) {
	for ran < long {
		began := time.Now()
		for time.Since(began) < 100*time.Microsecond {
		}
		r, w := s.Rest(time.Since(began), false)
		ran, waited = ran+r, waited+w
	}
	return ran, waited
}

// What takes long is done by as many at a time as there are processors: the others have not run meanwhile, by their own account.
func TestLongWorkIsDoneByFewAtATime(t *testing.T) {
	const all, long = 40, 10 * time.Millisecond
	var grown, most atomic.Int64 // work that is no longer young, and not done
	var wait sync.WaitGroup
	for range all {
		wait.Go(func() {
			var s Seat
			defer s.Leave()
			spin(&s, young+time.Millisecond)
			n := grown.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			spin(&s, long)
			grown.Add(-1)
		})
	}
	wait.Wait()
	// More than there are processors: who gave its seat to younger work has not ended, and who lost it to a busy machine.
	if n := most.Load(); n > all/2 {
		t.Errorf("%d of %d are in the middle of long work at a time, want few", n, all)
	}
}

// grow has work wait until it may hold so much.
func grow(s *Seat, h Hold) {
	if !s.Hold(h) {
		s.Rest(0, false)
	}
}

// Of work that holds much few are in the midst of it at a time, whomever it is for; what holds little takes turns beside that.
func TestFewHoldMuchAtATime(t *testing.T) {
	const all, long = 40, 10 * time.Millisecond
	var holding, most, done atomic.Int64
	var wait sync.WaitGroup
	for i := range all {
		wait.Go(func() {
			s := Seat{For: string(rune('A' + i))}
			defer s.Leave()
			spin(&s, time.Millisecond)
			grow(&s, Some)
			spin(&s, time.Millisecond)
			grow(&s, Much)
			n := holding.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			spin(&s, long)
			holding.Add(-1)
			done.Add(1)
		})
	}
	for holding.Load() == 0 {
		runtime.Gosched()
	}
	s := Seat{For: "alice"}
	spin(&s, young+time.Millisecond)
	s.Leave()
	if n := done.Load(); n > all/2 {
		t.Errorf("%d of %d that hold much are done before what holds little, want few", n, all)
	}
	wait.Wait()
	// More than few, and who has a seat: of who lost that to a busy machine nothing is known for a while.
	if n := most.Load(); n > all/2 {
		t.Errorf("%d of %d hold much at a time, want few", n, all)
	}
}

// Who has a seat and does not rest any more keeps nobody else from going on.
func TestWhoDoesNotRestLosesItsSeat(t *testing.T) {
	var stuck []*Seat
	for range runtime.GOMAXPROCS(0) {
		s := new(Seat)
		s.Rest(time.Millisecond, false)
		stuck = append(stuck, s)
	}
	var s Seat
	s.Rest(time.Millisecond, false) // waits for one
	s.Leave()
	for _, s := range stuck {
		s.Leave()
		s.Leave()
	}
	hall.mu.Lock()
	defer hall.mu.Unlock()
	if len(hall.taken)+hall.waiting() > 0 {
		t.Errorf("%d seats are taken, and %d wait, want none", len(hall.taken), hall.waiting())
	}
}

// Work that is young takes turns with work that has taken long, and does not wait until that is done.
func TestYoungWorkGoesBeforeOld(t *testing.T) {
	var over atomic.Bool
	var wait sync.WaitGroup
	var olds atomic.Int64
	for range 2 * runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			var s Seat
			defer s.Leave()
			s.Rest(2*young, false)
			olds.Add(1)
			for !over.Load() {
				spin(&s, time.Millisecond)
			}
		})
	}
	for olds.Load() < int64(runtime.GOMAXPROCS(0)) {
		runtime.Gosched()
	}
	var s Seat
	spin(&s, young-time.Millisecond) // hangs if it has to wait for one of those to end
	s.Leave()
	over.Store(true)
	wait.Wait()
}

// Work for one waits for its turn beside the work for another, however much of that there is.
func TestWorkForOthersTakesTurns(t *testing.T) {
	const all, long = 200, 5 * time.Millisecond
	var begun, done atomic.Int64
	var wait sync.WaitGroup
	for range all {
		wait.Go(func() {
			s := Seat{For: "mallory"}
			defer s.Leave()
			spin(&s, time.Millisecond)
			begun.Add(1)
			spin(&s, long)
			done.Add(1)
		})
	}
	for begun.Load() < 4*int64(runtime.GOMAXPROCS(0)) {
		runtime.Gosched()
	}
	before := done.Load()
	s := Seat{For: "alice"}
	spin(&s, long)
	s.Leave()
	if n := done.Load() - before; n > all/4 {
		t.Errorf("%d of %d for another were done meanwhile, want few", n, all)
	}
	wait.Wait()
}
