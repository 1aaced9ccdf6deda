package runtimes

import (
	"fmt"
	"iter"
	"strings"
	"sync/atomic"

	"sluice/engine"
)

// HeaderView is a list of header lines as a script sees them: without those that may carry a credential. It is a Mapper of lower-case
// names to first values.
type HeaderView struct {
	call     *Call
	lines    *engine.Headers
	seen     *atomic.Uint64 // see engine.RequestContext; nil = nobody wants to know what is read
	writable bool
	own      bool // lines were copied and may be written to
}

// NewHeaders makes a read-only view.
func NewHeaders(c *Call, lines engine.Headers) *HeaderView {
	return &HeaderView{call: c, lines: &lines}
}

// TypeHeaders is header lines. Its receiver is a *HeaderView.
var TypeHeaders = newType(Type{
	Name: "headers",
	Doc:  `Header lines: h["name"] is the first value under a name in any case, or nothing. Walking over it gives lower-case names. In Lua h.all and h["all"] are the method, and h[name] is the header.`,
	Index: func(receiver any, key string) (Value, bool) {
		return receiver.(*HeaderView).Get(key)
	},
	Edit: "set(name, value)",
	Methods: []Method{
		{Name: "all", Params: []Param{{Name: "name", Type: "string"}}, Result: "list of string",
			Doc: "Every value under a name, in order.",
			Call: func(c *Call, receiver any, args []Value) (Value, error) {
				h := receiver.(*HeaderView)
				if err := c.spend(len(*h.lines) / 4); err != nil {
					return Value{}, err
				}
				all := h.all(args[0].Str)
				return OfList(all), c.allocate(allBytes * len(all))
			}},
		{Name: "set", Params: headerLine, Doc: "Makes value the only one under a name. In request and response alone.",
			Call: writeHeader("set", func(h *engine.Headers, name, value string) { h.Set(name, value) })},
		{Name: "add", Params: headerLine, Doc: "Adds a line. In request and response alone.",
			Call: writeHeader("add", func(h *engine.Headers, name, value string) { h.Add(name, value) })},
		{Name: "remove", Params: headerLine[:1], Doc: "Drops every line under a name. In request and response alone.",
			Call: writeHeader("remove", func(h *engine.Headers, name, _ string) { h.Remove(name) })},
	},
})

var headerLine = []Param{{Name: "name", Type: "string"}, {Name: "value", Type: "string"}}

// Get returns the first value under a name, in any case.
func (h *HeaderView) Get(name string) (Value, bool) {
	for i := range *h.lines {
		if line := &(*h.lines)[i]; engine.EqualFold(line.Name, name) && !engine.CredentialHeader(name) {
			h.see(i)
			h.call.sawHeader(name, OfString(line.Value))
			return OfString(line.Value), true
		}
	}
	h.missing(name)
	h.call.sawHeader(name, Value{})
	return Value{}, false
}

// missing notes that a name is looked for which is not there, or all names are: "*".
func (h *HeaderView) missing(name string) {
	if h.call == nil {
		return
	}
	if m := h.call.request().Missing; m != nil && !engine.CredentialHeader(name) {
		m.Header(strings.ToLower(name))
	}
}

// see notes that the script read line i.
func (h *HeaderView) see(i int) {
	if h.seen != nil {
		h.seen.Or(1 << min(i, 63))
	}
}

// Len is the number of names.
func (h *HeaderView) Len() int {
	h.call.lose()
	n := 0
	for range h.firsts() {
		n++
	}
	return n
}

// Each calls f for each name, lower case, with its first value.
func (h *HeaderView) Each(f func(string, Value) bool) string {
	h.call.lose()
	h.missing("*")
	for i, line := range h.firsts() {
		h.see(i)
		if !f(strings.ToLower(line.Name), OfString(line.Value)) {
			break
		}
	}
	return ""
}

// fewLines is how many lines are looked through for a name, rather than remembered.
const fewLines = 32

// firsts yields the first line of each name that a script may see, with where it stands.
func (h *HeaderView) firsts() iter.Seq2[int, engine.Header] {
	return func(yield func(int, engine.Header) bool) {
		var seen map[string]bool
		if len(*h.lines) > fewLines {
			seen = make(map[string]bool, len(*h.lines))
		}
		for i, line := range *h.lines {
			if engine.CredentialHeader(line.Name) || h.before(i, line.Name, seen) {
				continue
			}
			if !yield(i, line) {
				return
			}
		}
	}
}

// before reports whether a line before i has the same name. seen, if not nil, holds those names.
func (h *HeaderView) before(i int, name string, seen map[string]bool) bool {
	if seen != nil {
		lower := strings.ToLower(name)
		again := seen[lower]
		seen[lower] = true
		return again
	}
	for _, line := range (*h.lines)[:i] {
		if engine.EqualFold(line.Name, name) {
			return true
		}
	}
	return false
}

// allBytes is what a value of all takes, in bytes, while the list of them grows.
const allBytes = 32

func (h *HeaderView) all(name string) stringList {
	out := stringList{}
	for i, line := range *h.lines {
		if engine.EqualFold(line.Name, name) && !engine.CredentialHeader(name) {
			h.see(i)
			out = append(out, line.Value)
		}
	}
	if len(out) == 0 {
		h.missing(name)
	}
	return out
}

// writeHeader edits the lines, a copy of them the first time. Names that a dialect may not set are dropped when the request is built.
func writeHeader(name string, edit func(h *engine.Headers, name, value string)) func(*Call, any, []Value) (Value, error) {
	return func(c *Call, receiver any, args []Value) (Value, error) {
		h := receiver.(*HeaderView)
		if !h.writable {
			return Value{}, fmt.Errorf("%s: these headers are read-only, want request.headers", name)
		}
		value := ""
		if len(args) > 1 {
			value = args[1].Str
		}
		switch {
		case !headerName(args[0].Str):
			return Value{}, fmt.Errorf("%s: header name %q is not a token", name, engine.Cut(args[0].Str, maxQuoted))
		case strings.ContainsAny(value, "\r\n\x00"):
			return Value{}, fmt.Errorf("%s: header %q: its value holds CR, LF or NUL", name, engine.Cut(args[0].Str, maxQuoted))
		}
		if err := c.spend(len(*h.lines) / 4); err != nil {
			return Value{}, err
		}
		h.copied()
		edit(h.lines, args[0].Str, value)
		return Value{}, h.bounded(name)
	}
}

// What the headers of a shaped request may come to.
const (
	maxHeaderLines = 1000
	maxHeaderBytes = 256 << 10
)

// bounded refuses what no provider would read.
func (h *HeaderView) bounded(method string) error {
	bytes := 0
	for _, line := range *h.lines {
		bytes += len(line.Name) + len(line.Value)
	}
	switch {
	case len(*h.lines) > maxHeaderLines:
		return fmt.Errorf("%s: %d header lines, want at most %d", method, len(*h.lines), maxHeaderLines)
	case bytes > maxHeaderBytes:
		return fmt.Errorf("%s: %d bytes of headers, want at most %d", method, bytes, maxHeaderBytes)
	}
	return nil
}

// copied makes the lines h's own to write.
func (h *HeaderView) copied() {
	if !h.own {
		lines := h.lines.Clone(4)
		h.lines, h.own = &lines, true
	}
}

// headerName reports whether s is a token as RFC 9110 has it.
func headerName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// stringList is a list of texts.
type stringList []string

func (l stringList) Len() int       { return len(l) }
func (l stringList) At(i int) Value { return OfString(l[i]) }
