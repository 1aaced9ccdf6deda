package main

import (
	"fmt"
	"io"
	"time"
)

// progress tells on a terminal how far a command has come that takes long: one line, written over every second, from tellsAfter on.
type progress struct {
	w     io.Writer // nil = nobody looks
	next  time.Time
	shown bool
}

func newProgress(w io.Writer) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{w: w, next: time.Now().Add(tellsAfter)}
}

// tell shows the line if it is time to.
func (p *progress) tell(format string, args ...any) {
	now := time.Now()
	if p.w == nil || now.Before(p.next) {
		return
	}
	fmt.Fprintf(p.w, "\r"+format+"\x1b[K", args...)
	p.next, p.shown = now.Add(time.Second), true
}

// end takes the line away.
func (p *progress) end() {
	if p.shown {
		io.WriteString(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// during tells how long f takes, where there is nothing to count.
func (p *progress) during(what string, f func()) {
	began, over, gone := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-over:
				p.end()
				return
			case <-tick.C:
				p.tell("%s, %.0f s", what, time.Since(began).Seconds())
			}
		}
	}()
	f()
	close(over)
	<-gone
}
