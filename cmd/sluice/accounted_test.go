package main

import (
	"math"
	"testing"

	"sluice/proxy"
	"sluice/runtimes"
)

func TestWhatIsAccountedIsWhatMayBeHeldOrWhatStillIs(t *testing.T) {
	pool, traffic := new(runtimes.Pool), new(proxy.Metrics)
	f := func(limit, least, most int64) {
		t.Helper()
		pool.SetLimit(limit)
		now, ever := accounted(pool, traffic)
		if now < least || now > most || ever != now {
			t.Errorf("a limit of %d: accounted %d, and %d at most before, want both from %d to %d", limit, now, ever, least, most)
		}
	}
	f(64<<20, 64<<20, 64<<20)
	lease := pool.Lease("f.star", "alice")
	if err := lease.Cover(16 << 20); err != nil {
		t.Fatal(err)
	}
	f(1<<20, 15<<20, 17<<20)
	f(math.MaxInt64, 1<<40, math.MaxInt64/2)
	lease.Free()
	f(1<<20, 1<<20, 1<<20)
}
