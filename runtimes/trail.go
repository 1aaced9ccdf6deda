package runtimes

import (
	"slices"
	"strings"

	"sluice/engine"
)

// trail is what a call has read so far.
type trail struct {
	candidates []engine.UpstreamCandidate
	steps      []step
	lost       bool // the call read what cannot be remembered, or did more than to read
}

type step struct {
	read
	found answer
}

// add notes a read and what it found.
func (t *trail) add(r read, v Value) {
	found, ok := simple(v)
	if t.lost = t.lost || !ok || len(t.steps) >= maxReads; !t.lost {
		t.steps = append(t.steps, step{r, found})
	}
}

// has reports whether a field or a header was read before: it reads the same again.
func (t *trail) has(field *Field, header string, of int) bool {
	return slices.ContainsFunc(t.steps, func(s step) bool {
		return s.method == nil && s.field == field && s.header == header && s.of == of
	})
}

// owner tells whose a receiver is: a candidate's number, -1 = the request's; false = another's.
func (t *trail) owner(receiver any) (int, bool) {
	switch r := receiver.(type) {
	case *Call:
		return -1, true
	case *Candidate:
		i := slices.IndexFunc(t.candidates, func(c engine.UpstreamCandidate) bool { return c.Upstream == r.Upstream })
		return i, i >= 0
	}
	return 0, false
}

// lose has the call's decision forgotten.
func (c *Call) lose() {
	if c != nil && c.trail != nil {
		c.trail.lost = true
	}
}

// Read reads a field for a script.
func (f *Field) Read(c *Call, receiver any) Value {
	v := f.Get(receiver)
	if c == nil || c.trail == nil || f.Static {
		return v
	}
	if v.Kind == Host && v.Type == TypeHeaders { // it tells itself what is read of it
		return v
	}
	t := c.trail
	of, known := t.owner(receiver)
	switch {
	case !known || f.Fleeting:
		t.lost = true
	case !t.lost && !t.has(f, "", of):
		t.add(read{field: f, of: of}, v)
	}
	return v
}

// Run runs a method, or a plain function, for a script.
func (m *Method) Run(c *Call, receiver any, args []Value) (Value, error) {
	v, err := m.Call(c, receiver, args)
	if c == nil || c.trail == nil || receiver == nil {
		return v, err
	}
	t := c.trail
	of, known := t.owner(receiver)
	kept, plain := simpleArgs(args)
	if t.lost = t.lost || !known || !m.Pure || !plain || err != nil; !t.lost {
		t.add(read{method: m, args: kept, of: of}, v)
	}
	return v, err
}

// simpleArgs copies arguments; false where one has parts or is too long.
func simpleArgs(args []Value) ([]Value, bool) {
	kept := slices.Clone(args)
	for i := range kept {
		if _, ok := simple(kept[i]); !ok {
			return nil, false
		}
		kept[i].Str = strings.Clone(kept[i].Str)
	}
	return kept, true
}

// sawHeader notes that a header of the request was looked for. A name that is longer than an answer may be is not kept.
func (c *Call) sawHeader(name string, v Value) {
	switch {
	case c == nil || c.trail == nil || c.trail.lost:
	case len(name) > maxAnswer:
		c.lose()
	case !c.trail.has(nil, name, -1):
		c.trail.add(read{header: strings.Clone(name), of: -1}, v)
	}
}
