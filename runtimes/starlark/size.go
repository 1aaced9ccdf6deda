package starlark

import (
	"fmt"
	"math"

	sky "go.starlark.net/starlark"
)

// room is how many bytes the call may still allocate.
func (r *runner) room() int64 {
	if r.budget.Memory <= 0 {
		return maxValue
	}
	r.pay()
	return max(0, r.budget.Memory-r.paid)
}

// fits is the call's end if so many bytes are more than it may still allocate. It charges nothing.
func (r *runner) fits(bytes int64) error {
	if bytes > r.room() {
		return r.allocate(bytes)
	}
	return nil
}

// textSize is about how many bytes the text of a value has: that of a text as it is, unless it is quoted, of any other value as repr writes
// it. It pays for the walk through the value, which the interpreter then repeats, and ends the call where the text cannot fit into its
// memory.
func (r *runner) textSize(v sky.Value, quoted bool) (int64, error) {
	switch v := v.(type) {
	case sky.String:
		if !quoted {
			return int64(len(v)), nil
		}
	case sky.Bytes, sky.Tuple, *sky.List, *sky.Dict, *sky.Set:
	default:
		if _, ok := pieces(v); !ok {
			return scalarSize(v), nil
		}
	}
	m := measure{r: r, left: r.room()}
	if err := m.walk(v); err != nil {
		return 0, err
	}
	return m.size, r.spend(m.steps)
}

// textSizes is the sum of those of several values.
func (r *runner) textSizes(values []sky.Value, quoted bool) (int64, error) {
	sum := int64(0)
	for _, v := range values {
		n, err := r.textSize(v, quoted)
		if err != nil {
			return 0, err
		}
		if sum += n; sum > n {
			if err := r.fits(sum); err != nil {
				return 0, err
			}
		}
	}
	return sum, nil
}

// measure is a walk through a value of which the text is to be written.
type measure struct {
	r     *runner
	left  int64 // bytes that the text may have
	size  int64
	steps int64
	path  []sky.Value // lists and dicts around the current place
}

func (m *measure) add(bytes int64) error {
	if m.size += bytes; m.size > m.left {
		return m.r.allocate(m.size)
	}
	if m.steps++; m.steps < slice {
		return nil
	}
	steps := m.steps
	m.steps = 0
	return m.r.spend(steps)
}

func (m *measure) walk(v sky.Value) error {
	if len(m.path) > maxDepth {
		return errDeep
	}
	switch v := v.(type) {
	case sky.String:
		return m.quoted(string(v))
	case sky.Bytes:
		return m.quoted(string(v))
	case sky.Tuple, *sky.List, *sky.Dict, *sky.Set:
		return m.collection(v)
	}
	if of, ok := pieces(v); ok {
		return m.spelled(of)
	}
	return m.add(scalarSize(v))
}

// pieces are what elems, codepoints and their like give. Their text holds all of the text that they are the pieces of.
func pieces(v sky.Value) (sky.Iterable, bool) {
	switch v.Type() {
	case "string.elems", "string.codepoints", "bytes.elems":
		of, ok := v.(sky.Iterable)
		return of, ok
	}
	return nil, false
}

// maxSpelled bounds how many there are where their text is to be written, which is made to be measured.
const maxSpelled = 64 << 10

func (m *measure) spelled(of sky.Iterable) error {
	n := 0
	for range sky.Elements(of) {
		if n++; n > maxSpelled {
			return fmt.Errorf("the %s of more than %d, want a list of them", of.Type(), maxSpelled)
		}
	}
	return m.quoted(of.String())
}

func (m *measure) quoted(s string) error {
	if err := m.add(int64(len(s)) + 3); err != nil {
		return err
	}
	for s != "" {
		end := pieceEnd(s)
		m.steps += int64(end) / 2
		if err := m.add(escapes(s[:end])); err != nil {
			return err
		}
		s = s[end:]
	}
	return nil
}

func (m *measure) collection(v sky.Value) error {
	_, flat := v.(sky.Tuple)
	for i := 0; i < len(m.path) && !flat; i++ {
		if _, tuple := m.path[i].(sky.Tuple); !tuple && m.path[i] == v {
			return m.add(5) // "[...]"
		}
	}
	m.steps += int64(len(m.path)) / 8
	m.path = append(m.path, v)
	defer func() { m.path = m.path[:len(m.path)-1] }()
	err := m.add(9) // "set([])" and what stands behind it
	each(v, func(e sky.Value) bool {
		if err == nil {
			err = m.add(2) // ", "
		}
		if err == nil {
			err = m.walk(e)
		}
		return err == nil
	})
	return err
}

// escapes is about how many bytes a text is longer between quotation marks.
func escapes(s string) int64 {
	n := int64(0)
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ':
			n += 3
		case c == '"', c == '\\', c >= 0x7f:
			n++
		}
	}
	return n
}

// scalarSize is about the length of the text of a value that holds no others.
func scalarSize(v sky.Value) int64 {
	switch v := v.(type) {
	case sky.NoneType, sky.Bool:
		return 5
	case sky.Float:
		if math.Abs(float64(v)) >= maxExact {
			return 320 // as %f and %d write it
		}
		return 24
	case sky.Int:
		return int64(width(v))*3/10 + 2
	case *sky.Function:
		return int64(len(v.Name())) + 11
	}
	return int64(len(v.String()))
}

// width is how many bits an integer has, 64 for all that are no more.
func width(n sky.Int) int {
	if _, ok := n.Int64(); ok {
		return 64
	}
	return n.BigInt().BitLen()
}

// count is how many elements an iterable has, -1 for a value that is none. It pays where it has to walk to know.
func (r *runner) count(v sky.Value) (int, error) {
	if n := sky.Len(v); n >= 0 {
		return n, nil
	}
	it := sky.Iterate(v)
	if it == nil {
		return -1, nil
	}
	defer it.Done()
	n, left := 0, lookEvery
	for e := sky.Value(nil); n <= maxCount && it.Next(&e); n++ { // of the elements or code points of a text: that many are refused
		if left--; left == 0 {
			if err := r.spend(lookEvery); err != nil {
				return 0, err
			}
			left = lookEvery
		}
	}
	if err := r.spend(int64(lookEvery - left)); err != nil {
		return 0, err
	}
	return n, r.allocate(int64(n) * longBytes)
}

// maxBits bounds integers: all that is done with one in one step takes some microseconds.
const maxBits = 1 << 14

// narrow is v, unless it is an integer that is too wide. One that is wide makes further steps dearer.
func (r *runner) narrow(v sky.Value) (sky.Value, error) {
	n, ok := v.(sky.Int)
	if !ok {
		return v, nil
	}
	bits := width(n)
	if bits > maxBits {
		return nil, fmt.Errorf("an integer of %d bits, want at most %d", bits, maxBits)
	}
	if bits > 64 {
		r.widen(bits)
	}
	return v, nil
}
