package proxy

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"sluice/engine"
	"sluice/engine/body"
)

// An AWS event stream is a row of frames: the length of the frame, the length of its headers and the CRC-32 of both, the headers, the
// payload, and the CRC-32 of everything before it. Numbers are big-endian.
const (
	framePrelude  = 12
	frameOverhead = framePrelude + 4
	// maxFrame is the largest frame that is read, in bytes: an event of maxEvent with its base64 and padding.
	maxFrame = 2 * maxEvent
)

const eventStreamType = "application/vnd.amazon.eventstream"

// frame is one message of an AWS event stream. Its parts point into what it was read from.
type frame struct {
	headers []byte
	payload []byte
}

// errFrame: an AWS event stream holds what is no frame.
var errFrame = errors.New("the event stream is corrupt")

func badFrame(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errFrame}, args...)...)
}

// readFrame reads the frame at the start of b, and its length. Zero: b does not hold all of it.
func readFrame(b []byte) (f frame, n int, err error) {
	if len(b) < framePrelude {
		return f, 0, nil
	}
	total, headers := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	switch {
	case crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]):
		return f, 0, badFrame("the checksum of a frame's head is wrong")
	case total < frameOverhead+headers:
		return f, 0, badFrame("a frame of %d bytes has %d bytes of headers", total, headers)
	case total > maxFrame:
		return f, 0, badFrame("a frame has %d bytes, want at most %d", total, maxFrame)
	case int64(len(b)) < total:
		return f, 0, nil
	}
	end := total - 4
	if crc32.ChecksumIEEE(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return f, 0, badFrame("the checksum of a frame is wrong")
	}
	f = frame{b[framePrelude : framePrelude+headers], b[framePrelude+headers : end]}
	return f, int(total), f.eachHeader(func(string, string) {})
}

// headerSizes are the lengths of a header's value by its type; -1 = two bytes tell it.
var headerSizes = [...]int{0, 0, 1, 2, 4, 8, -1, -1, 8, 16}

const headerText = 7

// eachHeader calls f for each header that is a text. Those of other types are skipped.
func (f frame) eachHeader(each func(name, value string)) error {
	for b := f.headers; len(b) > 0; {
		n := 1 + int(b[0])
		if len(b) < n+1 || int(b[n]) >= len(headerSizes) {
			return badFrame("a header has no known type")
		}
		name, kind := b[1:n], b[n]
		b = b[n+1:]
		size := headerSizes[kind]
		if size < 0 {
			if len(b) < 2 {
				return badFrame("a header ends early")
			}
			size = int(binary.BigEndian.Uint16(b))
			b = b[2:]
		}
		if len(b) < size {
			return badFrame("a header ends early")
		}
		if kind == headerText {
			each(string(name), string(b[:size]))
		}
		b = b[size:]
	}
	return nil
}

// appendFrame writes a frame with headers of texts, name and value by turns.
func appendFrame(b []byte, payload []byte, headers ...string) []byte {
	start := len(b)
	b = append(b, make([]byte, framePrelude)...)
	for i := 0; i < len(headers); i += 2 {
		b = append(append(b, byte(len(headers[i]))), headers[i]...)
		b = binary.BigEndian.AppendUint16(append(b, headerText), uint16(len(headers[i+1])))
		b = append(b, headers[i+1]...)
	}
	at := b[start:]
	binary.BigEndian.PutUint32(at[4:], uint32(len(at)-framePrelude))
	binary.BigEndian.PutUint32(at, uint32(len(at)+len(payload)+4))
	binary.BigEndian.PutUint32(at[8:], crc32.ChecksumIEEE(at[:8]))
	b = append(b, payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
}

// appendUnframed writes what a frame says as a server-sent event: the JSON that a chunk carries under its own type, an exception or an
// error as an error event for the dialect to translate. A frame of another kind says nothing.
func appendUnframed(b []byte, f frame) ([]byte, error) {
	h := make(map[string]string, 4)
	if err := f.eachHeader(func(name, value string) { h[name] = value }); err != nil {
		return b, err
	}
	switch h[":message-type"] {
	case "exception":
		return appendException(b, h[":exception-type"], messageOf(f.payload)), nil
	case "error":
		return appendException(b, h[":error-code"], h[":error-message"]), nil
	case "event":
		if h[":event-type"] == "chunk" {
			return appendChunk(b, f.payload)
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
	name, _ := textAt(data, "type")
	if strings.ContainsAny(name, "\r\n\x00") {
		return b, badFrame("the type of an event is %q", engine.Cut(name, 80))
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
	f, n, err := readFrame(u.frames)
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

// Write takes all of b, or fails as the writer under it does.
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
		if name, data, ok := parseEvent(f.held[end:f.at]); ok {
			f.out = appendFramed(f.out, name, data)
		}
		end = f.at
	}
	f.held = f.held[:copy(f.held, f.held[end:])]
	f.at -= end
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
		return appendFrame(b, appendBedrockError(nil, errorMessageOf(data)), ":message-type", "exception", ":exception-type", exceptionOf(kind),
			":content-type", "application/json")
	}
	payload := base64.StdEncoding.AppendEncode([]byte(`{"bytes":"`), data)
	payload = append(payload, `"}`...)
	return appendFrame(b, payload, ":message-type", "event", ":event-type", "chunk", ":content-type", "application/json")
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
