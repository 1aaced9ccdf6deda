package proxy

import (
	"bytes"

	"sluice/engine/body"
	"sluice/engine/turn"
)

// splitter finds where server-sent events end in bytes as they come. Lines end in LF, CR LF or CR; an empty line ends an event.
type splitter struct {
	midLine bool // the next byte continues a line
	afterCR bool // the last byte was a CR: an LF that follows belongs to it
}

// next returns the index after the first end of an event in b, or -1 if there is none. Every byte is to be given once: after an
// end, b goes on from there.
func (s *splitter) next(b []byte) int {
	if n := plainEvent(b); n > 0 && !s.midLine && !s.afterCR {
		return n
	}
	i := 0
	if s.afterCR && len(b) > 0 {
		s.afterCR = false
		if b[0] == '\n' {
			i = 1
		}
	}
	for i < len(b) {
		empty := !s.midLine && (b[i] == '\n' || b[i] == '\r')
		n := lineEnd(b[i:])
		if n < 0 {
			s.midLine = true
			return -1
		}
		s.midLine = false
		i += n + 1
		if b[i-1] == '\r' {
			switch {
			case i == len(b):
				s.afterCR = true
			case b[i] == '\n':
				i++
			}
		}
		if empty {
			return i
		}
	}
	return -1
}

// plainEvent is the length of the event that b begins with if all its lines end in LF, as nearly all do; 0 = it may be another.
func plainEvent(b []byte) int {
	for i := 0; ; i++ {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		if n == 0 {
			if i == 0 || bytes.IndexByte(b[:i], '\r') >= 0 {
				return 0
			}
			return i + 1
		}
		i += n
	}
}

// lineEnd is the index of the first CR or LF in b, or -1.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// byteOrderMark may stand before the first event of a stream, and belongs to none.
var byteOrderMark = []byte("\xef\xbb\xbf")

// parseEvent reads one whole event. data points into event, unless it had several lines. ok is false where there is neither a
// name nor data: comments and empty lines are no event.
func parseEvent(event []byte) (name, data []byte, ok bool) {
	if len(event) > 0 && event[0] == byteOrderMark[0] {
		event = bytes.TrimPrefix(event, byteOrderMark)
	}
	lines, returns := 0, bytes.IndexByte(event, '\r') >= 0
	for len(event) > 0 {
		line, n := event, bytes.IndexByte(event, '\n')
		if returns {
			n = lineEnd(event)
		}
		if n >= 0 {
			line, event = event[:n], event[n+1:]
		} else {
			event = nil
		}
		if v, found := field(line, "data"); found {
			if lines++; lines == 2 { // room for all that may follow
				data = append(make([]byte, 0, len(data)+1+len(v)+len(event)), data...)
			}
			if lines > 1 {
				v = append(append(data, '\n'), v...)
			}
			data, ok = v, true
		} else if v, found := field(line, "event"); found {
			name, ok = v, true
		}
	}
	return name, data, ok
}

// bare reports whether an event is its name and its data and nothing else: no comment, no id, no name that another one overrides.
func bare(event []byte) bool {
	names := 0
	for more := true; more; {
		var line []byte
		line, event, more = cutLine(event)
		_, isData := field(line, "data")
		_, isName := field(line, "event")
		if isName {
			names++
		}
		if len(line) > 0 && !isData && !isName || names > 1 {
			return false
		}
	}
	return true
}

// field returns the value of a line "name: value"; one space after the colon is not part of it.
func field(line []byte, name string) ([]byte, bool) {
	if len(line) < len(name) || line[0] != name[0] || string(line[:len(name)]) != name {
		return nil, false
	}
	if line = line[len(name):]; len(line) == 0 {
		return line, true
	}
	if line[0] != ':' {
		return nil, false
	}
	if line = line[1:]; len(line) > 0 && line[0] == ' ' {
		line = line[1:]
	}
	return line, true
}

// linesATurn is how many lines of an event are written until others run: they take some 200 us.
const linesATurn = 8 << 10

// appendEvent writes an event; data of several lines takes as many. Without a name it is data alone.
func appendEvent(b []byte, name string, data []byte) []byte {
	if name != "" {
		b = append(append(append(b, "event: "...), name...), '\n')
	}
	for n, more := 1, true; more; n++ {
		var line []byte
		line, data, more = cutLine(data)
		b = body.Grow(b, len("data: ")+len(line)+len("\n\n"))
		b = append(body.Append(append(b, "data: "...), line), '\n')
		if n%linesATurn == 0 {
			turn.Yield()
		}
	}
	return append(b, '\n')
}

// cutLine splits data after its first line, however that ends.
func cutLine(data []byte) (line, rest []byte, more bool) {
	n := lineEnd(data)
	if n < 0 {
		return data, nil, false
	}
	rest = data[n+1:]
	if data[n] == '\r' && len(rest) > 0 && rest[0] == '\n' {
		rest = rest[1:]
	}
	return data[:n], rest, true
}

// ping keeps a client from giving up. It may stand between any two events.
var ping = appendEvent(nil, "ping", []byte(`{"type": "ping"}`))

// stream is what is known of an event stream that goes by.
type stream struct {
	x     *exchange // which hears what it costs
	ended bool      // message_stop or error went by: what follows is of no matter
}

// see takes note of an event.
func (s *stream) see(name, data []byte) {
	s.count(name, data)
	s.end(name, data)
}

// end takes note of an event that goes out: the last one may be an error, which counts as it would if it had come with a status.
func (s *stream) end(name, data []byte) {
	if s.ended || !isLast(name) {
		return
	}
	s.ended, s.x.broke = true, string(name) == "error"
	if !s.x.broke {
		return
	}
	if status := statusOf(data); status >= 500 && status != 529 { // an overload asks for a pause
		s.x.relaying.answer.Broke()
	}
}

// count takes the tokens that an event tells, and what it says was made.
func (s *stream) count(name, data []byte) {
	switch string(name) {
	case "message_start":
		s.x.hearStart(data)
	case "message_delta":
		s.x.hear(data)
	case "content_block_start":
	default:
		return
	}
	s.x.keepMade(data)
}

// isLast reports whether nothing of matter follows an event of this name.
func isLast(name []byte) bool { return string(name) == "message_stop" || string(name) == "error" }
