package runtimes

import (
	"fmt"
	"sync/atomic"
	"time"

	"sluice/engine"
)

// lease is memory of a Pool that is held longer than a call takes.
type lease struct {
	pool  *Pool
	of    *lessee
	by    *Holder
	bytes int64
}

// lessee is a script at the requests of a principal: who holds leases.
type lessee struct {
	script, principal string
	bytes             atomic.Int64
	told              atomic.Int64 // when the log was told that there is no memory for it, in nanoseconds of the epoch
}

func (o *lessee) String() string { return fmt.Sprintf("%s for principal %q", o.script, o.principal) }

// tellEvery is how long after the log was told of a lessee it may be told of it again.
const tellEvery = 30 * time.Second

var _ engine.Memory = (*Pool)(nil)

// Lease begins to hold memory for a request of a principal that a script works on.
func (p *Pool) Lease(script, principal string) engine.Lease {
	return p.lease(p.Holder(script), script, principal)
}

func (p *Pool) lease(by *Holder, script, principal string) *lease {
	key := [2]string{script, principal}
	of, there := p.lessees.Load(key)
	if !there {
		of, _ = p.lessees.LoadOrStore(key, &lessee{script: script, principal: principal})
	}
	return &lease{pool: p, of: of.(*lessee), by: by}
}

// Cover sees that so many bytes are held in all. As of a call, the first granule is not counted. All leases may hold half of what stocks leave of
// the pool, however much calls hold, so that neither keeps the other out. A script may hold for a principal at most as much of that half as stays
// free beside it, so that there is something for the next.
func (l *lease) Cover(bytes int64) error {
	more := Counted(bytes) - l.bytes
	if more <= 0 {
		return nil
	}
	limit := l.pool.Limit()
	half := l.pool.beside(limit) / 2
	own, all := l.of.bytes.Add(more), l.pool.leased.Add(more)
	if limit > 0 && own > half-all {
		l.of.bytes.Add(-more)
		l.pool.leased.Add(-more)
		l.pool.tellShort(l.of, more)
		// whoever asks need not know who holds how much
		return fmt.Errorf("what calls left for their requests may hold half of budgets.total_memory: %s, and too little of that is free", size(int(limit)))
	}
	l.bytes += more
	l.by.add(more)
	return nil
}

// tellShort tells the log that there is no memory for a lessee, and who holds most.
func (p *Pool) tellShort(of *lessee, wanted int64) {
	now, told := time.Now().UnixNano(), of.told.Load()
	if p.Log == nil || told != 0 && now-told < int64(tellEvery) || !of.told.CompareAndSwap(told, now) {
		return
	}
	most := of
	p.lessees.Range(func(_, v any) bool {
		if other := v.(*lessee); other.bytes.Load() > most.bytes.Load() {
			most = other
		}
		return true
	})
	p.Log(fmt.Sprintf("%v finds no memory for what outlasts a call: it holds %s and wants %s more, "+
		"all may hold half of budgets.total_memory: %s, and hold %s, most of it %v: %s; told once in %v", of, size(int(of.bytes.Load())), size(int(wanted)),
		size(int(p.Limit())), size(int(p.leased.Load())), most, size(int(most.bytes.Load())), tellEvery))
}

// Free gives all back.
func (l *lease) Free() {
	l.of.bytes.Add(-l.bytes)
	l.pool.leased.Add(-l.bytes)
	l.by.add(-l.bytes)
	l.pool.tell()
}

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
	bytes = Counted(bytes)
	old, _ := (*which(in.Leases)).(*lease)
	if old.size() == bytes {
		return nil
	}
	all := *in.Leases
	*which(&all) = nil
	if bytes > 0 {
		next := s.Pool.lease(s.By, s.By.name(), in.Principal)
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
