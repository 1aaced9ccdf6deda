package runtimes

import (
	"net/url"
	"strings"

	"sluice/engine"
	"sluice/engine/body"
)

// queryMap is a request's query, decoded as it is asked for. A pair that does not decode is left out.
type queryMap struct{ r *engine.RequestContext }

func (q queryMap) Len() int {
	n := 0
	q.each(func(string, string) bool { n++; return true })
	return n
}

func (q queryMap) Get(key string) (found Value, ok bool) {
	q.each(func(k, v string) bool {
		if k == key {
			found, ok = OfString(v), true
		}
		return !ok
	})
	return found, ok
}

func (q queryMap) Each(f func(string, Value) bool) string {
	q.each(func(k, v string) bool { return f(k, OfString(v)) })
	return ""
}

// each calls f for the first value of each name, in order, until it returns false.
func (q queryMap) each(f func(key, value string) bool) {
	seen := make(map[string]bool)
	for pair := range strings.SplitSeq(q.r.Query, "&") {
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(rawKey)
		value, err2 := url.QueryUnescape(rawValue)
		if pair == "" || err != nil || err2 != nil || seen[key] {
			continue
		}
		seen[key] = true
		if !f(key, value) {
			return
		}
	}
}

// putQuery takes the query's text, or a map that is written as one.
func putQuery(r *engine.RequestContext, v Value) error {
	if v.Kind == String {
		r.Query = v.Str
		return nil
	}
	if v.Kind != Map {
		return wrongType(v, "a map")
	}
	q, err := writeQuery(&Call{}, v)
	r.Query = q
	return err
}

// writeQuery writes a map as a query, in its order. The same long text may stand in it many times, so that c pays for each.
func writeQuery(c *Call, m Value) (string, error) {
	var out []byte
	var over error
	err := eachText(m, func(name, value string) {
		size := len(name) + len(value) + 2
		if over == nil && len(out)+size > MaxText {
			over = errLongText
		}
		if over == nil {
			over = c.payText(3 * size)
		}
		if over != nil {
			return
		}
		if len(out) > 0 {
			out = append(out, '&')
		}
		if out, over = c.appendEscaped(out, name, url.QueryEscape); over == nil {
			out, over = c.appendEscaped(append(out, '='), value, url.QueryEscape)
		}
	})
	if err == nil {
		err = over
	}
	return body.TextOf(out), err
}

// escapedPiece is how many bytes are escaped at once.
const escapedPiece = 16 << 10

// appendEscaped appends s as escape writes it, which looks at one byte at a time, piece by piece.
func (c *Call) appendEscaped(dst []byte, s string, escape func(string) string) ([]byte, error) {
	for ; len(s) > escapedPiece; s = s[escapedPiece:] {
		dst = body.AppendText(dst, escape(s[:escapedPiece]))
		if err := c.look(); err != nil {
			return dst, err
		}
	}
	return body.AppendText(dst, escape(s)), nil
}
