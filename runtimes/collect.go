package runtimes

import (
	"time"
)

// collectAfter is how long a large call has to return before what it left is collected: until then all of that is on its stack.
const collectAfter = 2 * time.Millisecond

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
