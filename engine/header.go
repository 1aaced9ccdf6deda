package engine

import (
	"iter"
	"strconv"
	"time"
)

// Header is one header line. Its name keeps the letters it came with; names compare without regard to case.
type Header struct{ Name, Value string }

// Headers is an ordered list of header lines; repeated names keep their order.
type Headers []Header

// Get returns the first value of name, or "".
func (h Headers) Get(name string) string {
	v, _ := h.Lookup(name)
	return v
}

// Lookup returns the first value of name and whether there is one.
func (h Headers) Lookup(name string) (string, bool) {
	for i := range h {
		if EqualFold(h[i].Name, name) {
			return h[i].Value, true
		}
	}
	return "", false
}

// All iterates over the values of name, in order.
func (h Headers) All(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range h {
			if EqualFold(h[i].Name, name) && !yield(h[i].Value) {
				return
			}
		}
	}
}

// Set makes value the only value of name, in the place of the first one there was.
func (h *Headers) Set(name, value string) {
	for i := range *h {
		if EqualFold((*h)[i].Name, name) {
			(*h)[i].Value = value
			rest := (*h)[i+1:]
			rest.Remove(name)
			*h = (*h)[:i+1+len(rest)]
			return
		}
	}
	h.Add(name, value)
}

// Add appends a line.
func (h *Headers) Add(name, value string) { *h = append(*h, Header{name, value}) }

// Remove drops every line of name.
func (h *Headers) Remove(name string) {
	kept := (*h)[:0]
	for _, line := range *h {
		if !EqualFold(line.Name, name) {
			kept = append(kept, line)
		}
	}
	*h = kept
}

// Clone returns a copy with room for extra more lines.
func (h Headers) Clone(extra int) Headers {
	return append(make(Headers, 0, len(h)+extra), h...)
}

// EqualFold compares two ASCII names without regard to case. It is compiled into its callers: names mostly differ in length.
func EqualFold(a, b string) bool { return len(a) == len(b) && equalFold(a, b) }

// equalFold compares two names of one length, which mostly do not differ at all.
//
//go:noinline
func equalFold(a, b string) bool {
	if a == b {
		return true
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// RetryAfter is the wait that retry-after-ms, in milliseconds, or retry-after, in seconds or as a date, asks for. It is 0 where that is
// over, or cannot be read; told is whether there is anything.
func (h Headers) RetryAfter(now time.Time) (wait time.Duration, told bool) {
	ms, text := h.Get("retry-after-ms"), h.Get("retry-after")
	told = ms != "" || text != ""
	if n, err := strconv.ParseFloat(ms, 64); err == nil && n > 0 {
		return time.Duration(min(n, 1e12)) * time.Millisecond, told
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && n > 0 {
		return time.Duration(min(n, 1e9) * float64(time.Second)), told
	}
	for _, layout := range []string{time.RFC1123, time.RFC850, time.ANSIC} { // what HTTP calls a date
		if at, err := time.Parse(layout, text); err == nil && at.After(now) {
			return at.Sub(now), told
		}
	}
	return 0, told
}
