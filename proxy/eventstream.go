package proxy

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"sluice/engine"
	"sluice/engine/body"
	"sluice/proxy/eventstream"
)

const eventStreamType = "application/vnd.amazon.eventstream"

func badFrame(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{eventstream.ErrCorrupt}, args...)...)
}

// appendUnframed writes what a frame says as a server-sent event: the JSON that a chunk carries under its own type, an exception or an
// error as an error event for the dialect to translate. A frame of another kind says nothing.
func appendUnframed(b []byte, f eventstream.Frame) ([]byte, error) {
	h := make(map[string]string, 4)
	if err := f.EachHeader(func(name, value string) { h[name] = value }); err != nil {
		return b, err
	}
	switch h[":message-type"] {
	case "exception":
		return appendException(b, h[":exception-type"], messageOf(f.Payload)), nil
	case "error":
		return appendException(b, h[":error-code"], h[":error-message"]), nil
	case "event":
		if h[":event-type"] == "chunk" {
			return appendChunk(b, f.Payload)
		}
	}
	return b, nil
}

func appendChunk(b, payload []byte) ([]byte, error) {
	text, ok := textAt(payload, "bytes")
	if !ok {
		return b, badFrame("a chunk has no bytes")
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return b, badFrame("the bytes of a chunk are not base64")
	}
	if _, err := body.Scan(data); err != nil {
		return b, badFrame("the bytes of a chunk are not JSON")
	}
	name, _ := textAt(data, "type")
	if strings.ContainsAny(name, "\r\n\x00") {
		return b, badFrame("the type of an event is more than one line")
	}
	return appendEvent(b, name, data), nil
}

func appendException(b []byte, kind, message string) []byte {
	data := body.AppendString([]byte(`{"exception":`), kind)
	data = append(body.AppendString(append(data, `,"message":`...), message), '}')
	return appendEvent(b, "error", data)
}

// messageOf is the message of an exception's payload, or all of it.
func messageOf(payload []byte) string {
	if text, ok := textAt(payload, "message"); ok {
		return text
	}
	return engine.Cut(string(payload), engine.MaxErrorMessage)
}

// textAt is the text under a key of a JSON object.
func textAt(json []byte, key string) (string, bool) {
	top, err := body.Scan(json)
	if err != nil {
		return "", false
	}
	v, _ := top.Get(key)
	return v.Text()
}

// unframer reads the frames of an answer as server-sent events. One goroutine uses it.
type unframer struct {
	io.ReadCloser
	buf    []byte
	frames []byte // in buf: read and not yet unframed
	events []byte // unframed and not yet read
	room   []byte // of events
	end    error  // how the answer ended, once all frames before that were read
}

// unframe makes an answer in AWS frames a stream of server-sent events.
func unframe(r *engine.Response) {
	if r.Status/100 != 2 || !engine.EqualFold(r.Headers.Get("content-type"), eventStreamType) {
		return
	}
	h := r.Headers.Clone(0)
	h.Set("content-type", "text/event-stream")
	h.Remove("content-length")
	r.Headers, r.Length = h, -1
	r.Body = &unframer{ReadCloser: r.Body, buf: make([]byte, relayBuffer)}
}

// Read returns io.EOF only between two frames, and 0 bytes without an error as often as the body under it does.
func (u *unframer) Read(p []byte) (int, error) {
	for len(u.events) == 0 {
		more, err := u.next()
		switch {
		case err != nil:
			u.frames, u.end = nil, err
			return 0, err
		case more:
			continue
		case u.end == io.EOF && len(u.frames) > 0:
			u.frames, u.end = nil, badFrame("it ended within a frame")
			return 0, u.end
		case u.end != nil:
			return 0, u.end
		}
		n, err := u.fill()
		if u.end = err; n == 0 && err == nil {
			return 0, nil
		}
	}
	n := copy(p, u.events)
	u.events = u.events[n:]
	return n, nil
}

// next unframes one frame, if all of it is there.
func (u *unframer) next() (bool, error) {
	f, n, err := eventstream.Read(u.frames)
	if n == 0 || err != nil {
		return false, err
	}
	u.frames = u.frames[n:]
	u.room, err = appendUnframed(u.room[:0], f)
	u.events = u.room
	return true, err
}

// fill reads more of the answer.
func (u *unframer) fill() (int, error) {
	if held := len(u.frames); held == len(u.buf) {
		larger := make([]byte, 2*held)
		copy(larger, u.frames)
		u.buf, u.frames = larger, larger[:held]
	} else {
		u.frames = u.buf[:copy(u.buf, u.frames)]
	}
	held := len(u.frames)
	n, err := u.ReadCloser.Read(u.buf[held:])
	u.frames = u.buf[:held+n]
	return n, err
}

// framer writes server-sent events as AWS frames. What it is given may be cut anywhere.
type framer struct {
	to       io.Writer
	splitter splitter
	held     []byte // the beginning of an event
	at       int    // up to where held was split
	out      []byte
}

// Write takes all of b, or fails as the writer under it does, or where no frame can hold an event.
func (f *framer) Write(b []byte) (int, error) {
	f.held, f.out = append(f.held, b...), f.out[:0]
	end := 0
	for f.at < len(f.held) {
		n := f.splitter.next(f.held[f.at:])
		if n < 0 {
			f.at = len(f.held)
			break
		}
		f.at += n
		if name, data, ok := parseEvent(f.held[end:f.at]); ok && (len(data) > 0 || string(name) == "error") { // a chunk of nothing is no JSON
			f.out = appendFramed(f.out, name, data)
		}
		end = f.at
	}
	f.held = f.held[:copy(f.held, f.held[end:])]
	f.at -= end
	if len(f.held) > eventstream.MaxFrame {
		*f = framer{to: f.to} // what follows begins anew
		return 0, errEventTooLarge
	}
	if len(f.out) == 0 {
		return len(b), nil
	}
	if _, err := f.to.Write(f.out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// appendFramed writes an event as Bedrock does: as a chunk, or an error as an exception.
func appendFramed(b []byte, name, data []byte) []byte {
	if string(name) == "error" {
		kind := ""
		if top, err := body.Scan(data); err == nil {
			v, _ := top.Value().Get(body.Path{"error", "type"})
			kind, _ = v.Text()
		}
		return eventstream.Append(b, appendBedrockError(nil, errorMessageOf(data)), ":message-type", "exception", ":exception-type", exceptionOf(kind),
			":content-type", "application/json")
	}
	payload := base64.StdEncoding.AppendEncode([]byte(`{"bytes":"`), data)
	payload = append(payload, `"}`...)
	return eventstream.Append(b, payload, ":message-type", "event", ":event-type", "chunk", ":content-type", "application/json")
}

// exceptionOf is what Bedrock calls a kind of error in the middle of a stream.
func exceptionOf(kind string) string {
	switch kind {
	case "rate_limit_error":
		return "throttlingException"
	case "overloaded_error":
		return "serviceUnavailableException"
	case "invalid_request_error":
		return "validationException"
	case "timeout_error":
		return "modelTimeoutException"
	}
	return "internalServerException"
}
