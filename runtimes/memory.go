package runtimes

import (
	"math"
	"sync"
	"sync/atomic"
)

// granule is the step in which calls take memory out of a Pool, in bytes. The first one of a call is not counted, so that a small call
// never touches what all share.
const granule = 64 << 10

// Pool bounds what all calls of scripts hold together, and what they leave behind. Its zero value has no bound. It may be used by many goroutines.
type Pool struct {
	limit   atomic.Int64 // bytes, 0 = none
	planned atomic.Int64 // what may be the limit next, or is: what one top level leaves is held to it
	used    atomic.Int64 // by calls
	leased  atomic.Int64 // by what they left behind: calls may use so much less
	tops    atomic.Int64 // by what top levels left: so much less again
	kept    atomic.Int64 // by what states keep beside that, and their calls: so much less again
	waiting atomic.Int64

	mu        sync.Mutex
	stalled   []*stalled    // calls that wait, and hold some. Guarded by mu
	stalls    int64         // bytes that those hold. Guarded by mu
	freed     chan struct{} // closed when bytes come free; nil = nobody waits. Guarded by mu
	collected chan struct{} // closed when the collection that is under way is done; nil = none is. Guarded by mu
	next      chan struct{} // of the one after: a call has ended since, whose memory it took for needed; nil = there is to be none. Guarded by mu

	holders sync.Map // of *Holder, by script
	lessees sync.Map // of *lessee, by script and principal

	// Log is told when what a script would leave behind finds no memory, once in a while for each. Nil drops it. Set it first.
	Log func(line string)
}

// Holder counts what a script holds of a Pool. Nil counts nothing.
type Holder struct {
	script string
	bytes  atomic.Int64
}

func (h *Holder) name() string {
	if h == nil {
		return ""
	}
	return h.script
}

func (h *Holder) add(bytes int64) {
	if h != nil {
		h.bytes.Add(bytes)
	}
}

// SetLimit changes the bound, in bytes. Calls that hold more keep it.
func (p *Pool) SetLimit(bytes int64) {
	p.planned.Store(bytes)
	p.limit.Store(bytes)
	p.tell()
}

// PlanLimit has each top level held to a bound before it is that of all: that is the larger one of both until SetLimit, for what serves runs
// beside what is to.
func (p *Pool) PlanLimit(bytes int64) {
	p.planned.Store(bytes)
	if limit := p.limit.Load(); limit == 0 || bytes > limit {
		p.SetLimit(bytes)
	}
}

// Limit is the bound in bytes, 0 = none.
func (p *Pool) Limit() int64 { return p.limit.Load() }

// Used is what calls, what they left behind, and what scripts hold beside them, hold, in bytes.
func (p *Pool) Used() int64 { return p.used.Load() + p.leased.Load() + p.stocked() }

// stocked is what scripts hold beside their calls, in bytes.
func (p *Pool) stocked() int64 { return p.tops.Load() + p.kept.Load() }

// mostStocked is how much all stocks may hold of a limit, in bytes.
func mostStocked(limit int64) int64 {
	if limit > 0 {
		return limit / 2
	}
	return math.MaxInt64
}

// beside is what stocks leave of a limit, in bytes: they may hold half of it, and states an eighth beside that. What is beyond that after the limit
// fell counts no more: it goes when it is collected.
func (p *Pool) beside(limit int64) int64 { return limit - min(p.stocked(), limit/2+limit/8) }

// Holder is what counts for a script; of a nil Pool it is nil.
func (p *Pool) Holder(script string) *Holder {
	if p == nil {
		return nil
	}
	h, _ := p.holders.LoadOrStore(script, &Holder{script: script})
	return h.(*Holder)
}

// Holds is how much a script holds, in bytes.
func (p *Pool) Holds(script string) int64 { return p.Holder(script).bytes.Load() }

// Waiting is how many calls wait for memory.
func (p *Pool) Waiting() int64 { return p.waiting.Load() }

func (p *Pool) take(n int64) bool {
	for {
		used, limit := p.used.Load(), p.limit.Load()
		if limit > 0 && used+n > p.beside(limit)-p.leased.Load() {
			return false
		}
		if p.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}
