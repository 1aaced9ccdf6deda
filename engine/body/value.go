package body

import (
	"iter"
	"math"
	"strconv"
)

// Kind is what a JSON value is.
type Kind uint8

// The kinds. Absent is that of the zero Value: there is nothing.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	List
	Object
)

// String is the name by which scripts know the kind: "null", "bool", "number", "string", "list", "object", and "" for Absent.
func (k Kind) String() string {
	return [...]string{"", "null", "bool", "number", "string", "list", "object"}[k]
}

// kindOf is the kind of a value that begins with c.
func kindOf(c byte) Kind {
	switch c {
	case '{':
		return Object
	case '[':
		return List
	case '"':
		return String
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	}
	return Number
}

// Value is one JSON value inside a scanned body. It points into the body: it is valid until the Doc that gave it is edited, and
// as long as the bytes that were scanned stay as they are. The zero Value is Absent.
type Value struct{ raw []byte }

// Raw is the value as it stands in the body, without white space around it. It must not be written to.
func (v Value) Raw() []byte { return v.raw }

// Kind is what the value is.
func (v Value) Kind() Kind {
	if len(v.raw) == 0 {
		return Absent
	}
	return kindOf(v.raw[0])
}

// Text is the text of a string; false for any other kind. It is always UTF-8: what is not, in the body, becomes U+FFFD.
func (v Value) Text() (string, bool) {
	if v.Kind() != String {
		return "", false
	}
	return unquote(v.raw[1 : len(v.raw)-1]), true
}

// Bool is the value of true or false; ok is false for any other kind.
func (v Value) Bool() (value, ok bool) {
	return v.Kind() == Bool && v.raw[0] == 't', v.Kind() == Bool
}

// Int is a number without a fraction; false for any other kind and where int64 cannot hold it. 3.0 and 3e0 are 3, below 2^53.
func (v Value) Int() (int64, bool) {
	if v.Kind() != Number {
		return 0, false
	}
	if n, err := strconv.ParseInt(string(v.raw), 10, 64); err == nil {
		return n, true
	}
	f, ok := v.Float()
	return int64(f), ok && f == math.Trunc(f) && math.Abs(f) < 1<<53
}

// Float is any number, rounded to a float64; false for any other kind and where float64 cannot hold it.
func (v Value) Float() (float64, bool) {
	if v.Kind() != Number {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(v.raw), 64)
	return f, err == nil
}

// Get returns what p leads to, from v. Of a key that occurs twice in an object it takes the last.
func (v Value) Get(p Path) (Value, bool) {
	for _, segment := range p {
		if v.Kind() == Absent {
			break
		}
		at, n := walkOver(v.raw, 0).child(segment)
		if n == 0 {
			return Value{}, false
		}
		v.raw = v.raw[at.start:at.end]
	}
	return v, v.Kind() != Absent
}

// Elements are the values of a list, in order; of any other kind there are none.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != List {
			return
		}
		w := walkOver(v.raw, 0)
		for m, ok := w.next(); ok; m, ok = w.next() {
			if !yield(Value{v.raw[m.value.start:m.value.end]}) {
				return
			}
		}
	}
}

// Members are the keys, with their quotes, and the values of an object, in order; of any other kind there are none.
func (v Value) Members() iter.Seq2[[]byte, Value] {
	return func(yield func([]byte, Value) bool) {
		if v.Kind() != Object {
			return
		}
		w := walkOver(v.raw, 0)
		for m, ok := w.next(); ok; m, ok = w.next() {
			if !yield(v.raw[m.key.start:m.key.end], Value{v.raw[m.value.start:m.value.end]}) {
				return
			}
		}
	}
}
