package proxy

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
)

// parseHeaders reads the raw header block of a request, in order and to the letter. The block was validated when it was read; ok
// is false where a line is folded or a name holds a space, which nobody needs and two parsers read differently.
func parseHeaders(raw string) (h engine.Headers, ok bool) {
	h = make(engine.Headers, 0, strings.Count(raw, "\n"))
	for raw != "" {
		var line string
		line, raw, _ = strings.Cut(raw, "\n")
		line = strings.TrimSuffix(line, "\r")
		name, value, found := strings.Cut(line, ":")
		switch {
		case line == "":
		case !found, line[0] == '\t', strings.IndexByte(name, ' ') >= 0:
			return nil, false
		default:
			h = append(h, engine.Header{Name: name, Value: trimBlank(value)})
		}
	}
	return h, true
}

// trimBlank drops what may stand around the value of a line. strings.Trim makes a set of it each time.
func trimBlank(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// named are the names in Connection beside the known ones, in small letters: lines that end at this hop. A hostile Connection names
// thousands; nil = it names none.
func named(h engine.Headers) (names map[string]bool) {
	for v := range h.All("connection") {
		for name := range strings.SplitSeq(v, ",") {
			if name = trimBlank(name); name != "" && !engine.HopByHop(name) && !engine.EqualFold(name, "close") {
				if names == nil {
					names = make(map[string]bool)
				}
				names[strings.ToLower(name)] = true
			}
		}
	}
	return names
}

// endToEnd drops, in place, the lines that end at this hop: the known ones and those that Connection names.
func endToEnd(h engine.Headers) engine.Headers {
	if !slices.ContainsFunc(h, func(line engine.Header) bool { return engine.HopByHop(line.Name) }) {
		return h // there is no Connection either
	}
	kept, named := h[:0], named(h)
	for _, line := range h {
		if !engine.HopByHop(line.Name) && (named == nil || !named[strings.ToLower(line.Name)]) {
			kept = append(kept, line)
		}
	}
	return kept
}

// scriptHeaders are the lines of a request that scripts and upstreams may see: nothing of this hop, and no credential under any
// name.
func scriptHeaders(h engine.Headers, key string) engine.Headers {
	const hidden = engine.HeaderHopByHop | engine.HeaderCredential | engine.HeaderTransport
	named := named(h) // a Connection that holds the key still names what ends here
	out := make(engine.Headers, 0, len(h))
	for _, line := range h {
		switch {
		case engine.ClassOf(line.Name)&hidden != 0, named != nil && named[strings.ToLower(line.Name)], key != "" && strings.Contains(line.Value, key):
		default:
			out = append(out, line)
		}
	}
	return out
}

// clientCredential are the lines that the client authenticates itself with at the provider. One that holds our own key is not
// among them.
func clientCredential(h engine.Headers, key string) engine.Credential {
	var lines engine.Headers
	for _, line := range h {
		own := engine.EqualFold(line.Name, "x-api-key") || engine.EqualFold(line.Name, "authorization")
		if own && !strings.Contains(line.Value, key) {
			lines = append(lines, line)
		}
	}
	return engine.NewCredential(lines)
}

// withheld reports whether a line of an upstream's answer does not reach the client: the gateway writes it itself, or it must not mix the
// clients of one upstream.
func withheld(name string) bool {
	if name == "" {
		return true
	}
	switch name[0] | 0x20 {
	case 'c':
		return engine.EqualFold(name, "content-length") || engine.EqualFold(name, "connection") || engine.HasFoldPrefix(name, "cf-")
	case 'd':
		return engine.EqualFold(name, "date")
	case 's':
		return engine.EqualFold(name, "set-cookie")
	case 't':
		return engine.EqualFold(name, "transfer-encoding")
	case 'x':
		return engine.HasFoldPrefix(name, "x-sluice-")
	}
	return false
}

// appendHeaders writes an upstream's lines for the client, and in the place of some what the key has left: its account's limits are not
// the client's. It names the request: by the upstream's id where it gave one.
func appendHeaders(b []byte, h, left engine.Headers, requestID string) []byte {
	for _, line := range left {
		b = appendLine(b, line.Name, line.Value)
	}
	own := "request-id"
	for _, line := range h {
		if _, ours := left.Lookup(line.Name); ours || withheld(line.Name) {
			continue
		}
		if engine.EqualFold(line.Name, "request-id") {
			own = "x-sluice-request-id"
		}
		b = appendLine(b, line.Name, line.Value)
	}
	return appendLine(b, own, requestID)
}

func appendLine(b []byte, name, value string) []byte {
	return append(append(append(append(b, name...), ':', ' '), value...), '\r', '\n')
}

// appendStatus writes the first line of an answer, and its date.
func appendStatus(b []byte, status int, now time.Time) []byte {
	b = strconv.AppendInt(append(b, "HTTP/1.1 "...), int64(status), 10)
	b = append(append(append(b, ' '), fasthttp.StatusMessage(status)...), "\r\nDate: "...)
	return append(appendDate(b, now), "\r\n"...)
}

// lastDate is the text of the second that an answer was last written in.
var lastDate atomic.Pointer[date]

type date struct {
	second int64
	text   []byte
}

func appendDate(b []byte, now time.Time) []byte {
	d := lastDate.Load()
	if second := now.Unix(); d == nil || d.second != second {
		d = &date{second, fasthttp.AppendHTTPDate(nil, now)}
		lastDate.Store(d)
	}
	return append(b, d.text...)
}
