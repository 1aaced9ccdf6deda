package starlark

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"sluice/engine/body"

	sky "go.starlark.net/starlark"
)

// onLong is a method of a text that works piece by piece on a long one, as the interpreter would in one go. It reports false for arguments
// that are not those of its kind.
type onLong func(r *runner, s string, args sky.Tuple) (sky.Value, bool, error)

// longMethods stand for the interpreter's where a text is longer than longText.
var longMethods = map[string]onLong{
	"count":   countLong,
	"join":    joinLong,
	"lstrip":  stripLong(true, false),
	"replace": replaceLong,
	"rstrip":  stripLong(false, true),
	"strip":   stripLong(true, true),
}

func ifLong(f onLong) func(r *runner, on sky.Value, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, bool, error) {
	return func(r *runner, on sky.Value, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, bool, error) {
		s, ok := on.(sky.String)
		if !ok || len(kwargs) > 0 {
			return nil, false, nil
		}
		return f(r, string(s), args)
	}
}

func countLong(r *runner, s string, args sky.Tuple) (sky.Value, bool, error) {
	if len(s) <= longText || len(args) != 1 {
		return nil, false, nil
	}
	wanted, ok := args[0].(sky.String)
	if !ok {
		return nil, false, nil
	}
	n, err := r.occurrences(s, string(wanted))
	return sky.MakeInt(n), true, err
}

// joinLong joins what makes a long text.
func joinLong(r *runner, sep string, args sky.Tuple) (sky.Value, bool, error) {
	if len(args) != 1 {
		return nil, false, nil
	}
	size, texts := len(sep)*max(0, sky.Len(args[0])-1), true
	each(args[0], func(e sky.Value) bool {
		var s sky.String
		s, texts = e.(sky.String)
		size += len(s)
		return texts
	})
	if !texts || size <= longText || !holds(args[0]) {
		return nil, false, nil
	}
	out, n := body.Room(size), 0
	var err error
	for e := range sky.Elements(args[0].(sky.Iterable)) {
		if n > 0 {
			out = r.pieces().AppendText(out, sep)
		}
		if n++; n%lookEvery == 0 && err == nil {
			err = r.tick()
		}
		out = r.pieces().AppendText(out, string(e.(sky.String)))
	}
	return sky.String(body.TextOf(out)), true, err
}

// replaceLong is strings.Replace.
func replaceLong(r *runner, s string, args sky.Tuple) (sky.Value, bool, error) {
	from, to, times, ok := replacement(args)
	if !ok || len(s) <= longText {
		return nil, false, nil
	}
	var out []byte
	for n := 0; n != times; n++ {
		i := nextOf(s, from, n == 0)
		if i < 0 {
			break
		}
		if n%lookEvery == lookEvery-1 {
			if err := r.tick(); err != nil {
				return nil, true, err
			}
		}
		out = r.pieces().AppendText(r.pieces().AppendText(out, s[:i]), to)
		s = s[i+len(from):]
	}
	return sky.String(body.TextOf(r.pieces().AppendText(out, s))), true, nil
}

func replacement(args sky.Tuple) (from, to string, times int, ok bool) {
	if len(args) < 2 || len(args) > 3 {
		return "", "", 0, false
	}
	a, ok := args[0].(sky.String)
	b, ok2 := args[1].(sky.String)
	if times = -1; len(args) == 3 {
		var err error
		if times, err = sky.AsInt32(args[2]); err != nil {
			return "", "", 0, false
		}
	}
	return string(a), string(b), max(-1, times), ok && ok2
}

// nextOf is where the next match of a text begins, -1 = nowhere. The empty one stands before each code point and at the end.
func nextOf(s, wanted string, first bool) int {
	switch {
	case wanted != "":
		return strings.Index(s, wanted)
	case first:
		return 0
	case s == "":
		return -1
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// stripLong cuts what stands at the ends of a text.
func stripLong(left, right bool) onLong {
	return func(r *runner, s string, args sky.Tuple) (sky.Value, bool, error) {
		cut, ok := toCut(args)
		if !ok || len(s) <= longText {
			return nil, false, nil
		}
		var err error
		for more := left; more && err == nil; err = r.tick() {
			piece := s[:pieceEnd(s)]
			rest := strings.TrimLeftFunc(piece, cut)
			s = s[len(piece)-len(rest):]
			more = rest == "" && s != ""
		}
		for more := right && s != ""; more && err == nil; err = r.tick() {
			piece := s[pieceStart(s):]
			rest := strings.TrimRightFunc(piece, cut)
			s = s[:len(s)-len(piece)+len(rest)]
			more = rest == "" && s != ""
		}
		return sky.String(s), true, err
	}
}

// toCut tells what strip and its like cut: spaces, where nothing is said.
func toCut(args sky.Tuple) (func(rune) bool, bool) {
	if len(args) > 1 {
		return nil, false
	}
	if len(args) == 0 || args[0] == sky.String("") {
		return unicode.IsSpace, true
	}
	among, ok := args[0].(sky.String)
	return func(c rune) bool { return strings.ContainsRune(string(among), c) }, ok
}

// pieceEnd and pieceStart are where the first and the last piece of a text end and begin. They cut no code point.
func pieceEnd(s string) int {
	if len(s) <= longRecase {
		return len(s)
	}
	return boundary(s, longRecase)
}

func pieceStart(s string) int {
	if len(s) <= longRecase+utf8.UTFMax {
		return 0
	}
	return boundary(s, len(s)-longRecase)
}

// boundary is a place close to another one at which no code point is cut.
func boundary(s string, at int) int {
	for n := range utf8.UTFMax {
		if utf8.RuneStart(s[at-n]) {
			return at - n
		}
	}
	return at // bytes that are no part of any
}
