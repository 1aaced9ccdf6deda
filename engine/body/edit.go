package body

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// Set makes text, one JSON value, the value at p. White space around text is dropped. What is missing is made:
//   - a key that its object does not have is appended as the last member;
//   - "-1" appends to a list; any other position must be there;
//   - below what is absent or null a key makes an object and "-1" a list; a position is an error.
//
// Where p passes a key that occurs twice in an object, all but the last are dropped, so that afterwards parsers that take the
// first and parsers that take the last read the same. The body stays within MaxDepth. An error changes nothing.
func (d *Doc) Set(p Path, text []byte) error { return d.SetAs("set", p, text) }

// SetAs is Set under another name, which its errors begin with.
func (d *Doc) SetAs(name string, p Path, text []byte) error {
	if err := d.Err(); err != nil {
		return fmt.Errorf("%s %q: the body is not JSON: %w", name, p.String(), err)
	}
	text, err := oneValue(text, len(p))
	if err != nil {
		return fmt.Errorf("%s %q: value: %w", name, p.String(), err)
	}
	at, k, splices := d.descend(p)
	switch {
	case k < len(p):
		s, err := d.insertion(at, p, k, text)
		if err != nil {
			return fmt.Errorf("%s %q: %w", name, p.String(), err)
		}
		splices = append(splices, s)
	case !bytes.Equal(d.top.src[at.start:at.end], text):
		splices = append(splices, splice{at, text})
	}
	d.apply(splices)
	return nil
}

// Remove takes out the member or the element at p with its comma, and all members if its key occurs twice. Where there is none
// it does nothing but drop duplicates on the way, as Set does. The empty path is an error, and so is the position -1 of a list.
func (d *Doc) Remove(p Path) error {
	if err := d.Err(); err != nil {
		return fmt.Errorf("remove %q: the body is not JSON: %w", p.String(), err)
	}
	if len(p) == 0 {
		return errors.New("remove: expected a path, found an empty one")
	}
	last := len(p) - 1
	at, k, splices := d.descend(p[:last])
	if d.top.src[at.start] == '[' && p[k] == appendTo {
		return fmt.Errorf("remove %q: %s is a list: expected one of its positions, found -1", p.String(), place(p[:k]))
	}
	if k == last {
		found, _ := d.top.walk(at).child(p[last])
		splices = append(splices, cut(d.top.walk(at), func(m member) bool {
			return m.value == found || m.named(d.top.src, p[last])
		})...)
	}
	d.apply(splices)
	return nil
}

// oneValue returns the JSON value that text consists of, which is to stand depth levels down.
func oneValue(text []byte, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d", MaxDepth)
	}
	s := scanner{b: text}
	at, ok := s.whole(depth)
	if !ok {
		return nil, s.err
	}
	return text[at.start:at.end], nil
}

// descend follows p as far as there is something. It returns the value it came to, how many segments led there, and the splices
// that drop duplicates on the way.
func (d *Doc) descend(p Path) (at span, k int, splices []splice) {
	at = d.top.root
	for k, segment := range p {
		next, n := d.top.walk(at).child(segment)
		if n == 0 {
			return at, k, splices
		}
		if n > 1 {
			splices = append(splices, cut(d.top.walk(at), func(m member) bool {
				return m.value != next && m.named(d.top.src, segment)
			})...)
		}
		at = next
	}
	return at, len(p), splices
}

// insertion is the splice that makes what p[k:] asks for, and the value at does not have.
func (d *Doc) insertion(at span, p Path, k int, text []byte) (splice, error) {
	kind := kindOf(d.top.src[at.start])
	switch {
	case kind == Null:
		text, err := wrap(nil, p[k:], text)
		return splice{at, text}, err
	case kind == List && p[k] != appendTo:
		return splice{}, fmt.Errorf("%s is a list: expected one of its positions or -1, found %q", place(p[:k]), p[k])
	case kind != List && kind != Object:
		return splice{}, fmt.Errorf("%s is a %s: expected an object or a list", place(p[:k]), kind)
	}
	end := at.start + 1
	before := make([]byte, 0, len(text)+64)
	w := d.top.walk(at)
	for m, ok := w.next(); ok; m, ok = w.next() {
		end, before = m.value.end, append(before[:0], ',')
	}
	if kind == Object {
		before = append(AppendString(before, p[k]), ':')
	}
	text, err := wrap(before, p[k+1:], text)
	return splice{span{end, end}, text}, err
}

// wrap appends text to out, in the objects and lists that p asks for.
func wrap(out []byte, p Path, text []byte) ([]byte, error) {
	var after []byte
	for _, segment := range p {
		if _, ok := position(segment); ok {
			return nil, fmt.Errorf("there is no list that has position %s: expected a key or -1", segment)
		}
		if segment == appendTo {
			out, after = append(out, '['), append(after, ']')
			continue
		}
		out, after = append(AppendString(append(out, '{'), segment), ':'), append(after, '}')
	}
	slices.Reverse(after)
	return append(append(out, text...), after...), nil
}

// place is what p leads to, for a message.
func place(p Path) string {
	if len(p) == 0 {
		return "the body"
	}
	return fmt.Sprintf("%q", p.String())
}
