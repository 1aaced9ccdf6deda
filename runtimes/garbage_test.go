package runtimes

import (
	"bytes"
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

const mebi = 1 << 20

// collects reports whether the process collects by a GOGC and a GOMEMLIMIT.
func collects(percent int, limit int64) bool {
	return int64(metric("/gc/gogc:percent")) == int64(percent) && metric("/gc/gomemlimit:bytes") == uint64(limit)
}

// shared is a pool whose last collection has ended when the test has: what the process collects by belongs to one test at a time.
func shared(t *testing.T) *Pool {
	p := new(Pool)
	p.SetLimit(256 << 20)
	t.Cleanup(func() { rest(t, p) })
	return p
}

// rest waits until no collection is under way for a pool, and has it be long ago.
func rest(t *testing.T, p *Pool) {
	t.Helper()
	collected(t, p)
	garbage.resume()
}

// collected waits until no collection is under way for a pool.
func collected(t *testing.T, p *Pool) {
	t.Helper()
	eventually(t, "the last collection has ended", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.collected == nil
	})
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for late := time.Now().Add(5 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("not in 5 s: %s", what)
		}
	}
}

// hold has a call that holds so many bytes hold more, up to so many, and allocates those.
func hold(t *testing.T, s *Share, from, to int64) (held [][]byte) {
	t.Helper()
	for n := from + mebi; n <= to; n += mebi {
		if err := s.Cover(n, time.Time{}); err != nil {
			t.Fatal(err)
		}
		held = append(held, make([]byte, mebi))
	}
	return held
}

func TestCollectingIsPutOffWhileACallIsLarge(t *testing.T) {
	s := Share{Pool: shared(t)}
	held := hold(t, &s, 0, 17*mebi)
	runtime.GC() // waits for one that is under way
	before := collections()
	held = append(held, hold(t, &s, 17*mebi, 57*mebi)...)
	if n := collections() - before; n != 0 {
		t.Errorf("%d collections while a call took 40 MiB", n)
	}
	runtime.KeepAlive(held)
	held = nil
	s.Free()
	collected(t, s.Pool)
	if n := collections() - before; n == 0 || collects(100, math.MaxInt64) {
		t.Errorf("%d collections of what it left, want one, and collecting put off for a while: at %d percent", n, int64(metric("/gc/gogc:percent")))
	}
	eventually(t, "collecting is as it was", func() bool { return collects(100, math.MaxInt64) })
}

func TestALargeCallMayLeaveSome(t *testing.T) {
	p := shared(t)
	s := Share{Pool: p}
	hold(t, &s, 0, 17*mebi)
	s.Free() // and collecting is put off from now on
	collected(t, p)
	runtime.GC()
	before := collections()
	for _, much := range []bool{false, true} {
		s := Share{Pool: p}
		hold(t, &s, 0, 28*mebi)
		s.Free()
		collected(t, p)
		if n := collections() - before; n > 0 != much {
			t.Errorf("%d collections of what they left, which is much: %v", n, much)
		}
	}
}

func TestWhatALargeCallNeverAllocatedIsNotCollected(t *testing.T) {
	p := shared(t)
	runtime.GC() // waits for one that is under way
	before := collections()
	s := Share{Pool: p}
	if err := s.Cover(40*mebi, time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.Free()
	rest(t, p)
	if n := collections() - before; n != 0 || !collects(100, math.MaxInt64) {
		t.Errorf("%d collections, at %d percent", n, int64(metric("/gc/gogc:percent")))
	}
}

func TestWhatALargeCallLeavesIsCollectedThoughAnotherRuns(t *testing.T) {
	p := shared(t)
	one, other := Share{Pool: p}, Share{Pool: p}
	hold(t, &other, 0, 17*mebi)
	held := hold(t, &one, 0, 40*mebi)
	runtime.GC() // waits for one that is under way
	before := collections()
	runtime.KeepAlive(held)
	one.Free()
	eventually(t, "what the one left is collected", func() bool { return collections() > before })
	rest(t, p)
	if collects(100, math.MaxInt64) {
		t.Error("collecting is not put off for the other")
	}
	other.Free()
	rest(t, p)
	if !collects(100, math.MaxInt64) {
		t.Errorf("no large call runs, and collecting is put off at %d percent", int64(metric("/gc/gogc:percent")))
	}
}

func TestALargeCallNeedNotWaitForOneThatLeftNothing(t *testing.T) {
	p := shared(t)
	for range 30 {
		s := Share{Pool: p}
		if err := s.Cover(20*mebi, time.Now().Add(500*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		s.Free()
	}
}

func TestWhatCallsOnlyAskedForLeavesTheLimitAsItIs(t *testing.T) {
	p := shared(t)
	for range 30 {
		s := Share{Pool: p}
		if err := s.Cover(40*mebi, time.Time{}); err != nil {
			t.Fatal(err)
		}
		s.Free()
	}
	rest(t, p)
	s := Share{Pool: p}
	if err := s.Cover(20*mebi, time.Time{}); err != nil {
		t.Fatal(err)
	}
	defer s.Free()
	if limit := metric("/gc/gomemlimit:bytes"); limit < least {
		t.Errorf("a call has %d bytes, want at least %d", limit, least)
	}
}

func TestALargeCallKeepsToTheLimitOfTheProcess(t *testing.T) {
	p := shared(t)
	for _, is := range []struct {
		percent int
		limit   int64
	}{{-1, 512 * mebi}, {400, 32 * mebi}} {
		percent, limit := debug.SetGCPercent(is.percent), debug.SetMemoryLimit(is.limit)
		s := Share{Pool: p}
		hold(t, &s, 0, 20*mebi)
		if now := metric("/gc/gomemlimit:bytes"); now > uint64(is.limit) {
			t.Errorf("a limit of %d bytes is %d", is.limit, now)
		}
		if is.percent < 0 && !collects(-1, is.limit) {
			t.Errorf("a process that collects by its limit alone does so at %d percent, %d bytes", int64(metric("/gc/gogc:percent")), metric("/gc/gomemlimit:bytes"))
		}
		s.Free()
		rest(t, p)
		if !collects(is.percent, is.limit) {
			t.Errorf("a process that collects by %+v does so by %d percent, %d bytes", is, int64(metric("/gc/gogc:percent")), metric("/gc/gomemlimit:bytes"))
		}
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

func TestWhatOthersHoldBesideLargeCallsIsNotCollectedAgainAndAgain(t *testing.T) {
	const most = 10
	p := shared(t)
	s := Share{Pool: p}
	hold(t, &s, 0, 17*mebi)
	s.Free() // and collecting is put off from now on
	collected(t, p)
	others := make([]byte, 300*mebi)
	runtime.GC() // finds them to be needed
	hold(t, &s, 0, 17*mebi)
	before := collections()
	for range 200 {
		runtime.KeepAlive(bytes.Repeat([]byte{0}, mebi))
	}
	if n := collections() - before; n > most {
		t.Errorf("%d collections while others allocate 200 MiB and hold 300, want at most %d", n, most)
	}
	runtime.KeepAlive(others)
	s.Free()
}
