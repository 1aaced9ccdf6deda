package starlark

import (
	"strconv"
	"strings"

	"sluice/engine/body"

	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// formatPlain is format % args where that needs nothing but %s of texts and %d of integers, as it mostly does; false where the
// interpreter has to do it, or to refuse it.
func formatPlain(format string, y sky.Value) (sky.Value, bool) {
	args, ok := y.(sky.Tuple)
	if !ok {
		args = sky.Tuple{y}
	}
	var room [128]byte
	out := room[:0]
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 || i+1 == len(format) {
			break
		}
		out = append(out, format[:i]...)
		verb := format[i+1]
		format = format[i+2:]
		if verb == '%' {
			out = append(out, '%')
			continue
		}
		if len(args) == 0 {
			return nil, false
		}
		if out, ok = appendPlain(out, verb, args[0]); !ok {
			return nil, false
		}
		args = args[1:]
	}
	if len(args) > 0 || strings.HasSuffix(format, "%") {
		return nil, false
	}
	return sky.String(append(out, format...)), true
}

func appendPlain(out []byte, verb byte, arg sky.Value) ([]byte, bool) {
	switch arg := arg.(type) {
	case sky.String:
		return append(out, arg...), verb == 's'
	case sky.Int:
		n, ok := arg.Int64()
		return strconv.AppendInt(out, n, 10), ok && (verb == 'd' || verb == 's')
	}
	return nil, false
}

// formatLong is format % args where that is long: each directive by itself.
func (r *runner) formatLong(format string, y sky.Value, size int64) (sky.Value, error) {
	args, ok := y.(sky.Tuple)
	if !ok {
		args = sky.Tuple{y}
	}
	w := &writer{r: r, out: body.Room(int(size))}
	for n := 1; ; n++ {
		literal, directive, rest := nextDirective(format)
		w.text(literal)
		if format = rest; directive == "" {
			break
		}
		switch first := args[:min(1, len(args))]; {
		case directive == "%%":
			w.text("%")
		case strings.HasPrefix(directive, "%("):
			w.directive(directive, y)
			args = args[len(first):]
		default:
			w.directive(directive, first)
			args = args[len(first):]
		}
		if n%32 == 0 && w.err == nil {
			w.err = r.tick()
		}
		if w.err != nil {
			return nil, w.err
		}
	}
	if _, mapping := y.(sky.Mapping); len(args) > 0 && !mapping {
		return sky.Binary(syntax.PERCENT, sky.String(""), args) // which are too many
	}
	return sky.String(body.TextOf(w.out)), nil
}

// nextDirective cuts a format behind its first directive, "" = it has none.
func nextDirective(format string) (literal, directive, rest string) {
	i := strings.IndexByte(format, '%')
	if i < 0 {
		return format, "", ""
	}
	end := i + 1
	if strings.HasPrefix(format[end:], "(") {
		n := strings.IndexByte(format[end:], ')')
		if n < 0 {
			return format[:i], format[i:], ""
		}
		end += n + 1
	}
	end = min(end+1, len(format))
	return format[:i], format[i:end], format[end:]
}

// directive writes a value, or has the interpreter write or refuse it.
func (w *writer) directive(directive string, of sky.Value) {
	v, verb := sky.Value(nil), directive[len(directive)-1]
	switch of := of.(type) {
	case sky.Tuple:
		if len(directive) == 2 && len(of) == 1 {
			v = of[0]
		}
	case sky.Mapping:
		if key, ok := strings.CutSuffix(strings.TrimPrefix(directive, "%("), ")"+string(verb)); ok {
			if found, ok, err := of.Get(sky.String(key)); ok && err == nil {
				v = found
			}
		}
	}
	text, ok := v.(sky.String)
	switch {
	case ok && verb == 's':
		w.text(string(text))
	case v != nil && (verb == 's' || verb == 'r'):
		w.value(v)
	default:
		text, err := sky.Binary(syntax.PERCENT, sky.String(directive), of)
		if w.err = err; err == nil {
			w.text(string(text.(sky.String)))
		}
	}
}

// formatFields is format.format(args, name = value …) where that is long: each field by itself. It reports false for what the interpreter
// has to refuse, or to do.
func (r *runner) formatFields(format string, size int64, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, bool, error) {
	w, values := &writer{r: r, out: body.Room(int(size))}, fields{args: args, kwargs: kwargs}
	for n := 1; w.err == nil; n++ {
		i := strings.IndexAny(format, "{}")
		if i < 0 {
			w.text(format)
			return sky.String(body.TextOf(w.out)), true, w.err
		}
		w.text(format[:i])
		if n%32 == 0 {
			w.err = r.tick()
		}
		if format = format[i:]; len(format) > 1 && format[0] == format[1] {
			w.text(format[:1])
			format = format[2:]
			continue
		}
		field, rest, ok := strings.Cut(format[1:], "}")
		if !ok || format[0] == '}' {
			return nil, false, nil
		}
		name, conversion, _ := strings.Cut(field, "!")
		v := values.named(name)
		if v == nil || strings.HasSuffix(field, "!") || conversion != "" && conversion != "r" && conversion != "s" {
			return nil, false, nil
		}
		if text, ok := v.(sky.String); ok && conversion != "r" {
			w.text(string(text))
		} else {
			w.value(v)
		}
		format = rest
	}
	return nil, true, w.err
}

// fields are the values of a format.
type fields struct {
	args    sky.Tuple
	kwargs  []sky.Tuple
	next    int  // the one that a field without a name stands for
	counted bool // a field was told by number
}

// named is the value that a field stands for; nil = none does, or fields are told both by number and without.
func (f *fields) named(name string) sky.Value {
	if name == "" {
		if f.next++; f.counted || f.next > len(f.args) {
			return nil
		}
		return f.args[f.next-1]
	}
	if n, err := strconv.ParseUint(name, 10, 16); err == nil {
		if f.counted = true; f.next > 0 || int(n) >= len(f.args) {
			return nil
		}
		return f.args[n]
	}
	for _, pair := range f.kwargs {
		if pair[0] == sky.String(name) {
			return pair[1]
		}
	}
	return nil
}
