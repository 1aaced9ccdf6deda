package main

import (
	"sync"

	"sluice/engine"
)

// observing is what the observers of generations that are over have before them still.
type observing struct {
	mu   sync.Mutex
	over bool // guarded by mu; nobody waits for those that end from now on
	all  sync.WaitGroup
}

// finish lets a feed come to its end. Neither a reload nor a request waits for that.
func (o *observing) finish(f *engine.Feed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		go f.Close()
		return
	}
	o.all.Go(f.Close)
}

// wait waits for all that began to end before.
func (o *observing) wait() {
	o.mu.Lock()
	o.over = true
	o.mu.Unlock()
	o.all.Wait()
}
