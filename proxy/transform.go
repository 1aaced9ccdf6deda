package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"sluice/engine"
	"sluice/engine/body"
	"sluice/engine/turn"
)

// transform is a dialect's part in one stream. Until something transformed has gone out, its failure lets the original pass: so the
// events that it dropped are held until then. Afterwards the original is never mixed in.
type transform struct {
	answer  *engine.Answer
	x       *exchange
	changed bool       // something transformed went out
	held    []byte     // events dropped before that
	off     bool       // it failed, and the original passes
	last    bool       // the upstream's own last event went by
	out     []byte     // room for what goes out in place of an event
	shift   turn.Shift // the events of one read
}

// works reports whether events are to be given to the dialect.
func (t *transform) works() bool { return t != nil && !t.off }

// closed reports whether nothing may pass but what the dialect saw: of an event, its name and its data.
func (t *transform) closed() bool { return t != nil && t.answer.Dialect.Policy == engine.FailClosed }

var errEventTooLarge = fmt.Errorf("an event is larger than %d MiB", maxEvent>>20)

// apply lets the dialect translate an event, and returns what is sent in its place, if anything is. The result is good until the next
// call. An error ends the stream.
func (t *transform) apply(s *stream, event, name, data []byte) (replacement []byte, replaces bool, err error) {
	t.last = t.last || isLast(name)
	if wireIsAnthropics(t.answer) {
		s.count(name, data)
	}
	events, err := t.answer.TransformEvent(&t.x.flow, engine.StreamEvent{Name: string(name), Data: data, Size: len(event)})
	t.shift.Part()
	switch {
	case err != nil:
		before, err := t.fail(err)
		if err == nil {
			s.see(name, data)
		}
		return append(before, event...), err == nil, err
	case events == nil, len(events) == 1 && events[0].Received:
		t.note(s, name, data)
		t.wentOut(len(t.held) > 0)
		return nil, false, nil
	case len(events) == 0 && !t.changed:
		t.hold(event)
		return nil, true, nil
	}
	t.wentOut(true)
	out := t.write(t.out[:0], s, events, event)
	if t.out = out; cap(out) > maxOut {
		t.out = nil
	}
	return out, true, nil
}

// hold keeps a dropped event for the case that the original has to pass after all.
func (t *transform) hold(event []byte) {
	if t.held = append(t.held, event...); len(t.held) > maxEvent {
		t.wentOut(true)
	}
}

// wentOut notes that something goes out. From the first transformed byte on there is no way back.
func (t *transform) wentOut(transformed bool) {
	if transformed {
		t.changed, t.held = true, nil
	}
}

// note takes note of an event that goes out.
func (t *transform) note(s *stream, name, data []byte) {
	if !wireIsAnthropics(t.answer) {
		s.count(name, data)
	}
	s.end(name, data)
}

func (t *transform) write(b []byte, s *stream, events []engine.StreamEvent, received []byte) []byte {
	for i := range events {
		e := &events[i]
		t.note(s, []byte(e.Name), e.Data)
		if e.Received {
			b = append(b, received...)
		} else {
			b = appendEvent(b, e.Name, e.Data)
		}
		t.shift.Part()
	}
	return b
}

// fail ends the dialect's part. Without an error the original passes, with what was held of it before; an error ends the stream.
func (t *transform) fail(err error) (before []byte, _ error) {
	t.off = true
	if t.changed || t.answer.Dialect.Policy == engine.FailClosed {
		return nil, t.answer.TransformFailed(err)
	}
	before, t.held = t.held, nil
	return before, nil
}

// tooLarge ends the dialect's part in a stream with an event that cannot be held whole.
func (t *transform) tooLarge() (before []byte, _ error) {
	if !t.works() {
		return nil, nil
	}
	return t.fail(errEventTooLarge)
}

// end tells the dialect that no event is left, and returns what is sent before the end.
func (t *transform) end(s *stream, complete bool) ([]byte, error) {
	events, err := t.answer.TransformEvent(&t.x.flow, engine.StreamEvent{Name: engine.EndEvent, End: true, Complete: complete})
	if err == nil {
		return t.write(nil, s, events, nil), nil
	}
	before, err := t.fail(err)
	s.ended = s.ended || err == nil && t.last
	return before, err
}

// transformEnd gives the dialect what is left of the stream, and its end. An error ends the stream at once.
func (e *eventRelay) transformEnd(err error) error {
	if left := bytes.TrimRight(e.buf[:e.held:e.held], "\r\n"); err == io.EOF && len(left) == 0 {
		if !e.transform.closed() { // no more than the LF of the last CR LF
			e.out = body.Append(e.out, e.buf[:e.held])
		}
		e.held = 0
	} else if err == io.EOF { // an event without its empty line
		event := body.Append(left, []byte("\n\n"))
		e.held = 0
		replacement, replaces, err := e.see(event)
		if !replaces {
			replacement = event
		}
		if err != nil {
			return e.failed(nil, err)
		}
		e.out = body.Append(e.out, replacement)
		if !e.transform.works() { // not any more
			return e.flush(nil)
		}
	}
	complete := err == io.EOF && (e.transform.last || !wireIsAnthropics(e.answer) || e.mayStop())
	rest, err := e.transform.end(e.stream, complete)
	if err != nil {
		return e.failed(nil, err)
	}
	return e.flush(rest)
}

// errRefusedFirst: the dialect failed while the client can still be told by a status.
var errRefusedFirst = errors.New("refused before the head went out")

// failed sends what there is, b at its end, and ends the stream because of err.
func (e *eventRelay) failed(b []byte, err error) error {
	e.cut, e.over, e.held = err, true, 0
	if e.first != nil && len(*e.first) == 0 && len(e.out)+len(b) == 0 {
		return errRefusedFirst
	}
	if err := e.flush(b); err != nil {
		return err
	}
	return e.sendError(err)
}

// primePiece is how much is read at once while the head waits, in bytes: what all events in it become is held.
const primePiece = 256

// early holds what goes out once the head does. Others run while it takes in what is long.
type early []byte

func (b *early) Write(p []byte) (int, error) {
	*b = body.Append(*b, p)
	return len(p), nil
}

// prime goes on until something goes out or the stream ends, and keeps what went out in first: a dialect with on_error: closed can refuse
// the answer as long as its head waits.
func (e *eventRelay) prime() *engine.Refusal {
	e.first = new(early)
	e.to = e.first
	for len(*e.first) == 0 && !e.over {
		n, err := e.answer.Body.Read(e.buf[e.held:min(e.held+primePiece, len(e.buf))])
		failure := e.pass(e.held + n)
		if failure == nil && err != nil && !e.over {
			failure, e.over = e.finish(err), true
		}
		switch {
		case failure == errRefusedFirst:
			return refusalOf(e.cut)
		case failure != nil:
			return refusalOf(causeOr(&e.x.life, failure))
		}
	}
	return nil
}

// resume goes on, once the head is out, where prime stopped.
func (e *eventRelay) resume(to io.Writer) error {
	e.to = to
	_, err := to.Write(*e.first) // counted when it was written the first time
	e.first, e.sent = nil, time.Now()
	if err != nil || e.over {
		return err
	}
	return e.pour()
}
