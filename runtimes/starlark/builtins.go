package starlark

import (
	"fmt"
	"math/bits"
	"unicode/utf8"

	"sluice/engine/body"

	sky "go.starlark.net/starlark"
)

// toll is what a function pays before the interpreter runs it. An error is that of the function.
type toll func(r *runner, args sky.Tuple, kwargs []sky.Tuple) error

// tolls are those of the language's own functions that are not bounded by themselves. They stand before the universe's.
var tolls = map[string]toll{
	"all":       walkToll(0),
	"any":       walkToll(0),
	"bytes":     bytesToll,
	"dir":       dirToll,
	"enumerate": walkToll(listBytes + 3*slotBytes),
	"float":     floatToll,
	"getattr":   nameToll,
	"hasattr":   nameToll,
	"max":       extremeToll,
	"min":       extremeToll,
	"ord":       ordToll,
	"reversed":  walkToll(slotBytes),
	"zip":       zipToll,
}

// builtins adds the functions of the language that are bounded.
func builtins(scope sky.StringDict) {
	for name, t := range tolls {
		scope[name] = sky.NewBuiltin(name, tolled(sky.Universe[name].(*sky.Builtin), t))
	}
	scope["int"] = sky.NewBuiltin("int", toInt)
	scope["getattr"] = sky.NewBuiltin("getattr", getattr)
	scope["sorted"] = sky.NewBuiltin("sorted", sorted)
	for _, name := range []string{"fail", "print"} {
		scope[name] = sky.NewBuiltin(name, saying(sky.Universe[name].(*sky.Builtin)))
	}
	scope["repr"] = sky.NewBuiltin("repr", writing(true))
	scope["str"] = sky.NewBuiltin("str", writing(false))
	scope["list"] = sky.NewBuiltin("list", newList)
	scope["tuple"] = sky.NewBuiltin("tuple", newTuple)
	scope["dict"] = sky.NewBuiltin("dict", newDict)
	scope["set"] = sky.NewBuiltin("set", newSet)
}

func tolled(native *sky.Builtin, t toll) builtin {
	return func(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
		if err := t(runnerOf(thread), args, kwargs); err != nil {
			return nil, err
		}
		return native.CallInternal(thread, args, kwargs)
	}
}

// walkToll pays for a walk over each argument that allocates so many bytes for each element.
func walkToll(bytes int64) toll {
	return func(r *runner, args sky.Tuple, _ []sky.Tuple) error {
		for _, a := range args {
			if err := r.workOver(a, bytes); err != nil {
				return err
			}
		}
		return nil
	}
}

func bytesToll(r *runner, args sky.Tuple, _ []sky.Tuple) error {
	if len(args) == 1 {
		if n := sky.Len(args[0]); n > 0 {
			return r.copyText(n, 1)
		}
	}
	return nil
}

func dirToll(r *runner, _ sky.Tuple, _ []sky.Tuple) error { return r.allocate(4 << 10) }

func floatToll(_ *runner, args sky.Tuple, _ []sky.Tuple) error {
	if len(args) > 0 {
		if text, ok := args[0].(sky.String); ok && len(text) > maxDigits {
			return fmt.Errorf("float: a text of %d bytes, want at most %d", len(text), maxDigits)
		}
	}
	return nil
}

func ordToll(r *runner, args sky.Tuple, _ []sky.Tuple) error {
	if len(args) > 0 {
		return r.spend(int64(max(0, sky.Len(args[0]))) / 16)
	}
	return nil
}

// textToll pays for the text that all arguments have together.
func textToll(r *runner, args sky.Tuple, kwargs []sky.Tuple) error {
	size, err := r.textSizes(args, false)
	if err != nil {
		return err
	}
	for _, pair := range kwargs {
		if sep, ok := pair[1].(sky.String); ok {
			size += int64(len(sep)) * int64(len(args))
		}
	}
	return r.makeText(size, 2*size)
}

// saying is fail or print, whose arguments are written here where that takes long.
func saying(native *sky.Builtin) builtin {
	return func(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
		r := runnerOf(thread)
		if err := textToll(r, args, kwargs); err != nil {
			return nil, err
		}
		args, err := r.shown(args)
		if err != nil {
			return nil, err
		}
		return native.CallInternal(thread, args, kwargs)
	}
}

// writing is repr, or str, which leaves a text as it is.
func writing(quoted bool) builtin {
	name := map[bool]string{true: "repr", false: "str"}[quoted]
	return func(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
		if len(args) != 1 || len(kwargs) > 0 {
			return sky.Universe[name].(*sky.Builtin).CallInternal(thread, args, kwargs)
		}
		r, v := runnerOf(thread), args[0]
		switch v := v.(type) {
		case sky.String:
			if !quoted {
				return v, nil
			}
		case sky.Bytes:
			if !quoted {
				return r.decoded(v)
			}
		}
		size, err := r.textSize(v, quoted)
		if err == nil {
			err = r.makeText(size, 2*size)
		}
		if err != nil {
			return nil, err
		}
		return r.written(v, size)
	}
}

// decoded is the text of bytes, in which U+FFFD stands for each that is no part of a code point.
func (r *runner) decoded(b sky.Bytes) (sky.Value, error) {
	if err := r.copyText(len(b), 3); err != nil {
		return nil, err
	}
	var out []byte
	for s := string(b); s != ""; {
		end := pieceEnd(s)
		for _, c := range s[:end] {
			out = utf8.AppendRune(out, c)
		}
		s = s[end:]
		if err := r.tick(); err != nil {
			return nil, err
		}
	}
	return sky.String(body.TextOf(out)), nil
}

func nameToll(_ *runner, args sky.Tuple, _ []sky.Tuple) error {
	if len(args) > 1 {
		if name, ok := args[1].(sky.String); ok && len(name) > maxName {
			return fmt.Errorf("a name of %d bytes, want at most %d", len(name), maxName)
		}
	}
	return nil
}

// maxDigits bounds the text of an integer.
const maxDigits = maxBits / 3

func intToll(r *runner, args sky.Tuple, kwargs []sky.Tuple) error {
	x := sky.Value(sky.None)
	if len(args) > 0 {
		x = args[0]
	} else if len(kwargs) > 0 {
		x = kwargs[0][1]
	}
	text, ok := x.(sky.String)
	if ok && len(text) > maxDigits {
		return fmt.Errorf("int: a text of %d bytes, want at most %d", len(text), maxDigits)
	}
	if ok && len(text) > 18 {
		r.widen(6 * len(text))
	}
	if _, ok := x.(sky.Float); ok {
		r.widen(1024)
	}
	return nil
}

// toInt is int(x), which scripts mostly ask of a number.
func toInt(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
	if len(args) == 1 && len(kwargs) == 0 {
		switch x := args[0].(type) {
		case sky.Int:
			return x, nil
		case sky.Float:
			if -maxExact < x && x < maxExact {
				return sky.MakeInt64(int64(x)), nil
			}
		}
	}
	if err := intToll(runnerOf(thread), args, kwargs); err != nil {
		return nil, err
	}
	return sky.Universe["int"].(*sky.Builtin).CallInternal(thread, args, kwargs)
}

// maxExact is the integer up to which a float64 holds each.
const maxExact = 1 << 53

// extremeToll pays for max and min. What their key returns is looked at as well.
func extremeToll(r *runner, args sky.Tuple, kwargs []sky.Tuple) error {
	elements := sky.Value(args)
	if len(args) == 1 {
		elements = args[0]
	}
	if err := r.workOver(elements, 0); err != nil {
		return err
	}
	for i := range kwargs {
		if key, ok := kwargs[i][1].(sky.Callable); ok {
			kwargs[i] = sky.Tuple{kwargs[i][0], &weighed{key}}
		}
	}
	_, err := r.weighAll(elements)
	return err
}

// weighAll looks at each element that may take long to compare and pays for comparing it once. It returns what the heaviest weighs.
func (r *runner) weighAll(elements sky.Value) (heaviest visits, err error) {
	each(elements, func(e sky.Value) bool {
		var n visits
		n, err = r.payWeight(e)
		heaviest = max(heaviest, n)
		return err == nil
	})
	return heaviest, err
}

func (r *runner) payWeight(v sky.Value) (n visits, err error) {
	switch v := v.(type) {
	case sky.String, sky.Bytes:
		n = weightOf(v)
	case sky.Tuple, *sky.List, *sky.Dict, *sky.Set:
		n, err = weigh(v, compareDepth)
	}
	if n > 1 {
		err = r.spend(n)
	}
	return n, err
}

// weighed is a key function whose results are looked at before they are compared.
type weighed struct{ sky.Callable }

// CallInternal calls the function.
func (w *weighed) CallInternal(thread *sky.Thread, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
	v, err := sky.Call(thread, w.Callable, args, kwargs)
	if err == nil {
		_, err = runnerOf(thread).payWeight(v)
	}
	return v, err
}

func zipToll(r *runner, args sky.Tuple, _ []sky.Tuple) error {
	if len(args) == 0 {
		return nil
	}
	least := maxCount + 1
	for _, a := range args {
		n, err := r.count(a)
		if err != nil {
			return err
		}
		least = min(least, max(0, n))
	}
	return r.work(least, listBytes+slotBytes*int64(1+len(args)))
}

// getattr is the language's, but for methods that are not bounded by themselves.
func getattr(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
	if err := nameToll(nil, args, kwargs); err != nil {
		return nil, err
	}
	v, err := sky.Universe["getattr"].(*sky.Builtin).CallInternal(thread, args, kwargs)
	if err != nil {
		return nil, err
	}
	return guarded(v), nil
}

// newList is list(iterable).
func newList(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
	elements, err := elementsOf("list", thread, args, kwargs)
	if err != nil {
		return nil, err
	}
	return sky.NewList(elements), nil
}

// newTuple is tuple(iterable).
func newTuple(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
	elements, err := elementsOf("tuple", thread, args, kwargs)
	if err != nil {
		return nil, err
	}
	return sky.Tuple(elements), nil
}

func elementsOf(name string, thread *sky.Thread, args sky.Tuple, kwargs []sky.Tuple) ([]sky.Value, error) {
	var iterable sky.Iterable
	if err := sky.UnpackPositionalArgs(name, args, kwargs, 0, &iterable); err != nil || iterable == nil {
		return nil, err
	}
	r := runnerOf(thread)
	n, err := r.count(iterable)
	if err == nil {
		err = r.work(n, slotBytes)
	}
	if err != nil {
		return nil, err
	}
	return r.elements(iterable, n)
}

// elements are those of an iterable, n of them.
func (r *runner) elements(iterable sky.Iterable, n int) ([]sky.Value, error) {
	out := make([]sky.Value, 0, n)
	for v := range sky.Elements(iterable) {
		if out = append(out, v); len(out)%lookEvery == 0 {
			if err := r.tick(); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// sorted is the language's, which looks at the clock.
func sorted(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
	var iterable sky.Iterable
	var key sky.Callable
	var reverse bool
	err := sky.UnpackArgs("sorted", args, kwargs, "iterable", &iterable, "key?", &key, "reverse?", &reverse)
	if err != nil {
		return nil, err
	}
	r := runnerOf(thread)
	n, err := r.count(iterable)
	if err == nil {
		err = r.work(n, 2*slotBytes)
	}
	if err != nil {
		return nil, err
	}
	if err := r.spend(int64(n*bits.Len(uint(n))) / 2); err != nil {
		return nil, err
	}
	values, err := r.elements(iterable, n)
	if err != nil {
		return nil, err
	}
	s := &sorting{runner: r, values: values}
	if err := s.derive(key); err != nil {
		return nil, err
	}
	if err := s.sort(reverse); err != nil {
		return nil, err
	}
	return sky.NewList(s.values), nil
}
