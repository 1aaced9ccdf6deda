package proxy

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestATableMakesEachValueOnce(t *testing.T) {
	var tab table[int, *atomic.Int64]
	var made atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for k := range 100 {
				tab.get(k%10, func() *atomic.Int64 { made.Add(1); return new(atomic.Int64) }, nil).Add(1)
			}
		}()
	}
	wg.Wait()
	sum := int64(0)
	for _, v := range tab.all() {
		sum += v.Load()
	}
	if made.Load() != 10 || sum != 800 {
		t.Errorf("%d values were made, and %d counted; want 10 and 800", made.Load(), sum)
	}
	if n := testing.AllocsPerRun(100, func() { tab.get(3, nil, nil) }); n > 0 {
		t.Errorf("looking up takes %g allocations", n)
	}
}

func TestATableForgetsWhatIsStaleWhenItGrows(t *testing.T) {
	var tab table[string, int]
	even := func(v int) bool { return v%2 == 0 }
	for i, k := range []string{"a", "b", "c", "d"} {
		tab.get(k, func() int { return i }, even)
	}
	if all := tab.all(); len(all) != 2 || all["b"] != 1 || all["d"] != 3 {
		t.Errorf("it holds %v, want b and d", all)
	}
}
