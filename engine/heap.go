package engine

import (
	"fmt"
	"runtime/metrics"
	"time"
)

// How the process's memory is watched.
const (
	// heapSlack is what a gateway takes besides bodies and scripts, in bytes.
	heapSlack = 128 << 20
	// heapEvery is how many ticks lie between two looks.
	heapEvery = 5
	// heapSuspect is how long a call must run to be blamed.
	heapSuspect = 2 * crewTick
)

// HeapWatch puts a script aside before what nobody counts, such as the memory of one native step, takes the machine down. What calls and
// bodies account for is bounded elsewhere. One goroutine uses it.
type HeapWatch struct {
	// Explained is how many bytes calls and bodies may hold at this moment. It may be called from any goroutine.
	Explained func() int64

	ticks  int
	sample [1]metrics.Sample
}

// look blames the call that runs longest: calls end within microseconds, so that one is what the process waits for.
func (h *HeapWatch) look(g *Guard, ran time.Duration) {
	if h.ticks++; h.ticks%heapEvery != 0 || ran < heapSuspect {
		return
	}
	h.sample[0].Name = "/memory/classes/heap/objects:bytes"
	metrics.Read(h.sample[:])
	held, explained := int64(h.sample[0].Value.Uint64()), h.Explained()
	if held/2-heapSlack > explained { // half: as much again may be garbage
		most := 2 * (heapSlack + explained)
		g.Standing.blame(fmt.Sprintf("the process holds %d MiB, want at most %d MiB for budgets.total_memory and bodies, and its call ran longest",
			held>>20, most>>20), time.Now())
	}
}
