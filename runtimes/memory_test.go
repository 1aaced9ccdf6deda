package runtimes_test

import (
	"strings"
	"sync"
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
