package engine

import (
	"fmt"
	"iter"
	"strconv"
)

// Object is a JSON-like object whose keys keep the order of their first insertion: the shape of claims, labels and a binding's
// config. A nil *Object is empty and may be read. Once a generation is live its objects are shared by all requests and must not be
// written.
//
// A value in it is nil, bool, int64, float64, string, Number, []any or *Object.
type Object struct {
	keys   []string
	values map[string]any
}

// Number is the literal text of an integer that int64 cannot hold.
type Number string

// Set stores v under k. A key that is already there keeps its place.
func (o *Object) Set(k string, v any) {
	if o.values == nil {
		o.values = make(map[string]any)
	}
	if _, had := o.values[k]; !had {
		o.keys = append(o.keys, k)
	}
	o.values[k] = v
}

// Lookup returns the value under k and whether there is one.
func (o *Object) Lookup(k string) (any, bool) {
	if o == nil {
		return nil, false
	}
	v, ok := o.values[k]
	return v, ok
}

// Len is the number of keys.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.keys)
}

// All iterates over keys and values in insertion order.
func (o *Object) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		if o == nil {
			return
		}
		for _, k := range o.keys {
			if !yield(k, o.values[k]) {
				return
			}
		}
	}
}

// Plain writes a value of an Object down: two have the same text only if a script finds the same in both.
func Plain(v any) string { return string(appendPlain(nil, v)) }

func appendPlain(dst []byte, v any) []byte {
	switch v := v.(type) {
	case *Object:
		dst = append(dst, '{')
		for k, e := range v.All() {
			dst = appendPlain(strconv.AppendQuote(dst, k), e)
		}
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for _, e := range v {
			dst = appendPlain(dst, e)
		}
		return append(dst, ']')
	}
	return fmt.Appendf(dst, "%T %#v,", v, v)
}
