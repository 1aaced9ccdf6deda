package runtimes

import (
	"net/url"
	"strings"

	"sluice/engine"
	"sluice/engine/body"
)

// queryMap is a request's query, decoded once a call: what a client sends has room for thousands of pairs. One that does not decode is left
// out, and of a repeated name the first is taken.
type queryMap struct {
	text  string // that was decoded
	pairs []Named
	at    map[string]int // where the pair of a name is
}

var _ Mapper = (*queryMap)(nil)

// queryOf is the query of the call's request, which the call pays for.
func (c *Call) queryOf() *queryMap {
	if text := c.request().Query; c.query.text != text {
		if c.spend(len(text)/2) != nil || c.allocate(4*len(text)) != nil {
			return &queryMap{} // the call is over, whatever it is told
		}
		c.query = queryMap{text: text, at: make(map[string]int)}
		for pair := range strings.SplitSeq(text, "&") {
			c.query.add(pair)
		}
	}
	return &c.query
}

func (q *queryMap) add(pair string) {
	rawKey, rawValue, _ := strings.Cut(pair, "=")
	key, err := url.QueryUnescape(rawKey)
	value, err2 := url.QueryUnescape(rawValue)
	if _, again := q.at[key]; pair == "" || err != nil || err2 != nil || again {
		return
	}
	q.at[key] = len(q.pairs)
	q.pairs = append(q.pairs, Named{key, OfString(value)})
}

func (q *queryMap) Len() int { return len(q.pairs) }

func (q *queryMap) Get(key string) (Value, bool) {
	i, ok := q.at[key]
	if !ok {
		return Value{}, false
	}
	return q.pairs[i].Value, true
}

func (q *queryMap) Each(f func(string, Value) bool) string {
	for _, pair := range q.pairs {
		if !f(pair.Name, pair.Value) {
			break
		}
	}
	return ""
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
		dst = c.pieces().AppendText(dst, escape(s[:escapedPiece]))
		if err := c.look(); err != nil {
			return dst, err
		}
	}
	return c.pieces().AppendText(dst, escape(s)), nil
}
