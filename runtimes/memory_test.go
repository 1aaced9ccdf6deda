package runtimes_test

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/runtimes"
)

const mib = 1 << 20

func pool(limit int64) *runtimes.Pool {
	p := new(runtimes.Pool)
	p.SetLimit(limit)
	return p
}

func TestASmallCallTakesNothingOfWhatAllShare(t *testing.T) {
	p := pool(mib)
	s := runtimes.Share{Pool: p}
	if allocs := testing.AllocsPerRun(100, func() {
		for n := int64(0); n <= 64<<10; n += 1 << 10 {
			if err := s.Cover(n, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
	}); allocs != 0 || p.Used() != 0 {
		t.Errorf("%v allocations, %d bytes", allocs, p.Used())
	}
}

func TestWhatACallHoldsIsCountedAndGivenBack(t *testing.T) {
	p := pool(4 * mib)
	s := runtimes.Share{Pool: p}
	for n := int64(0); n <= 3*mib; n += 777 {
		if err := s.Cover(n, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if held := p.Used(); held+64<<10 < n || held > n {
			t.Fatalf("a call that allocated %d bytes holds %d", n, held)
		}
	}
	s.Free()
	s.Free()
	if p.Used() != 0 {
		t.Errorf("%d bytes are held by nobody", p.Used())
	}
}

func TestACallWaitsForMemoryAsLongAsItHasTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool(2 * mib)
		big, other := runtimes.Share{Pool: p}, runtimes.Share{Pool: p}
		if err := big.Cover(2*mib, time.Time{}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err := other.Cover(mib, start.Add(50*time.Millisecond))
		if err == nil || !strings.Contains(err.Error(), "budgets.total_memory: 2.0 MiB") || time.Since(start) != 50*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		time.AfterFunc(20*time.Millisecond, big.Free)
		start = time.Now()
		if err := other.Cover(mib, start.Add(50*time.Millisecond)); err != nil || time.Since(start) != 20*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		start = time.Now()
		if err := other.Cover(3*mib, start.Add(50*time.Millisecond)); err == nil || time.Since(start) != 0 {
			t.Errorf("more than there is at all: %v after %v", err, time.Since(start))
		}
		other.Free()
	})
}

// Calls that hold all there is, and all wait for more, do not sit out their time: one after the other gives up until the rest has enough.
func TestCallsThatWaitForEachOtherDoNotAllFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool(4 * mib)
		start := time.Now()
		var failed atomic.Int64
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				s := runtimes.Share{Pool: p}
				defer s.Free()
				for n := int64(mib / 4); n <= 3*mib; n += mib / 4 {
					if err := s.Cover(n, start.Add(time.Second)); err != nil {
						if !strings.Contains(err.Error(), "budgets.total_memory: 4.0 MiB") {
							t.Error(err)
						}
						failed.Add(1)
						return
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		all.Wait()
		if n := failed.Load(); n == 0 || n == 10 || time.Since(start) >= time.Second {
			t.Errorf("%d of 10 calls failed, after %v", n, time.Since(start))
		}
		if p.Used() != 0 || p.Waiting() != 0 {
			t.Errorf("%d bytes held, %d calls waiting", p.Used(), p.Waiting())
		}
	})
}

// Of calls that hold all there is, and all wait for more, the one gives up that holds most, whichever came first; before it one that there would
// never be enough for, beside what a top level left.
func TestTheCallThatHoldsMostGivesUp(t *testing.T) {
	type waits struct{ holds, wants int64 } // MiB
	f := func(goesOn, givesUp waits, goesOnFirst bool) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			p := pool(16 * mib)
			if err := runtimes.NewStock(p, t).HoldTopLevel("s.lua", 8*mib+1); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			var all sync.WaitGroup
			call := func(w waits, wantError bool) func() {
				s := &runtimes.Share{Pool: p}
				if err := s.Cover(w.holds*mib, time.Time{}); err != nil {
					t.Fatal(err)
				}
				return func() {
					defer s.Free()
					if err := s.Cover((w.holds+w.wants)*mib, began.Add(time.Second)); (err != nil) != wantError {
						t.Errorf("the call that holds %d MiB: %v", w.holds, err)
					}
				}
			}
			calls := []func(){call(givesUp, true), call(goesOn, false)}
			if goesOnFirst {
				calls[0], calls[1] = calls[1], calls[0]
			}
			for _, wait := range calls {
				all.Go(wait)
				synctest.Wait()
			}
			all.Wait()
			if time.Since(began) > 0 {
				t.Errorf("it took %v, want no wait", time.Since(began))
			}
		})
	}
	for _, first := range []bool{true, false} {
		f(waits{2, 2}, waits{6, 1}, first)
		f(waits{6, 1}, waits{2, 7}, first)
	}
}

func TestManyCallsNeverHoldMoreThanTheBound(t *testing.T) {
	p := pool(4 * mib)
	over := time.Now().Add(time.Minute)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 200 {
				s := runtimes.Share{Pool: p}
				if err := s.Cover(mib, over); err != nil {
					t.Error(err)
				}
				if p.Used() > 4*mib {
					t.Error("over the bound")
				}
				s.Free()
			}
		})
	}
	all.Wait()
	if p.Used() != 0 || p.Waiting() != 0 {
		t.Errorf("%d bytes held, %d calls waiting", p.Used(), p.Waiting())
	}
}

func TestWhatCallsLeaveHoldsHalfOfTheirMemoryAtMost(t *testing.T) {
	p := pool(8 * mib)
	left, call := p.Lease("a.star", "alice"), runtimes.Share{Pool: p, By: p.Holder("b.star")}
	if err := left.Cover(64 << 10); err != nil || p.Used() != 0 {
		t.Errorf("%v, %d bytes are held for little", err, p.Used())
	}
	if err := left.Cover(2 * mib); err != nil {
		t.Fatal(err)
	}
	if err := left.Cover(2*mib + 128<<10); err == nil ||
		err.Error() != "what calls left for their requests may hold half of budgets.total_memory: 8.0 MiB, and too little of that is free" {
		t.Errorf("%v, want an error", err)
	}
	if err := call.Cover(2*mib, time.Time{}); err != nil {
		t.Errorf("a call has no room beside it: %v", err)
	}
	if err := p.Lease("c.star", "alice").Cover(128 << 10); err != nil {
		t.Errorf("more is left: %v", err)
	}
	if a, b := p.Holds("a.star"), p.Holds("b.star"); a < 2*mib-64<<10 || b < 2*mib-128<<10 || p.Used() != a+b+64<<10 {
		t.Errorf("the scripts hold %d and %d of %d bytes", a, b, p.Used())
	}
	left.Free()
	call.Free()
	if p.Holds("a.star") != 0 || p.Holds("b.star") != 0 || p.Used() != 64<<10 {
		t.Errorf("%d bytes are held when both are over", p.Used())
	}
}

// Whoever comes next finds something free: a script holds for a principal as much as stays free beside it, and the log tells who holds most.
func TestWhatCallsLeaveLeavesSomethingForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool(16 * mib)
		var log []string
		p.Log = func(line string) { log = append(log, line) }
		f := func(script, principal string, most int) {
			t.Helper()
			held := 0
			for p.Lease(script, principal).Cover(mib/2+64<<10) == nil {
				held++
			}
			if held != most {
				t.Errorf("%s for %s holds %d half MiB, want %d", script, principal, held, most)
			}
		}
		f("hog.star", "bad", 8)
		f("hog.star", "bad", 0)
		f("hog.star", "good", 4)
		f("honest.star", "bad", 2)
		f("honest.star", "good", 1)
		want := `hog.star for principal "good" finds no memory for what outlasts a call: it holds 2.0 MiB and wants 0.5 MiB more, ` +
			`all may hold half of budgets.total_memory: 16.0 MiB, and hold 6.0 MiB, most of it hog.star for principal "bad": 4.0 MiB; told once in 30s`
		if len(log) != 4 || log[1] != want {
			t.Errorf("the log is %q, want one line for each, such as %q", log, want)
		}
		time.Sleep(30 * time.Second)
		f("hog.star", "bad", 0)
		if len(log) != 5 {
			t.Errorf("the log has %d lines after a while, want one more", len(log))
		}
	})
}

// A bound that is planned holds for top levels at once, and for calls no sooner than it is set, if it is the smaller one.
func TestAPlannedLimitIsForTopLevels(t *testing.T) {
	p := pool(32 * mib)
	p.PlanLimit(8 * mib)
	owner := new(int)
	if err := runtimes.NewStock(p, owner).HoldTopLevel("a.star", 6*mib); err == nil {
		t.Error("a top level of 6 MiB is let in, want at most 4")
	}
	call := runtimes.Share{Pool: p}
	if err := call.Cover(16*mib, time.Now()); err != nil {
		t.Errorf("16 of 32 MiB: %v", err)
	}
	call.Free()
	p.SetLimit(8 * mib)
	if err := call.Cover(16*mib, time.Now()); err == nil {
		t.Error("a call has 16 of 8 MiB")
	}
	call.Free()
	p.PlanLimit(32 * mib)
	if err := runtimes.NewStock(p, owner).HoldTopLevel("a.star", 6*mib); err != nil {
		t.Errorf("6 of 16 MiB for top levels: %v", err)
	}
	runtime.KeepAlive(owner)
}
