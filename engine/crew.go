package engine

import (
	"math"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// How calls are watched.
const (
	// crewTick is how often the watch looks at the calls that run.
	crewTick = 10 * time.Millisecond
	// crewGrace is how long past its budget a call may go on before it is left behind: with the ticks, less than 100 ms.
	crewGrace = 70 * time.Millisecond
	// CrewTurn is how much longer it may take for each call that runs beside it: that may have been before it when it began.
	CrewTurn = 2 * time.Millisecond
	// crewStray is how much longer a call that was left behind may take to end on its own, before its script is given up: a processor
	// may have been hard to come by.
	crewStray = 500 * time.Millisecond
	// crewLull is how many ticks without a call end the watch, until there is one.
	crewLull = 100
	// crewIdle is how many goroutines wait for a call. More calls than processors run only while some of them wait.
	crewIdle = 64
	// crewSpare is how many of them are kept when there has been no call for a while.
	crewSpare = 2
	// crewUnbounded is from when on a limit is none: some hundred years.
	crewUnbounded = math.MaxInt64 / 2
)

// Crew runs calls on goroutines of its own, so that a call which does not end can be left behind. One serves a process. It may be used by
// many goroutines. NewCrew makes one, Close ends it.
type Crew struct {
	// Heap, if set, watches the process's memory. It is asked at each tick.
	Heap atomic.Pointer[HeapWatch]

	closed   chan struct{}
	clock    atomic.Int64 // nanoseconds that the watch saw go by: a process that was stopped, or starved, has lost no time
	watching atomic.Bool
	running  atomic.Int64 // calls, those that are about to begin, or were left behind, among them

	mu     sync.Mutex
	idle   []*worker            // a stack, so that the one used last, whose stack is warm, serves next; guarded by mu
	most   int                  // that may be idle, 0 = it is closed; guarded by mu
	all    map[*worker]struct{} // that work for somebody, or are idle; guarded by mu
	strays map[*worker]struct{} // left behind, and not given up yet; guarded by mu
}

// NewCrew makes a crew without anybody in it.
func NewCrew() *Crew {
	return &Crew{closed: make(chan struct{}), most: crewIdle, all: make(map[*worker]struct{}), strays: make(map[*worker]struct{})}
}

// worker is one goroutine of a Crew.
type worker struct {
	crew *Crew
	wake chan struct{}
	done chan outcome // has room for one
	// until is the moment of the crew's clock past which the call is left behind; 0 = it ended, or was. Who sets it to 0 has the say.
	until     atomic.Int64
	since     atomic.Int64 // of the crew's clock: when the call began, or was left behind
	guard     atomic.Pointer[Guard]
	job       job
	principal string // whose request it is for

	limit  time.Duration // of the call, and what the watch needs; 0 = none
	paused int64         // until, while it is stopped. Of the goroutine that works
}

// Watch bounds a call from outside. The goroutine that runs the call uses it.
type Watch interface {
	// Pause stops the time in which the call has to end, until Resume. It reports false where that is over: nobody waits for the call any more.
	Pause() bool
	// Resume has the call end so much later.
	Resume(later time.Duration)
	// Principal is the name of whose request it is for.
	Principal() string
	// Beside is how many calls run beside it.
	Beside() int
}

// Pause stops the time in which the call has to end. It reports false where the call was left behind.
func (w *worker) Pause() bool {
	until := w.until.Load()
	if until == 0 || !w.until.CompareAndSwap(until, math.MaxInt64) {
		return false
	}
	w.paused = until
	return true
}

// Resume has the call end so much later.
func (w *worker) Resume(later time.Duration) {
	if w.paused != math.MaxInt64 {
		w.until.Store(w.paused + int64(later))
	}
}

// job is one call. It holds all that the call reads, so that a call that was left behind reads nothing that others write.
type job interface {
	run() error
	// watch tells the call who watches it, which the call pauses for all that it waits for others.
	watch(w Watch)
}

// Patience is how many times its own time a call may be without a processor since other processes have it.
const Patience = 1

// leaver is a job that may leave what outlasts the call. Undo gives that back where nobody waits for it any more.
type leaver interface{ undo() }

// outcome is how a call ended.
type outcome struct {
	left bool  // it did not: it was left behind, and its job with it
	err  error // of run, or a *ScriptError where that panicked
}

// Principal is the name of whose request the call is for.
func (w *worker) Principal() string { return w.principal }

// Beside is how many calls run beside this one.
func (w *worker) Beside() int { return int(w.crew.running.Load()) - 1 }

// do runs j for a principal and waits for it, but no longer than limit and what the watch needs; 0 = no bound.
func (c *Crew) do(j job, g *Guard, principal string, limit time.Duration) outcome {
	w := c.take()
	w.principal = principal
	j.watch(w)
	if w.limit = 0; limit > 0 && limit < crewUnbounded {
		w.limit = limit + crewGrace
	}
	w.job = j
	w.guard.Store(g)
	w.since.Store(c.clock.Load())
	w.until.Store(math.MaxInt64)
	if !c.watching.Load() {
		c.rouse()
	}
	c.running.Add(1)
	w.wake <- struct{}{}
	out := <-w.done
	if !out.left {
		w.job = nil
		c.give(w)
	}
	return out
}

func (c *Crew) take() *worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle); n > 0 {
		w := c.idle[n-1]
		c.idle = c.idle[:n-1]
		return w
	}
	w := &worker{crew: c, wake: make(chan struct{}), done: make(chan outcome, 1)}
	c.all[w] = struct{}{}
	go c.work(w)
	return w
}

// give takes a worker back, or lets it go where enough are idle, or none is needed any more.
func (c *Crew) give(w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) < c.most {
		c.idle = append(c.idle, w)
		return
	}
	delete(c.all, w)
	close(w.wake)
}

// dismiss lets go of those who were needed by more calls at once than there are now.
func (c *Crew) dismiss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range c.idle[min(crewSpare, len(c.idle)):] {
		delete(c.all, w)
		close(w.wake)
		c.idle[crewSpare+i] = nil
	}
	c.idle = c.idle[:min(crewSpare, len(c.idle))]
}

// Close ends the watch and the goroutines that wait for a call. Nothing is called any more; calls that run are not waited for.
func (c *Crew) Close() {
	close(c.closed)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.idle {
		delete(c.all, w)
		close(w.wake)
	}
	c.idle, c.most = nil, 0
}

func (c *Crew) work(w *worker) {
	for range w.wake {
		if w.limit > 0 {
			beside := time.Duration(w.Beside()) * CrewTurn
			w.until.Store(c.clock.Load() + int64(w.limit+beside)) // from now on: many that began at once may have waited for a processor
		}
		err := w.call()
		c.running.Add(-1)
		if w.until.Swap(0) == 0 { // left behind; whoever waited has gone
			c.mu.Lock()
			delete(c.strays, w)
			c.mu.Unlock()
			if j, leaves := w.job.(leaver); leaves {
				j.undo()
			}
			w.guard.Load().Standing.back()
			return
		}
		w.done <- outcome{err: err}
	}
}

// call runs the job. A script's own panics are its language's affair: what arrives here is a fault of the gateway.
func (w *worker) call() (err error) {
	defer func() {
		if recover() != nil {
			err = panicError(w.guard.Load().Standing.Script)
		}
	}()
	return w.job.run()
}

// panicError keeps where a panic came from and leaves out what it said, which may hold a request's text.
func panicError(script string) *ScriptError {
	e := &ScriptError{File: script, Message: "the call panicked outside of its script", Trap: true}
	for line := range strings.SplitSeq(string(debug.Stack()), "\n") {
		if at := strings.TrimSpace(line); strings.HasPrefix(line, "\t") {
			e.Stack = append(e.Stack, at)
		}
	}
	return e
}

// rouse starts the watch, unless it runs.
func (c *Crew) rouse() {
	if c.watching.CompareAndSwap(false, true) {
		go c.watch()
	}
}

// watch looks after the calls until none ran for a while. One ticker serves all.
func (c *Crew) watch() {
	ticker := time.NewTicker(crewTick)
	defer ticker.Stop()
	last, lull := time.Now(), 0
	if heap := c.Heap.Load(); heap != nil {
		heap.look(c) // what the process came to hold while nobody watched
	}
	for {
		var now time.Time
		select {
		case now = <-ticker.C:
		case <-c.closed:
			return
		}
		c.clock.Add(int64(min(now.Sub(last), crewTick*3/2))) // where the watch has to wait for a processor, calls have to as well
		last = now
		if lull++; c.look() {
			lull = 0
		}
		if lull < crewLull {
			continue
		}
		c.dismiss()
		c.watching.Store(false)
		if !c.busy() || !c.watching.CompareAndSwap(false, true) {
			return
		}
	}
}

// look leaves behind the calls whose time is over, gives up those that stay away, and reports whether there is more to watch.
func (c *Crew) look() bool {
	over, busy := c.survey()
	for _, w := range over {
		w.done <- outcome{left: true}
	}
	for _, s := range c.lost() {
		s.abandon(time.Now())
	}
	if heap := c.Heap.Load(); heap != nil {
		heap.tick(c)
	}
	return busy
}

// survey makes strays of those whose time is over, and reports whether any call runs.
func (c *Crew) survey() (over []*worker, busy bool) {
	beside := (c.running.Load() - 1) * int64(CrewTurn) // that began since may have been before it as well
	now := c.clock.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.all {
		until := w.until.Load()
		switch {
		case until == 0:
		case now-beside > until:
			if w.until.CompareAndSwap(until, 0) { // else it ended just now
				delete(c.all, w)
				c.strays[w] = struct{}{}
				w.since.Store(now)
				w.guard.Load().Standing.stray()
				over = append(over, w)
			}
		default:
			busy = true
		}
	}
	return over, busy || len(c.strays) > 0
}

// suspect is what the call runs under that runs longest of those which have run long, began before a moment and whose script holds anything;
// nil = there is none. One that was left behind before it comes first.
func (c *Crew) suspect(before int64, holds func(script string) int64) *Guard {
	since := min(c.clock.Load()-int64(heapSuspect), before-1)
	c.mu.Lock()
	defer c.mu.Unlock()
	var g *Guard
	look := func(w *worker) {
		if began := w.since.Load(); began <= since && holds(w.guard.Load().Standing.Script) > 0 {
			g, since = w.guard.Load(), began
		}
	}
	for w := range c.strays {
		look(w)
	}
	if g != nil {
		return g
	}
	for w := range c.all {
		if w.until.Load() != 0 {
			look(w)
		}
	}
	return g
}

// lost takes the calls that stayed away too long for good out of the strays, and returns the standings of their scripts.
func (c *Crew) lost() []*Standing {
	now := c.clock.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*Standing
	for w := range c.strays {
		if now-w.since.Load() > int64(crewStray) {
			delete(c.strays, w)
			all = append(all, w.guard.Load().Standing)
		}
	}
	return all
}

// busy reports whether there is anything to watch.
func (c *Crew) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.all {
		if w.until.Load() != 0 {
			return true
		}
	}
	return len(c.strays) > 0
}
