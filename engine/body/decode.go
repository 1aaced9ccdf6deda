package body

import (
	"bytes"
	"math"
	"slices"
	"strconv"
)

// maxDigits bounds an integer that int64 cannot hold: making a number of a million digits takes seconds that no budget could end.
const maxDigits = 4096

// Builder makes the values of one world out of JSON. Strings are UTF-8: what is not becomes U+FFFD.
type Builder[V any] interface {
	Null() V
	Bool(b bool) V
	Int(n int64) V
	BigInt(digits string) V // an integer that int64 cannot hold, as it was written
	Float(f float64) V
	String(s string) V
	Array(elems []V) V // the builder owns elems, which is not nil
	// Object takes keys without duplicates: the last value stands where the key came first. The slices are lent for the call.
	Object(keys []string, values []V) V
	// Pause is called between two pieces of a long text, which take some 100 us each. It may panic to end the decoding.
	Pause()
}

// pieceOfJSON is how many bytes of JSON are read at once, where somebody wants to pause.
const pieceOfJSON = 16 << 10

// Decode makes a value of src, which must be one JSON value as for Scan. A number without fraction and exponent is an integer,
// so -0 is 0; one with them that no float64 can hold is the largest of its sign, and an integer of more than 4096 digits is an error. Every
// error is a *SyntaxError.
func Decode[V any](src []byte, b Builder[V]) (V, error) {
	var none V
	s := scanner{b: src, count: maxIndexed} // no index of the members, which all are read
	if len(src) > pieceOfJSON {
		s.pause = b.Pause
	}
	root, ok := s.whole(0)
	if !ok {
		return none, s.err
	}
	d := decoder[V]{src: src, build: b, turn: pieceOfJSON}
	v, _ := d.value(root.start)
	if d.err != nil {
		return none, d.err
	}
	return v, nil
}

// fewMembers is how many keys and values a decoder has room for from the first object on: enough for most events of a stream.
const fewMembers = 8

// decoder builds from scanned bytes. Its methods take the index at which something starts and return the index after it.
type decoder[V any] struct {
	src    []byte
	build  Builder[V]
	err    *SyntaxError // the first number that has no value
	keys   []string     // of the objects around the current place
	values []V          // of the objects and lists around the current place
	text   []byte       // room to unescape in
	turn   int          // where the next piece of src begins
}

func (d *decoder[V]) value(i int) (V, int) {
	switch d.src[i] {
	case '{':
		return d.object(i)
	case '[':
		return d.list(i)
	case '"':
		s, i := d.string(i)
		return d.build.String(s), i
	case 't':
		return d.build.Bool(true), i + len("true")
	case 'f':
		return d.build.Bool(false), i + len("false")
	case 'n':
		return d.build.Null(), i + len("null")
	}
	return d.number(i)
}

func (d *decoder[V]) list(i int) (V, int) {
	base := len(d.values)
	for i = space(d.src, i+1); d.src[i] != ']'; {
		var v V
		v, i = d.value(i)
		if len(d.values) == cap(d.values) {
			d.values = Grow(d.values, 1)
		}
		d.values = append(d.values, v)
		i = d.next(i)
	}
	elems := Append(make([]V, 0, len(d.values)-base), d.values[base:])
	d.values = d.values[:base]
	return d.build.Array(elems), i + 1
}

func (d *decoder[V]) object(i int) (V, int) {
	if d.keys == nil {
		d.keys, d.values = make([]string, 0, fewMembers), slices.Grow(d.values, fewMembers)
	}
	keys, values := len(d.keys), len(d.values)
	var places map[string]int
	for i = space(d.src, i+1); d.src[i] != '}'; {
		var key string
		var v V
		key, i = d.string(i)
		v, i = d.value(space(d.src, space(d.src, i)+1))
		var n int
		if n, places = indexOf(d.keys[keys:], places, key); n < 0 {
			d.keys, d.values = append(d.keys, key), append(d.values, v)
		} else {
			d.values[values+n] = v
		}
		i = d.next(i)
	}
	v := d.build.Object(d.keys[keys:], d.values[values:])
	d.keys, d.values = d.keys[:keys], d.values[:values]
	return v, i + 1
}

// indexOf is where key stands among keys, or -1. Many keys are looked up in places, which it makes and keeps up to date.
func indexOf(keys []string, places map[string]int, key string) (int, map[string]int) {
	if len(keys) < 16 {
		return slices.Index(keys, key), nil
	}
	if places == nil {
		places = make(map[string]int, 2*len(keys))
	}
	for n := len(places); n < len(keys); n++ {
		places[keys[n]] = n
	}
	if n, ok := places[key]; ok {
		return n, places
	}
	return -1, places
}

// next is the index of what follows the value that ended at i: the next value or key, or the closing bracket.
func (d *decoder[V]) next(i int) int {
	if i >= d.turn {
		d.build.Pause()
		d.turn = i + pieceOfJSON
	}
	i = space(d.src, i)
	if d.src[i] == ',' {
		i = space(d.src, i+1)
	}
	return i
}

func (d *decoder[V]) string(i int) (string, int) {
	end := skipText(d.src, i)
	raw := d.src[i+1 : end-1]
	if len(raw) > pieceOfJSON {
		return d.long(raw), end
	}
	if plain(raw) {
		return string(raw), end
	}
	d.text = appendUnquoted(d.text[:0], raw)
	return string(d.text), end
}

// long is the text of the inside of a long string.
func (d *decoder[V]) long(raw []byte) string {
	text := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		text, i = appendUnquotedTo(text, raw, i, gapNear(raw, i+pieceOfJSON))
		d.build.Pause()
	}
	return TextOf(text)
}

func (d *decoder[V]) number(i int) (V, int) {
	end := skip(d.src, i)
	raw := d.src[i:end]
	if bytes.IndexByte(raw, '.') >= 0 || bytes.IndexByte(raw, 'e') >= 0 || bytes.IndexByte(raw, 'E') >= 0 {
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil { // the grammar holds, so it is out of range: the largest stands for it, since a client must not make a script fail
			f = math.Copysign(math.MaxFloat64, f)
		}
		return d.build.Float(f), end
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return d.build.Int(n), end
	}
	if len(raw) > maxDigits {
		d.refuse(i, "an integer of at most "+strconv.Itoa(maxDigits)+" digits")
		return d.build.Null(), end
	}
	return d.build.BigInt(string(raw)), end
}

func (d *decoder[V]) refuse(i int, want string) {
	if d.err == nil {
		d.err = syntaxError(d.src, i, "expected "+want)
	}
}
