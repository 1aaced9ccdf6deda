package runtimes

import (
	"fmt"
	"runtime"
	"time"

	"sluice/engine"
)

// collectWait is how long a new version of a script waits for the memory of one that serves no more.
const collectWait = 200 * time.Millisecond

// Stock is memory of a Pool that a script holds beside its calls: what its top level left, or what an idle state has come to hold. It is held
// until whatever holds it is collected. One goroutine at a time uses it.
type Stock struct {
	pool  *Pool
	bytes int64
	top   bool // it is what a top level left
}

// NewStock begins to hold memory for as long as there is an owner. Of a nil Pool it counts nothing.
func NewStock[T any](p *Pool, owner *T) *Stock {
	s := &Stock{pool: p}
	runtime.AddCleanup(owner, (*Stock).Free, s)
	return s
}

// Hold sees that so many bytes are held in all, and reports whether they are to be had. As of a call, the first granule is not counted. Top
// levels hold half of the pool at most, so that calls, and what they leave behind, have the rest. States keep an eighth of it at most, and take
// none where stocks hold half; top levels take theirs whatever states keep, so that no edit is kept out by that.
func (s *Stock) Hold(bytes int64) bool {
	return s.pool == nil || s.hold(bytes, mostStocked(s.pool.limit.Load()))
}

// hold is Hold where all stocks hold so many bytes at most.
func (s *Stock) hold(bytes, most int64) bool {
	part, own := &s.pool.kept, most/4
	if s.top {
		part, own = &s.pool.tops, most
	}
	more := Counted(bytes) - s.bytes
	if now := part.Add(more); more > 0 && (now > own || !s.top && s.pool.stocked() > most) {
		part.Add(-more)
		return false
	}
	if s.bytes += more; more < 0 {
		s.pool.tell()
	}
	return true
}

// Free gives all back. It may be called again.
func (s *Stock) Free() { s.Hold(0) }

// RoomForTopLevels refuses a limit of a pool that has no room for what all top levels hold, both in bytes.
func RoomForTopLevels(held, limit int64) error {
	if most := mostStocked(limit); held > most {
		return fmt.Errorf("the top levels of the scripts hold %s, want half of it at most, which is %s", size(int(held)), size(int(most)))
	}
	return nil
}

// Counted is what is held for so many bytes.
func Counted(bytes int64) int64 { return max(0, bytes-1) / granule * granule }

// HoldTopLevel holds what the top level of a script allocated. Where there is no room for it, it has the process collect what serves no more.
// An error is a *engine.ScriptError.
func (s *Stock) HoldTopLevel(script string, bytes int64) error {
	if s.pool == nil {
		return nil
	}
	s.top = true
	most, own := mostStocked(s.pool.limit.Load()), mostStocked(s.pool.planned.Load())
	if Counted(bytes) <= own && s.hold(bytes, most) {
		return nil
	}
	e := &engine.ScriptError{File: script, Message: fmt.Sprintf("the top level allocates %s, and there is no room for it: what top levels leave holds half "+
		"of budgets.total_memory at most, which is %s", size(int(bytes)), size(int(own)))}
	if Counted(bytes) > own {
		return e
	}
	if s.collected(bytes, most) {
		return nil
	}
	e.Budget = engine.BudgetTotalMemory // it may be there later
	return e
}

func (s *Stock) collected(bytes, most int64) bool {
	s.pool.waiting.Add(1)
	defer s.pool.waiting.Add(-1)
	freed := s.pool.nextFree()
	runtime.GC()
	late := time.After(collectWait)
	for !s.hold(bytes, most) {
		select {
		case <-freed:
			freed = s.pool.nextFree()
		case <-late:
			return false
		}
	}
	return true
}
