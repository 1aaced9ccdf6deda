package runtimes

import (
	"cmp"
	"slices"
	"time"
)

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

// breakUp has one call give up where all that is taken is held by calls that wait: one that wants more than calls may have in all, or else the one
// that holds most. It does not count as one of them any more, so that the others see that something is to come free.
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
