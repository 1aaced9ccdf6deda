package lua

import (
	"slices"
	"sync"
	"time"

	"sluice/engine"
)

// idle is the states of a script that no call uses. They wait in a stack, so that the one used last, which is warm, serves next. Where the top
// level allocates much they are few, and there, or where it takes long, to start another one costs far more than most calls do: a call that finds
// none waits for one to come back. Since those who have one may have it for long, another one is started now and then while any call waits.
type idle struct {
	most  int           // of them
	start time.Duration // how long it takes to start one, 0 = nobody waits for one to come back

	mu     sync.Mutex
	states []*state          // guarded by mu
	heir   *state            // what its top level left is held by the script; nil = that is for the next one. Guarded by mu
	out    int               // states that calls use, or start; guarded by mu
	line   []*waiter         // the one that has waited longest first; guarded by mu
	looks  bool              // look is called some time; guarded by mu
	turns  map[string]uint64 // when each principal's turn was last, of those who waited since the line was empty; guarded by mu
	turn   uint64            // guarded by mu
}

// waiter is a call that waits for a state.
type waiter struct {
	principal string
	since     time.Time
	state     chan *state // has room for one; nil = the call is to start one
}

// short is the part of a call's time that a start may take until calls wait rather than start a state.
const short = 8

// bound sets how many may be idle, and whether calls wait for one, by what the top level of the first took.
func (i *idle) bound(b engine.Budget, first *state) {
	if b.Memory > 0 && first.atLoad > b.Memory/int64(i.most) {
		i.most, i.start = int(max(1, b.Memory/first.atLoad)), first.took
	}
	if b.Time > 0 && first.took > b.Time/short {
		i.start = first.took
	}
}

// take returns a state that nobody else uses. Nil is for the caller to start one. Whatever it was is put back, or lost. What the call waits is
// none of its own time.
func (i *idle) take(watch engine.Watch) *state {
	s, w := i.now(watch)
	if w == nil {
		return s
	}
	began := time.Now()
	paused := watch.Pause()
	s = <-w.state
	if paused {
		watch.Resume(time.Since(began))
	}
	return s
}

// now is take for a call that does not wait, or how it does.
func (i *idle) now(watch engine.Watch) (*state, *waiter) {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := len(i.states)
	if n == 0 && i.start > 0 && i.out > 0 && watch != nil { // a probe or a test waits for nobody
		return nil, i.wait(watch)
	}
	i.out++
	if n == 0 {
		return nil, nil
	}
	s := i.states[n-1]
	i.states = i.states[:n-1]
	return s, nil
}

// wait puts a call in line. It is called with mu held.
func (i *idle) wait(watch engine.Watch) *waiter {
	w := &waiter{principal: watch.Principal(), since: time.Now(), state: make(chan *state, 1)}
	if i.turns == nil {
		i.turns = make(map[string]uint64)
	}
	if i.line = append(i.line, w); !i.looks {
		i.looks = true
		time.AfterFunc(i.patience(), i.look)
	}
	return w
}

// patience is how long a call waits until another state is started, and how long none is started after that: the more there are the less one
// more helps. It is called with mu held.
func (i *idle) patience() time.Duration { return i.start * time.Duration(1+i.out) }

// look has another state started if a call has waited long.
func (i *idle) look() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.looks = len(i.line) > 0; !i.looks {
		return
	}
	left := i.patience() - time.Since(i.line[0].since)
	if left <= 0 {
		i.serve(nil)
		left = i.patience()
	}
	time.AfterFunc(left, i.look)
}

// serve ends the wait of one call. Principals take turns. It is called with mu held.
func (i *idle) serve(s *state) {
	next := 0
	for n, w := range i.line {
		if i.turns[w.principal] < i.turns[i.line[next].principal] {
			next = n
		}
	}
	w := i.line[next]
	if i.line = slices.Delete(i.line, next, next+1); len(i.line) == 0 {
		clear(i.turns)
	}
	i.out++
	i.turn++
	i.turns[w.principal] = i.turn
	w.state <- s
}

// put takes a state back, and reports whether it is kept.
func (i *idle) put(s *state) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.out--
	if len(i.line) > 0 {
		i.serve(s)
		return true
	}
	if len(i.states) >= i.most {
		if i.heir == s {
			i.heir = nil
		}
		return false
	}
	i.states = append(i.states, s)
	return true
}

// inherits reports whether what a state's top level left is held by the script.
func (i *idle) inherits(s *state) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.heir == nil {
		i.heir = s
	}
	return i.heir == s
}

// lost is told that a state will not come back; nil = it was not started. Where what its top level left is held by the script, who waits starts
// one in its place.
func (i *idle) lost(s *state) {
	i.mu.Lock()
	defer i.mu.Unlock()
	inherits := s != nil && i.heir == s
	if inherits {
		i.heir = nil
	}
	if i.out--; len(i.line) > 0 && (inherits || i.out == 0) {
		i.serve(nil)
	}
}
