package engine

import (
	"fmt"
	"runtime/metrics"
	"slices"
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
	// heapTold is the look in a row at which it is told that there is nobody to blame: before it a call may have been too young.
	heapTold = 2
	// heapGone is after how many collections nothing is left of what was let go: the one that ran then may have passed it by, the next finds
	// it, and it is freed before the third ends.
	heapGone = 3
)

// HeapWatch puts a script aside before what nobody counts, such as the memory of one native step, takes the machine down. What calls, what they
// leave behind, and bodies account for is bounded elsewhere. One goroutine uses it. Its functions may be called from any goroutine.
type HeapWatch struct {
	// Explained is how many bytes calls, what they leave behind, and bodies may hold at this moment, or might since it was asked before.
	Explained func() int64
	// Holds is how many of them a script holds.
	Holds func(script string) int64
	// Log is told once that nobody is to blame, until all is explained again.
	Log func(line string)

	ticks       int
	looks       int             // in a row that found what nobody accounts for
	since       int64           // of the crew's clock: the first of them
	collections uint64          // until the last look
	last        int64           // that was explained at it
	most        [heapGone]int64 // that was explained since the last collection, before that one, and so on
	samples     [2]metrics.Sample
}

// tick looks now and then.
func (h *HeapWatch) tick(c *Crew) {
	if h.ticks++; h.ticks%heapEvery == 0 {
		h.look(c)
	}
}

// look blames, of the calls that run whose script holds memory, the one that runs longest: calls end within microseconds, so that one is
// what the process waits for. What was there before a call began is not the call's.
func (h *HeapWatch) look(c *Crew) {
	why := h.unexplained()
	if why == "" {
		h.looks = 0
		return
	}
	if h.looks++; h.looks == 1 {
		h.since = c.clock.Load()
	}
	switch g := c.suspect(h.since, h.Holds); {
	case g != nil:
		g.Standing.blame(why+", and its call ran longest", time.Now())
		h.looks = heapTold
	case h.looks == heapTold:
		h.Log(why + ", and no script that runs and holds any began before: none is put aside")
	}
}

// unexplained tells of memory that nobody accounts for, "" = all is explained.
func (h *HeapWatch) unexplained() string {
	h.samples[0].Name, h.samples[1].Name = "/memory/classes/heap/objects:bytes", "/gc/cycles/total:gc-cycles"
	metrics.Read(h.samples[:])
	held, explained := int64(h.samples[0].Value.Uint64()), h.explained(h.samples[1].Value.Uint64())
	if held/2-heapSlack <= explained { // half: as much again may be garbage
		return ""
	}
	most := 2 * (heapSlack + explained)
	return fmt.Sprintf("the process holds %d MiB, want at most %d MiB for budgets.total_memory and bodies", held>>20, most>>20)
}

// explained is the most that calls, what they leave behind, and bodies could hold of what the process holds after so many collections: what they
// could hold before may not be collected yet. What they could at the last look they may have let go only now, after all of those.
func (h *HeapWatch) explained(collections uint64) int64 {
	now := h.Explained()
	if h.collections == 0 { // there is no last look
		h.last = now
	}
	past := int(min(collections-h.collections, heapGone))
	copy(h.most[past:], h.most[:])
	for i := range past {
		h.most[i] = max(now, h.last)
	}
	h.collections, h.last, h.most[0] = collections, now, max(h.most[0], now)
	return slices.Max(h.most[:])
}
