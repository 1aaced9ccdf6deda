package proxy

import (
	"bytes"
	"errors"
	"io"
	"time"

	"sluice/engine"
	"sluice/engine/body"
	"sluice/engine/turn"
)

// maxEvent is the largest event that is held back until it is whole, in bytes. A larger one passes in pieces and unseen.
const maxEvent = 1 << 20

// maxOut is from where on what replaces events goes out before all that was read is looked at, in bytes: of one read of small events a
// dialect may make many megabytes.
const maxOut = 1 << 20

// errTruncated: an event stream ended in good order but not with its last event.
var errTruncated = errors.New("the stream ended before its last event")

// eventRelay passes an event stream on, byte for byte but whole events only. So the client always stands between two events,
// where a ping may go out, an event may be replaced, and an error be told that it can read.
type eventRelay struct {
	*relay
	to       io.Writer
	buf      []byte
	held     int // bytes at the start of buf: the beginning of an event that is not whole
	splitter splitter
	inside   bool      // the client has a part of an event that was too large to hold
	out      []byte    // what goes out in one piece, where something was replaced
	first    *early    // what went out while the head waited; nil = it did not wait
	over     bool      // the stream was ended before the upstream ended it
	last     bool      // what the upstream sent is here to its end, which can go out with it
	sent     time.Time // when the client last got a byte
}

func (e *eventRelay) pour() error {
	for !e.over {
		wake := time.Time{}
		if !e.inside {
			wake = e.sent.Add(e.x.server.PingEvery)
		}
		e.x.life.pace.wake = wake
		n, err := e.answer.Body.Read(e.buf[e.held:])
		if n == 0 && err == nil && !wake.IsZero() && !time.Now().Before(wake) {
			if err := e.send(ping); err != nil {
				return err
			}
			continue
		}
		e.last = err == io.EOF
		if e.transform.works() {
			e.transform.shift = turn.Shift{}
		}
		if err := e.pass(e.held + n); err != nil {
			return err
		}
		if err != nil && !e.over {
			return e.finish(err)
		}
	}
	return nil
}

// pass sends what of the first n bytes of buf is whole events, and holds the rest.
func (e *eventRelay) pass(n int) error {
	sent, end, at := 0, 0, e.held // sent: up to where it is done with; end: of the last whole event; at: up to where it was split
	for at < n {
		k := e.splitter.next(e.buf[at:n])
		if k < 0 {
			break
		}
		at += k
		replacement, replaces, err := e.see(e.buf[end:at])
		if err != nil {
			return e.failed(e.buf[sent:end], err)
		}
		if replaces {
			e.out = body.Append(body.Append(e.out, e.buf[sent:end]), replacement)
			if sent = at; len(e.out) > maxOut {
				if err := e.drain(); err != nil {
					return err
				}
			}
		}
		end = at
	}
	if e.inside || n-end == len(e.buf) && !e.grow() {
		if before, err := e.transform.tooLarge(); err != nil {
			return e.failed(e.buf[sent:end], err)
		} else if len(before) > 0 {
			e.out, sent = body.Append(e.out, before), end
		}
		e.inside, end = true, n
	}
	switch err := e.flush(e.buf[sent:end]); {
	case err == errEventTooLarge:
		return e.failed(nil, err)
	case err != nil:
		return err
	}
	e.held = copy(e.buf, e.buf[end:n])
	return nil
}

// flush sends what waits in out, and b after it.
func (e *eventRelay) flush(b []byte) error {
	if len(e.out) > 0 {
		e.out = append(e.out, b...)
		b, e.out = e.out, e.out[:0]
	}
	return e.send(b)
}

// drain sends what waits in out, more of which is to come.
func (e *eventRelay) drain() error {
	b := e.out
	if e.out = b[:0]; cap(b) > 2*maxOut {
		e.out = nil
	}
	e.sent = time.Now()
	e.down.hold = false
	return e.write(e.to, b)
}

// grow makes room for an event that fills all of buf. It reports false when the event is too large.
func (e *eventRelay) grow() bool {
	if len(e.buf) >= maxEvent {
		return false
	}
	next := make([]byte, 4*len(e.buf))
	copy(next, e.buf)
	e.buf = next
	return true
}

// see takes note of an event that is whole, and returns what is sent in its place, if anything is: also where it has lines that no dialect
// sees, and its dialect must see all.
func (e *eventRelay) see(event []byte) (replacement []byte, replaces bool, err error) {
	if e.inside {
		e.inside = false
		return nil, false, nil
	}
	name, data, ok := parseEvent(event)
	unseen := e.transform.closed() && !bare(event)
	switch {
	case unseen && ok:
		event = appendEvent(nil, string(name), data)
	case unseen:
		event = []byte{}
	}
	if ok {
		replacement, replaces, err = e.seeEvent(event, name, data)
	}
	if unseen && !replaces {
		return event, err == nil, err
	}
	return replacement, replaces, err
}

// seeEvent has the dialect look at an event, and returns what is sent in its place, if anything is.
func (e *eventRelay) seeEvent(event, name, data []byte) (replacement []byte, replaces bool, err error) {
	e.batch.add(len(event))
	if string(name) != "error" && e.transform.works() {
		return e.transform.apply(e.stream, event, name, data)
	}
	e.stream.see(name, data)
	if string(name) != "error" {
		return nil, false, nil
	}
	normalized := e.answer.NormalizeEvent(&e.x.flow, data)
	return appendEvent(nil, "error", normalized), normalized != nil, nil
}

func (e *eventRelay) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	e.sent = time.Now()
	e.down.hold = e.last
	return e.write(e.to, b)
}

// finish ends the stream after err: cleanly if it was whole, however its connection ended behind it, else with one event that says why.
func (e *eventRelay) finish(err error) error {
	before := e.stream.ended
	switch whole := e.transform.works() && e.transform.last; {
	case err == io.EOF, e.x.life.Err() != nil, before:
	case whole:
		err, e.held = io.EOF, 0 // with what was begun behind it
	default:
		e.answer.Broke()
	}
	switch {
	case !e.transform.works():
		if err == io.EOF && e.held > 0 && !e.inside {
			e.endLast()
		}
	case cutCode(err) != engine.CodeClientGone:
		if err := e.transformEnd(err); err != nil || e.over {
			return err
		}
	}
	switch {
	case e.stream.ended && !before && err != io.EOF: // the dialect told the client that its stream broke off
		e.cut = err
		return nil
	case e.stream.ended, err == io.EOF && e.mayStop():
		if e.whole = true; e.transform.closed() { // what began after the last event and never ended
			return nil
		}
		return e.send(e.buf[:e.held])
	case err == io.EOF && e.transform.works() && e.transform.last:
		err = e.answer.Unfinished(&e.x.flow)
	case err == io.EOF:
		err = errTruncated
	}
	e.cut = err
	if cutCode(err) == engine.CodeClientGone {
		return err
	}
	return e.sendError(err)
}

// endLast ends what is held, if that is the last event of a stream without its empty line. Of a stream that ended with it nothing is missing but
// that, without which its client would not see it.
func (e *eventRelay) endLast() {
	event := bytes.TrimRight(e.buf[:e.held], "\r\n")
	event = append(event[:len(event):len(event)], "\n\n"...) // a copy: it may be no last one
	name, data, _ := parseEvent(event)
	if _, err := body.Scan(data); err != nil || e.stream.ended || !isLast(name) {
		return
	}
	replacement, replaces, _ := e.see(event) // fails where a dialect does
	if !replaces {
		replacement = event
	}
	e.buf, e.held = replacement, len(replacement)
}

// sendError sends one event that says why the stream ends here.
func (e *eventRelay) sendError(err error) error {
	kind, message := e.blame(err)
	var frame []byte
	if e.inside {
		frame = append(frame, "\n\n"...)
	}
	return e.send(appendEvent(frame, "error", appendError(nil, kind, message, e.x.req.RequestID)))
}

// mayStop reports whether this stream may end with any event. A message may not.
func (e *eventRelay) mayStop() bool { return e.x.req.Path != "/v1/messages" }

// A batch of events is told to the observers when it is this large, or this old.
const (
	batchEvents = 32
	batchAge    = 100 * time.Millisecond
)

// chunkBatch gathers the events that went by for the observers that want to know.
type chunkBatch struct {
	feed  *engine.Feed // nil = nobody wants to know
	chunk engine.Chunk
	since time.Time
}

func (b *chunkBatch) start(x *exchange) {
	if x.gen.Observers.WantsChunks() {
		b.feed, b.chunk.RequestID = x.gen.Observers, x.req.RequestID
	}
}

func (b *chunkBatch) add(bytes int) {
	if b.feed == nil {
		return
	}
	now := time.Now()
	if b.chunk.Events == 0 {
		b.since = now
	}
	b.chunk.Events++
	b.chunk.Bytes += int64(bytes)
	if b.chunk.Events >= batchEvents || now.Sub(b.since) >= batchAge {
		b.flush(now)
	}
}

func (b *chunkBatch) flush(now time.Time) {
	if b.feed == nil || b.chunk.Events == 0 {
		return
	}
	b.chunk.At = now
	b.feed.Emit(b.chunk)
	b.chunk.Index++
	b.chunk.Events, b.chunk.Bytes = 0, 0
}
