package runtimes

import (
	"fmt"

	"sluice/engine"
)

// lease is memory of a Pool that is held longer than a call takes.
type lease struct {
	pool  *Pool
	by    *Holder
	bytes int64
}

var _ engine.Memory = (*Pool)(nil)

// Lease begins to hold memory for a request that a script works on.
func (p *Pool) Lease(script string) engine.Lease { return &lease{pool: p, by: p.Holder(script)} }

// Cover sees that so many bytes are held in all. As of a call, the first granule is not counted. All leases may hold half of the pool, however
// much calls hold, so that neither keeps the other out.
func (l *lease) Cover(bytes int64) error {
	more := counted(bytes) - l.bytes
	if more <= 0 {
		return nil
	}
	if limit := l.pool.Limit(); l.pool.leased.Add(more) > limit/2 && limit > 0 {
		l.pool.leased.Add(-more)
		return fmt.Errorf("what calls left for their requests holds half of budgets.total_memory: %s", size(int(limit)))
	}
	l.bytes += more
	l.by.add(more)
	return nil
}

// Free gives all back.
func (l *lease) Free() {
	l.pool.leased.Add(-l.bytes)
	l.by.add(-l.bytes)
	l.pool.tell()
}

// counted is what is held for so many bytes.
func counted(bytes int64) int64 { return max(0, bytes-1) / granule * granule }

// LeaveKept sees that what the call keeps in a state, about so many bytes, is held when the call is over. Where there is no room for it nothing
// is kept: the error is the call's end, and its budget is engine.BudgetTotalMemory.
func (s *Share) LeaveKept(in *engine.State, bytes int64) error {
	err := s.leave(in, func(l *engine.Leases) *engine.Lease { return &l.Kept }, bytes)
	if err != nil {
		in.Kept = nil
	}
	return err
}

// LeaveMade does the same for so many bytes of the body, or the events, that the call made.
func (s *Share) LeaveMade(in *engine.State, bytes int) error {
	return s.leave(in, func(l *engine.Leases) *engine.Lease { return &l.Made }, int64(bytes))
}

// leave makes one of a state's leases one for so many bytes. What was one is for the owner of the state to free.
func (s *Share) leave(in *engine.State, which func(*engine.Leases) *engine.Lease, bytes int64) error {
	if in.Leases == nil || s.Pool == nil {
		return nil
	}
	bytes = counted(bytes)
	old, _ := (*which(in.Leases)).(*lease)
	if old.size() == bytes {
		return nil
	}
	all := *in.Leases
	*which(&all) = nil
	if bytes > 0 {
		next := &lease{pool: s.Pool, by: s.By}
		if err := next.Cover(bytes + 1); err != nil {
			return err
		}
		*which(&all) = next
	}
	in.Leases = &all
	return nil
}

// size is what a lease holds; nil holds nothing.
func (l *lease) size() int64 {
	if l == nil {
		return 0
	}
	return l.bytes
}
