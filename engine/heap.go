package engine

import (
	"fmt"
	"math"
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
	// Explained is how many bytes calls, what they leave behind, and bodies may hold at this moment, and the most that they may have held since
	// it was asked before.
	Explained func() (now, most int64)
	// Holds is how many of them a script holds.
	Holds func(script string) int64
	// Log is told once that nobody is to blame, until all is explained again.
	Log func(line string)

	ticks       int
	looks       int             // in a row at which more was held than is explained at that moment, from the last at which that had doubled
	since       int64           // of the crew's clock: the first of them
	level       int64           // the least that was held since
	told        bool            // of those looks
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

// look blames, of the calls that run whose script holds memory, the one that runs longest: most calls end within microseconds, so that one is
// what the process waits for. What was there before a call began is not the call's, nor is what may not be collected yet.
func (h *HeapWatch) look(c *Crew) {
	held, collections := h.read()
	now, most := h.Explained()
	most = h.uncollected(now, most, collections)
	if held <= bound(now) {
		h.looks, h.told = 0, false
		return
	}
	if h.looks == 0 || held/2 > h.level { // half: as much again may be garbage
		h.looks, h.since, h.level = 0, c.clock.Load(), held
	}
	h.looks, h.level = h.looks+1, min(h.level, held)
	if held <= bound(most) {
		return
	}
	why := fmt.Sprintf("the process holds %d MiB, want at most %d MiB for budgets.total_memory and bodies", held>>20, bound(most)>>20)
	switch g := c.suspect(h.since, h.Holds); {
	case g != nil:
		g.Standing.blame(why+", and its call ran longest", time.Now())
		h.told = true
	case h.looks >= heapTold && !h.told:
		h.Log(why + ", and no script that runs and holds any began before: none is put aside")
		h.told = true
	}
}

// read returns how many bytes the process holds, garbage and all, and how often it has collected.
func (h *HeapWatch) read() (held int64, collections uint64) {
	h.samples[0].Name, h.samples[1].Name = "/memory/classes/heap/objects:bytes", "/gc/cycles/total:gc-cycles"
	metrics.Read(h.samples[:])
	return int64(h.samples[0].Value.Uint64()), h.samples[1].Value.Uint64()
}

// bound is how many bytes a process may hold where so many are explained: as much again may be garbage.
func bound(explained int64) int64 {
	if explained > math.MaxInt64/2-heapSlack {
		return math.MaxInt64
	}
	return 2 * (heapSlack + explained)
}

// uncollected is the most that was explained of what may not be collected yet after so many collections, given what is now, and the most since the
// last look. What was explained at that look may have been let go only now, after all those collections.
func (h *HeapWatch) uncollected(now, most int64, collections uint64) int64 {
	most = max(now, most)
	past := int(min(collections-h.collections, heapGone))
	copy(h.most[past:], h.most[:])
	for i := range past {
		h.most[i] = max(most, h.last)
	}
	h.collections, h.last, h.most[0] = collections, now, max(h.most[0], most)
	return slices.Max(h.most[:])
}
