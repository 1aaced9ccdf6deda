package engine

import (
	"errors"
	"sync"
	"time"
)

const (
	// FeedQueue is how many events wait for one observer before more are dropped.
	FeedQueue = 4096
	// feedRest is how long what is queued may still take once a generation is over. After each edit there is another queue.
	feedRest = time.Second
)

// ObserverSlot is a bound observer.
type ObserverSlot struct {
	Observer
	Name   string
	Script string
	Meter  *Meter
	Guard  *Guard // nil = none
	// Chunks: it wants Chunk events, of which there are many.
	Chunks bool
}

// Feed carries events to the observers of one generation, each behind its own bounded queue and goroutine. A nil Feed has no observer.
type Feed struct {
	lines []*feedLine
	wait  sync.WaitGroup
}

type feedLine struct {
	slot  *ObserverSlot
	queue chan ObserveEvent
}

// NewFeed starts a goroutine for each observer. Close ends them. It is nil when there is no observer.
func NewFeed(slots []*ObserverSlot) *Feed {
	if len(slots) == 0 {
		return nil
	}
	f := &Feed{}
	for _, s := range slots {
		line := &feedLine{s, make(chan ObserveEvent, FeedQueue)}
		f.lines = append(f.lines, line)
		f.wait.Go(line.run)
	}
	return f
}

func (l *feedLine) run() {
	for ev := range l.queue {
		start := time.Now()
		err := l.slot.call(ev)
		l.slot.Meter.observe(start, err)
		if err != nil {
			l.slot.Meter.Dropped.Add(1)
			if !isAside(err) {
				l.slot.Meter.Count(scriptErrorOf(err))
			}
		}
	}
}

// Emit offers ev to every observer and never waits: an observer whose queue is full misses it, which is counted.
func (f *Feed) Emit(ev ObserveEvent) {
	if f == nil {
		return
	}
	_, chunk := ev.(Chunk)
	for _, l := range f.lines {
		if chunk && !l.slot.Chunks {
			continue
		}
		select {
		case l.queue <- ev:
		default:
			l.slot.Meter.Dropped.Add(1)
		}
	}
}

// WantsChunks reports whether any observer takes Chunk events.
func (f *Feed) WantsChunks() bool {
	if f == nil {
		return false
	}
	for _, l := range f.lines {
		if l.slot.Chunks {
			return true
		}
	}
	return false
}

// Slots are the observers of the feed.
func (f *Feed) Slots() []*ObserverSlot {
	if f == nil {
		return nil
	}
	out := make([]*ObserverSlot, len(f.lines))
	for i, l := range f.lines {
		out[i] = l.slot
	}
	return out
}

// Retire has the observers drop in a second what they will not have seen by then. It is called when a newer feed takes over; the requests
// that are under way may go on to Emit.
func (f *Feed) Retire() {
	if f != nil {
		time.AfterFunc(feedRest, f.shed)
	}
}

// shed drops what is queued, which is counted.
func (f *Feed) shed() {
	for _, l := range f.lines {
		for range len(l.queue) {
			select {
			case _, more := <-l.queue:
				if more {
					l.slot.Meter.Dropped.Add(1)
				}
			default: // the observer was faster
			}
		}
	}
}

// Close lets the observers go on with what is queued for a second at most, and drops the rest. A call that runs then ends by itself. Nobody
// may Emit any more.
func (f *Feed) Close() {
	if f == nil {
		return
	}
	for _, l := range f.lines {
		close(l.queue)
	}
	done := make(chan struct{})
	go func() {
		f.wait.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(feedRest):
		f.shed()
	}
}

func scriptErrorOf(err error) *ScriptError {
	var se *ScriptError
	errors.As(err, &se)
	return se
}
