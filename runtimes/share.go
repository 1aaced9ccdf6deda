package runtimes

import (
	"errors"
	"fmt"
	"time"

	"sluice/engine"
	"sluice/engine/turn"
)

// Share is what one call holds of a Pool. The zero value, of no pool, has no bound. One goroutine uses it.
type Share struct {
	Pool   *Pool
	By     *Holder // whose call it is
	held   int64
	waited time.Duration // for what others held
}

// memoryWait is how long a call that has no time budget waits for memory.
const memoryWait = time.Second

// large is how many bytes a call holds that collecting is put off for. It waits until what the one before left is collected, since it
// would else allocate on top of that.
const large = 16 << 20

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
// the moment at which the call's time is over, zero = for a second at most. An error is the call's end: its budget is engine.BudgetTotalMemory.
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

// untilOver is how long a call may wait for memory.
func untilOver(over time.Time) time.Duration {
	if over.IsZero() {
		return memoryWait
	}
	return time.Until(over)
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

// TotalOver is the error text of a call that could not have its memory, since all calls hold the limit.
func TotalOver(limit int64) string {
	return fmt.Sprintf("all calls together hold budgets.total_memory: %s, and none of it came free in time", size(int(limit)))
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
