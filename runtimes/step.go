package runtimes

import (
	"errors"
	"fmt"
	"time"

	"sluice/engine/turn"
)

// within runs step on a goroutine of its own; requests go first. When the deadline passes it returns an *abandoned and leaves the goroutine
// to itself.
func within[T any](a *Admission, what string, step func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	turn.Yield()
	done := make(chan result, 1)
	go func() {
		v, err := step()
		done <- result{v, err}
	}()
	deadline := a.deadline()
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
		var none T
		return none, &abandoned{fmt.Sprintf("%s took longer than %v and was abandoned", what, deadline)}
	}
}

// abandoned is the error of a step that did not end: nothing that it used may be used again.
type abandoned struct{ text string }

func (e *abandoned) Error() string { return e.text }

func wasAbandoned(err error) bool {
	var e *abandoned
	return errors.As(err, &e)
}
