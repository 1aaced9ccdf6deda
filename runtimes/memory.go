package runtimes

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/engine"
	"sluice/engine/turn"
)

// granule is the step in which calls take memory out of a Pool, in bytes. The first one of a call is not counted, so that a small call
// never touches what all share.
const granule = 64 << 10

// memoryWait is how long a call that has no time budget waits for memory.
const memoryWait = time.Second

// large is how many bytes a call holds that collecting is put off for. It waits until what the one before left is collected, since it
// would else allocate on top of that.
const large = 16 << 20

// collectAfter is how long a large call has to return before what it left is collected: until then all of that is on its stack.
const collectAfter = 2 * time.Millisecond

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

// Share is what one call holds of a Pool. The zero value, of no pool, has no bound. One goroutine uses it.
type Share struct {
	Pool   *Pool
	By     *Holder // whose call it is
	held   int64
	waited time.Duration // for what others held
}

// Short reports whether Cover has to look further for a call that allocated so many bytes in all.
func (s *Share) Short(bytes int64) bool { return s.Pool != nil && bytes > s.held+granule }

// How many calls have room in a pool that hold little, less than much, and less than most.
const (
	littleShares = 2048
	someShares   = 512
	muchShares   = 16
)

// holds is what a call holds of its pool that allocated so many bytes in all; nil holds little.
func (s *Share) holds(bytes int64) turn.Hold {
	if s == nil || s.Pool == nil || bytes <= granule {
		return turn.Little
	}
	switch limit := s.Pool.limit.Load(); {
	case limit == 0 || bytes <= limit/littleShares:
		return turn.Little
	case bytes > limit/muchShares:
		return turn.Most
	case bytes > max(2*granule, limit/someShares):
		return turn.Much
	}
	return turn.Some
}

// Cover sees that a call that allocated so many bytes in all holds as many of its pool. Where the pool has none left it waits for them, to
// the moment at which the call's time is over, zero = for a
// second at most. An error is the call's end: its budget is engine.BudgetTotalMemory.
func (s *Share) Cover(bytes int64, over time.Time) error {
	if s.Short(bytes) {
		return s.grow(bytes, over)
	}
	return nil
}

func (s *Share) grow(bytes int64, over time.Time) error {
	more := (bytes - s.held - 1) / granule * granule
	limit := s.Pool.limit.Load()
	if !s.Pool.take(more) && (limit > 0 && s.held+more > limit || !s.wait(more, over)) {
		return errors.New(TotalOver(limit))
	}
	s.By.add(more)
	if s.held >= large {
		garbage.more(more)
	} else if s.held+more >= large {
		garbage.putOff(s.held + more)
	}
	s.held += more
	return nil
}

// wait takes more bytes, and counts how long the call waits for them.
func (s *Share) wait(more int64, over time.Time) bool {
	began := time.Now()
	defer func() { s.waited += time.Since(began) }()
	return s.Pool.wait(more, s.held, over)
}

// Waited is how long the call has waited for what others held; of nil nothing.
func (s *Share) Waited() time.Duration {
	if s == nil {
		return 0
	}
	return s.waited
}

// LateOver is the budget and the error text of a call that is late: the time's, unless it spent half of that waiting for what
// others held. b is what the call has, given that without the part for so many bytes of body.
func (s *Share) LateOver(b, given engine.Budget, body int) (budget, message string) {
	if s != nil && s.waited > b.Time/2 {
		return engine.BudgetTotalMemory, TotalOver(s.Pool.limit.Load())
	}
	return "time", TimeOver(given, body)
}

// Free gives back what the call holds. It may be called again.
func (s *Share) Free() {
	if s.held == 0 {
		return
	}
	s.Pool.used.Add(-s.held)
	s.By.add(-s.held)
	if s.held >= large {
		garbage.ended(s.held)
		s.Pool.collect()
	}
	s.held = 0
	s.Pool.tell()
}

// collect collects what a call leaves, beside the calls that run.
func (p *Pool) collect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.collected != nil {
		if p.next == nil {
			p.next = make(chan struct{})
		}
		return
	}
	p.collected = make(chan struct{})
	go func() {
		for more := true; more; more = p.nextCollection() {
			time.Sleep(collectAfter)
			garbage.collect()
		}
	}()
}

// nextCollection ends a collection, and reports whether there is to be another.
func (p *Pool) nextCollection() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.collected)
	p.collected, p.next = p.next, nil
	return p.collected != nil
}

// collecting is closed when what calls have left by now is collected, nil = it is.
func (p *Pool) collecting() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next != nil {
		return p.next
	}
	return p.collected
}

// uncollected is what a large call, which allocated so many bytes in all, is to wait for before it takes more, nil = nothing.
func (s *Share) uncollected(bytes int64) <-chan struct{} {
	if s == nil || bytes < large || !s.Short(bytes) {
		return nil
	}
	return s.Pool.collecting()
}

// await waits until that is closed, so long at most, and returns for how long it did.
func (s *Share) await(collected <-chan struct{}, most time.Duration) time.Duration {
	if collected == nil || most <= 0 {
		return 0
	}
	began := time.Now()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-collected:
	case <-timer.C:
	}
	return time.Since(began)
}

// untilOver is how long a call may wait for memory.
func untilOver(over time.Time) time.Duration {
	if over.IsZero() {
		return memoryWait
	}
	return time.Until(over)
}

// TotalOver is the error text of a call that could not have its memory, since all calls hold the limit.
func TotalOver(limit int64) string {
	return fmt.Sprintf("all calls together hold budgets.total_memory: %s, and none of it came free in time", size(int(limit)))
}

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

// wait takes n bytes once they are free, for a call that holds some. It reports false when the time is over, or when this call is the one to
// give up.
func (p *Pool) wait(n, held int64, over time.Time) bool {
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	timer := time.NewTimer(untilOver(over))
	defer timer.Stop()
	own := p.stall(held, n)
	defer p.unstall(own)
	for {
		freed := p.nextFree() // before the try, so that none that comes free after it is missed
		if p.take(n) {
			return true
		}
		p.breakUp()
		select {
		case <-freed:
		case <-own.out:
			return p.take(n) // some may have come free meanwhile
		case <-timer.C:
			return false
		}
	}
}

// stalled is a call that waits.
type stalled struct {
	held, wants int64
	out         chan struct{} // closed when it is to give up
}

func (p *Pool) stall(held, wants int64) *stalled {
	s := &stalled{held, wants, make(chan struct{})}
	if held > 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.stalled, p.stalls = append(p.stalled, s), p.stalls+held
	}
	return s
}

func (p *Pool) unstall(s *stalled) {
	if s.held > 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.forget(s)
	}
}

// forget is called with mu held.
func (p *Pool) forget(s *stalled) {
	if i := slices.Index(p.stalled, s); i >= 0 {
		p.stalled, p.stalls = slices.Delete(p.stalled, i, i+1), p.stalls-s.held
	}
}

// breakUp has one call give up where all that is taken is held by calls that wait: one that there would never be enough for, or else the one that
// holds most. It does not count as one of them any more, so that the others see that something is to come free.
func (p *Pool) breakUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.stalled) == 0 || p.stalls < p.used.Load() {
		return
	}
	room := p.beside(p.limit.Load()) - p.leased.Load()
	one := slices.MaxFunc(p.stalled, func(a, b *stalled) int {
		return cmp.Or(cmp.Compare(a.beyond(room), b.beyond(room)), cmp.Compare(a.held, b.held))
	})
	p.forget(one)
	close(one.out)
}

// beyond is by how much a call wants more than there is room for if no other has any; 0 = it does not.
func (s *stalled) beyond(room int64) int64 { return max(0, s.held+s.wants-room) }

func (p *Pool) nextFree() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.freed == nil {
		p.freed = make(chan struct{})
	}
	return p.freed
}

// tell wakes those who wait.
func (p *Pool) tell() {
	if p.waiting.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.freed != nil {
		close(p.freed)
		p.freed = nil
	}
}
