package body

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how many objects and lists may stand inside each other.
const MaxDepth = 256

// maxIndexed bounds what an index may cost: an object with more members is walked instead, so that a body of a million tiny
// members takes no more memory than its bytes.
const maxIndexed = 256

// smallBody is below what size, in bytes, a body hardly ever has more than eight members.
const smallBody = 4 << 10

// Top is a scanned body: where it begins and ends, and, if it is an object, where its members are. It refers to the bytes that
// were scanned, which must not change while it is in use. A Top is not written to again: any number of goroutines may share it.
type Top struct {
	src     []byte
	root    span
	members []member // nil: walk the root instead
}

// span is src[start:end].
type span struct{ start, end int }

// Scan checks that b is one JSON value as in RFC 8259, with nothing but white space around it and no deeper than MaxDepth. As in
// encoding/json, bytes in strings need not be UTF-8 and surrogates need not be paired. If b is an object none of the routed keys
// (at most 64, in lower case) may occur twice in it, however they are escaped, nor in other case. The error is a *SyntaxError.
func Scan(b []byte, routed ...string) (top Top, err error) {
	err = top.Scan(b, routed...)
	return top, err
}

// Scan makes t, which nobody else has yet, what the function Scan returns. It costs less than to copy that.
func (t *Top) Scan(b []byte, routed ...string) error {
	var s scanner
	s.b, s.routed = b, routed
	root, ok := s.whole(0)
	if !ok {
		return s.err
	}
	t.src, t.root, t.members = b, root, s.members
	return nil
}

// Picked are the members of up to so many keys, by the position of the key.
type Picked [2]Value

// Pick is Scan for a body of which little is read, once. It returns the members of these keys, of one that occurs twice the last, and takes
// no memory for where the others are. The error is a *SyntaxError.
func Pick(b []byte, keys ...string) (found Picked, err error) {
	var s scanner
	s.b, s.count, s.picks = b, maxIndexed, keys
	if _, ok := s.whole(0); !ok {
		return found, s.err
	}
	for i, at := range s.picked {
		found[i] = Value{b[at.start:at.end]}
	}
	return found, nil
}

// Value is the whole body.
func (t *Top) Value() Value { return Value{t.src[t.root.start:t.root.end]} }

// Get returns the member of the body that has this key, the last if there are several. A body that is no object has none, nor
// has the zero Top.
func (t *Top) Get(key string) (Value, bool) {
	for i := len(t.members) - 1; i >= 0; i-- {
		if m := &t.members[i]; m.named(t.src, key) {
			return Value{t.src[m.value.start:m.value.end]}, true
		}
	}
	if t.members != nil || t.Value().Kind() != Object {
		return Value{}, false
	}
	at, n := t.walk(t.root).child(key)
	if n == 0 {
		return Value{}, false
	}
	return Value{t.src[at.start:at.end]}, true
}

// scanner checks in one pass. Its methods take the index at which something starts and return the index after it, or -1 with err
// set.
type scanner struct {
	b       []byte
	routed  []string
	seen    uint64 // bit r: routed[r] has been seen
	members []member
	count   int
	picks   []string
	picked  [len(Picked{})]span // of picks
	err     *SyntaxError
	pause   func() // called between two pieces of a long text; nil = it is scanned in one go
	turn    int    // where the next piece begins, the length of the text = there is none
}

// whole checks that there is one value and nothing else. The value counts as depth levels down.
func (s *scanner) whole(depth int) (root span, ok bool) {
	s.passTo(0)
	start := space(s.b, 0)
	end := s.value(start, depth)
	if end < 0 {
		return span{}, false
	}
	if i := space(s.b, end); i < len(s.b) {
		s.expected(i, "nothing after the value")
		return span{}, false
	}
	return span{start, end}, true
}

// passTo is called at i, where a piece begins, once all before it is scanned.
func (s *scanner) passTo(i int) {
	s.turn = len(s.b)
	if s.pause == nil {
		return
	}
	if i > 0 {
		s.pause()
	}
	s.turn = min(len(s.b), i+pieceOfJSON)
}

func (s *scanner) fail(i int, message string) int {
	s.err = syntaxError(s.b, i, message)
	return -1
}

func (s *scanner) expected(i int, what string) int {
	return s.fail(i, "expected "+what+", found "+found(s.b, i))
}

// at is the byte at i, or 0, which stands nowhere outside of strings, past the end.
func (s *scanner) at(i int) byte {
	if i < len(s.b) {
		return s.b[i]
	}
	return 0
}

func (s *scanner) value(i, depth int) int {
	switch c := s.at(i); c {
	case '"':
		return s.text(i)
	case '{':
		return s.object(i, depth)
	case '[':
		return s.list(i, depth)
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.number(i)
	}
	return s.expected(i, "a value")
}

func (s *scanner) object(i, depth int) int {
	if depth == MaxDepth {
		return s.tooDeep(i)
	}
	i = space(s.b, i+1)
	if s.at(i) == '}' {
		return i + 1
	}
	for {
		var m member
		if m, i = s.member(i, depth); i < 0 {
			return -1
		}
		if depth == 0 && !s.record(m) {
			return -1
		}
		if i >= s.turn {
			s.passTo(i)
		}
		i = space(s.b, i)
		switch s.at(i) {
		case ',':
			i = space(s.b, i+1)
		case '}':
			return i + 1
		default:
			return s.expected(i, "',' or '}' after object value")
		}
	}
}

func (s *scanner) member(i, depth int) (member, int) {
	if s.at(i) != '"' {
		return member{}, s.expected(i, "a key in double quotes")
	}
	keyEnd := s.text(i)
	if keyEnd < 0 {
		return member{}, -1
	}
	colon := space(s.b, keyEnd)
	if s.at(colon) != ':' {
		return member{}, s.expected(colon, "':' after object key")
	}
	start := space(s.b, colon+1)
	end := s.value(start, depth+1)
	return member{span{i, keyEnd}, span{start, end}}, end
}

// record takes m into the index of the top object; false if it repeats a routed key.
func (s *scanner) record(m member) bool {
	if s.members == nil && s.count == 0 {
		room := 16
		if len(s.b) < smallBody {
			room = 8
		}
		s.members = make([]member, 0, room)
	}
	if s.count++; s.count <= maxIndexed {
		s.members = append(s.members, m)
	} else {
		s.members = nil
	}
	if len(s.routed) == 0 && len(s.picks) == 0 {
		return true
	}
	name := s.b[m.key.start+1 : m.key.end-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		name = appendUnquoted(nil, name)
	}
	for i, key := range s.picks {
		if string(name) == key {
			s.picked[i] = m.value
		}
	}
	for r, key := range s.routed {
		if !alike(name, key) {
			continue
		}
		if string(name) != key {
			s.fail(m.key.start, "key "+strconv.Quote(key)+" in other case, want it in lower case")
			return false
		}
		if s.seen&(1<<r) != 0 {
			s.fail(m.key.start, "duplicate key "+strconv.Quote(key))
			return false
		}
		s.seen |= 1 << r
	}
	return true
}

// alike reports whether a parser to which case is nothing, such as encoding/json, takes name for key. A long name is not copied for that.
func alike(name []byte, key string) bool {
	return len(key) <= len(name) && len(name) <= utf8.UTFMax*len(key) && (name[0]|0x20 == key[0] || name[0] >= utf8.RuneSelf) && strings.EqualFold(string(name), key)
}

func (s *scanner) list(i, depth int) int {
	if depth == MaxDepth {
		return s.tooDeep(i)
	}
	i = space(s.b, i+1)
	if s.at(i) == ']' {
		return i + 1
	}
	for {
		if i = s.value(i, depth+1); i < 0 {
			return -1
		}
		if i >= s.turn {
			s.passTo(i)
		}
		i = space(s.b, i)
		switch s.at(i) {
		case ',':
			i = space(s.b, i+1)
		case ']':
			return i + 1
		default:
			return s.expected(i, "',' or ']' after list value")
		}
	}
}

func (s *scanner) tooDeep(i int) int {
	return s.fail(i, "nested deeper than "+strconv.Itoa(MaxDepth))
}

func (s *scanner) literal(i int, want string) int {
	for k := range len(want) {
		if s.at(i+k) != want[k] {
			return s.expected(i+k, strconv.QuoteRune(rune(want[k]))+" of "+want)
		}
	}
	return i + len(want)
}

func (s *scanner) text(i int) int {
	for i++; ; {
		i = plainEnd(s.b[:s.turn], i)
		if i >= s.turn && i < len(s.b) {
			s.passTo(i)
			continue
		}
		switch c := s.at(i); {
		case c == '"':
			return i + 1
		case c == '\\':
			if i = s.escape(i); i < 0 {
				return -1
			}
		case i >= len(s.b):
			return s.expected(i, "'\"' at the end of the string")
		default:
			return s.fail(i, "control character in a string, found "+found(s.b, i))
		}
	}
}

func (s *scanner) escape(i int) int {
	switch s.at(i + 1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for k := i + 2; k < i+6; k++ {
			if hex(s.at(k)) < 0 {
				return s.expected(k, `a hexadecimal digit after \u`)
			}
		}
		return i + 6
	}
	return s.expected(i+1, `one of "\/bfnrtu after a backslash`)
}

func (s *scanner) number(i int) int {
	if s.at(i) == '-' {
		i++
	}
	if s.at(i) == '0' {
		i++
	} else if i = s.digits(i, "a digit"); i < 0 {
		return -1
	}
	if s.at(i) == '.' {
		if i = s.digits(i+1, "a digit after the decimal point"); i < 0 {
			return -1
		}
	}
	if c := s.at(i); c == 'e' || c == 'E' {
		i++
		if c := s.at(i); c == '+' || c == '-' {
			i++
		}
		i = s.digits(i, "a digit in the exponent")
	}
	return i
}

func (s *scanner) digits(i int, want string) int {
	start := i
	for c := s.at(i); c >= '0' && c <= '9'; c = s.at(i) {
		i++
	}
	if i == start {
		return s.expected(i, want)
	}
	return i
}

// space returns the index of the first byte of b, from i, that is no white space.
func space(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}
