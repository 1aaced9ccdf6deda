package body

import (
	"bytes"
	"unicode/utf8"
)

// What is here walks over bytes that were scanned and checks nothing again.

// member is one member of an object: its key with the quotes, and its value. An element of a list is one with an empty key at the
// value's start, so that both begin where the key begins.
type member struct{ key, value span }

// named is true when the member's key is name, escaped or not. An element has no name.
func (m *member) named(b []byte, name string) bool {
	if m.key.start == m.key.end {
		return false
	}
	raw := b[m.key.start+1 : m.key.end-1]
	n := 0
	for n < len(raw) && n < len(name) && raw[n] == name[n] && raw[n] != '\\' {
		n++
	}
	switch {
	case n == len(raw) && n == len(name):
		return true
	case n > 0 && raw[n-1] >= utf8.RuneSelf: // within a letter, which may be none and stand for another
	case n == len(raw), raw[n] != '\\' && raw[n] < utf8.RuneSelf: // what differs here differs whatever comes
		return false
	}
	return !plain(raw) && unquote(raw) == name
}

// walk goes over the members of an object or the elements of a list. Over any other value it finds none.
type walk struct {
	b     []byte
	i     int      // where the next item starts, or the closing bracket
	index []member // what is left of an index, which is used instead of i if it is not nil
	kind  Kind
}

func walkOver(b []byte, i int) walk {
	w := walk{b: b, kind: kindOf(b[i])}
	if w.kind == Object || w.kind == List {
		w.i = space(b, i+1)
	}
	return w
}

func (w *walk) next() (m member, ok bool) {
	switch {
	case w.kind != Object && w.kind != List:
		return member{}, false
	case w.index != nil:
		if len(w.index) == 0 {
			return member{}, false
		}
		m, w.index = w.index[0], w.index[1:]
		return m, true
	case w.b[w.i] == '}' || w.b[w.i] == ']':
		return member{}, false
	}
	m = itemAt(w.b, w.i, w.kind)
	w.i = space(w.b, m.value.end)
	if w.b[w.i] == ',' {
		w.i = space(w.b, w.i+1)
	}
	return m, true
}

// itemAt is the member, or the element, of an object or list that starts at b[i].
func itemAt(b []byte, i int, in Kind) member {
	key := span{i, i}
	if in == Object {
		key.end = skipText(b, i)
		i = space(b, space(b, key.end)+1)
	}
	return member{key, span{i, skip(b, i)}}
}

// child returns the value that segment names among the items of w, and how often it is there: of several members with that key
// the last is returned, a list has one or none.
func (w walk) child(segment string) (at span, n int) {
	if w.kind == List {
		return w.element(segment)
	}
	for m, ok := w.next(); ok; m, ok = w.next() {
		if m.named(w.b, segment) {
			at = m.value
			n++
		}
	}
	return at, n
}

func (w walk) element(segment string) (at span, n int) {
	want, ok := position(segment)
	if !ok {
		return span{}, 0
	}
	for m, ok := w.next(); ok; m, ok = w.next() {
		if want == 0 {
			return m.value, 1
		}
		want--
	}
	return span{}, 0
}

// walk goes over the items of the value at, by the index if there is one.
func (t *Top) walk(at span) walk {
	w := walkOver(t.src, at.start)
	if at == t.root {
		w.index = t.members
	}
	return w
}

// skip returns the index after the value that starts at b[i].
func skip(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipText(b, i)
	case '{', '[':
		return skipItems(b, i)
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	return i
}

func skipItems(b []byte, i int) int {
	for depth := 0; ; i++ {
		switch b[i] {
		case '"':
			i = skipText(b, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// skipText looks for the quote that ends a text: one before which stands no odd number of backslashes.
func skipText(b []byte, i int) int {
	for end := i + 1; ; end++ {
		end += bytes.IndexByte(b[end:], '"')
		slashes := end
		for b[slashes-1] == '\\' {
			slashes--
		}
		if (end-slashes)%2 == 0 {
			return end + 1
		}
	}
}
