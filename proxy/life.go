package proxy

import (
	"context"
	"sync"
	"time"
)

// life is the context of one exchange. It lies in the exchange, and most never need a channel: one that is ended tells so by Err, which is
// also its cause, and those that hang on it are told by a call. Anyone may end it.
type life struct {
	pace pace

	mu    sync.Mutex
	cause error         // why it ended, nil = it has not; guarded by mu
	done  chan struct{} // nil until somebody wants one; guarded by mu
	last  int           // of the numbers of tied; guarded by mu
	tied  []tie         // guarded by mu
	room  [2]tie        // what tied begins with
}

// tie is a call that waits for the end of a life.
type tie struct {
	number int
	call   func()
}

// end ends the life for a cause, nil = there is nothing more to do. Only the first time counts. What is tied to it is called before end
// returns.
func (l *life) end(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	l.mu.Lock()
	if l.cause != nil {
		l.mu.Unlock()
		return
	}
	l.cause = cause
	tied := l.tied
	l.tied = nil
	if l.done != nil {
		close(l.done)
	}
	l.mu.Unlock()
	for _, t := range tied {
		t.call()
	}
}

// AfterFunc has f called when the life ends, unless stop is called before, which then returns true. Package context knows this method.
func (l *life) AfterFunc(f func()) (stop func() bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		go f() // who ties itself may hold a lock that f wants
		return func() bool { return false }
	}
	if l.tied == nil {
		l.tied = l.room[:0]
	}
	l.last++
	number := l.last
	l.tied = append(l.tied, tie{number, f})
	return func() bool { return l.untie(number) }
}

func (l *life) untie(number int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.tied {
		if l.tied[i].number == number {
			last := len(l.tied) - 1
			l.tied[i], l.tied[last] = l.tied[last], tie{}
			l.tied = l.tied[:last]
			return true
		}
	}
	return false
}

// Done is closed when the life ends.
func (l *life) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
		if l.cause != nil {
			close(l.done)
		}
	}
	return l.done
}

// Err is why the life ended, nil = it has not.
func (l *life) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// Deadline says that there is none.
func (l *life) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value finds the pace.
func (l *life) Value(key any) any {
	if key == (paceKey{}) {
		return &l.pace
	}
	return nil
}

// afterEnd has f called when ctx ends, as context.AfterFunc does, which costs a context of its own.
func afterEnd(ctx context.Context, f func()) (stop func() bool) {
	if l, ok := ctx.(*life); ok {
		return l.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}
