package starlark

import (
	"strconv"
	"strings"

	sky "go.starlark.net/starlark"
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
