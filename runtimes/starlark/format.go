package starlark

import (
	"strconv"
	"strings"

	"sluice/engine/body"

	sky "go.starlark.net/starlark"
)

// formatPlain is format % args where that needs nothing but %s of texts and %d of integers, as it mostly does; false where the
// interpreter has to do it, or to refuse it. The text has so many bytes at most.
func (r *runner) formatPlain(format string, y sky.Value, most int64) (sky.Value, bool) {
	args, ok := y.(sky.Tuple)
	if !ok {
		args = sky.Tuple{y}
	}
	var room [128]byte
	out := room[:0]
	if most > longText {
		out = body.Room(int(most))
	}
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 || i+1 == len(format) {
			break
		}
		out = r.moveText(out, format[:i])
		verb := format[i+1]
		format = format[i+2:]
		if verb == '%' {
			out = append(out, '%')
			continue
		}
		if len(args) == 0 {
			return nil, false
		}
		if out, ok = r.appendPlain(out, verb, args[0]); !ok {
			return nil, false
		}
		args = args[1:]
	}
	if len(args) > 0 || strings.HasSuffix(format, "%") {
		return nil, false
	}
	return sky.String(r.moveText(out, format)), true
}

func (r *runner) appendPlain(out []byte, verb byte, arg sky.Value) ([]byte, bool) {
	switch arg := arg.(type) {
	case sky.String:
		return r.moveText(out, string(arg)), verb == 's'
	case sky.Int:
		n, ok := arg.Int64()
		return strconv.AppendInt(out, n, 10), ok && (verb == 'd' || verb == 's')
	}
	return nil, false
}

// moveText appends a text, to what has room for it where the text is long.
func (r *runner) moveText(out []byte, s string) []byte {
	for ; len(s) > longText/4; s = s[longText/4:] {
		out = append(out, s[:longText/4]...)
		r.look()
	}
	return append(out, s...)
}
