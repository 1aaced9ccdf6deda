package starlark

import (
	"slices"

	"sluice/engine/body"

	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// longWritten is how many bytes of a text the interpreter may write at once: some 100 us, where they are escaped or the digits of a number.
const longWritten = 8 << 10

// written is the text of a value as the interpreter writes it, of about so many bytes.
func (r *runner) written(v sky.Value, size int64) (sky.String, error) {
	if size <= longWritten {
		return sky.String(v.String()), nil
	}
	w := &writer{r: r, out: body.Room(int(size))}
	w.value(v)
	return sky.String(body.TextOf(w.out)), w.err
}

// shown is values of which those that take long to write are written, as far as they are no texts.
func (r *runner) shown(values sky.Tuple) (sky.Tuple, error) {
	out, copied := values, false
	for i, v := range values {
		if _, text := v.(sky.String); text {
			continue
		}
		size, err := r.textSize(v, false)
		if err != nil || size <= longWritten {
			continue // what is wrong has been told
		}
		if !copied {
			out, copied = slices.Clone(values), true
		}
		if out[i], err = r.written(v, size); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// writer writes values piece by piece. It stops where the call ends.
type writer struct {
	r    *runner
	out  []byte
	path []sky.Value // lists and dicts around the current place
	turn int         // length of out at which the clock is looked at
	err  error
}

// goesOn looks at the clock now and then.
func (w *writer) goesOn() bool {
	if w.err == nil && len(w.out) >= w.turn {
		w.err = w.r.tick()
		w.turn = len(w.out) + longWritten
	}
	return w.err == nil
}

func (w *writer) text(s string) { w.out = w.r.pieces().AppendText(w.out, s) }

func (w *writer) value(v sky.Value) {
	if !w.goesOn() {
		return
	}
	switch v := v.(type) {
	case sky.String:
		w.quoted(string(v))
	case sky.Bytes:
		w.text("b")
		w.quoted(string(v))
	case sky.Tuple:
		w.elements("(", v, ")")
	case *sky.List:
		w.within(v, func() { w.elements("[", v, "]") }, "[...]")
	case *sky.Dict:
		w.within(v, func() { w.entries(v) }, "{...}")
	case *sky.Set:
		w.elements("set([", v, "])")
	default:
		w.text(v.String())
	}
}

// within writes what a value holds, or that it is in itself.
func (w *writer) within(v sky.Value, write func(), itself string) {
	if slices.ContainsFunc(w.path, func(on sky.Value) bool { return on == v }) {
		w.text(itself)
		return
	}
	w.path = append(w.path, v)
	write()
	w.path = w.path[:len(w.path)-1]
}

func (w *writer) elements(open string, of sky.Iterable, end string) {
	w.text(open)
	n := 0
	each(of, func(e sky.Value) bool {
		if n++; n > 1 {
			w.text(", ")
		}
		w.value(e)
		return w.err == nil
	})
	if _, tuple := of.(sky.Tuple); tuple && n == 1 {
		w.text(",")
	}
	w.text(end)
}

func (w *writer) entries(of *sky.Dict) {
	w.text("{")
	separator := ""
	for key, v := range of.Entries() {
		w.text(separator)
		w.value(key)
		w.text(": ")
		w.value(v)
		if separator = ", "; w.err != nil {
			return
		}
	}
	w.text("}")
}

// quoted writes a text between quotation marks.
func (w *writer) quoted(s string) {
	w.text(`"`)
	for s != "" && w.goesOn() {
		end := pieceEnd(s)
		quoted := syntax.Quote(s[:end], false)
		w.text(quoted[1 : len(quoted)-1])
		s = s[end:]
	}
	w.text(`"`)
}
