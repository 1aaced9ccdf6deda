package starlark

import (
	"errors"
	"fmt"

	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// guardedMethod is a method of the language's own values that is not bounded by itself.
type guardedMethod struct {
	// toll pays before the method runs; nil where run does.
	toll func(r *runner, on sky.Value, args sky.Tuple, kwargs []sky.Tuple) error
	// run stands for the interpreter's method where it is not nil and takes the receiver. It pays for what no toll has.
	run func(r *runner, on sky.Value, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, bool, error)
}

// methods are by name, whatever they are methods of: a receiver that is not meant passes.
var methods map[string]*guardedMethod

func init() {
	methods = make(map[string]*guardedMethod)
	for name, toll := range textTolls {
		methods[name] = &guardedMethod{toll: toll}
	}
	for name, toll := range tableTolls {
		if of := methods[name]; of != nil {
			toll = eitherToll(of.toll, toll)
		}
		methods[name] = &guardedMethod{toll: toll}
	}
	for name, to := range recasings {
		methods[name] = &guardedMethod{toll: textTolls[name], run: recase(to)}
	}
	methods["format"] = &guardedMethod{run: formatText}
	for name, f := range longMethods {
		methods[name].run = ifLong(f)
	}
	methods["append"] = &guardedMethod{} // an appender does it all
	methods["update"] = &guardedMethod{run: updateWith}
	methods["union"] = &guardedMethod{toll: tableToll(entryBytes), run: unionMethod}
	for name, op := range setOps {
		methods[name] = &guardedMethod{toll: setToll, run: setMethod(name, op)}
	}
}

type methodToll = func(r *runner, on sky.Value, args sky.Tuple, kwargs []sky.Tuple) error

// eitherToll is that of a name that texts and tables both have.
func eitherToll(text, table methodToll) methodToll {
	return func(r *runner, on sky.Value, args sky.Tuple, kwargs []sky.Tuple) error {
		if _, ok := on.(sky.String); ok {
			return text(r, on, args, kwargs)
		}
		return table(r, on, args, kwargs)
	}
}

// bound is a guarded method with its receiver. To a script it is as the interpreter's own.
type bound struct {
	*sky.Builtin
	of *guardedMethod
}

// guarded is v, or what stands for it where it is a method that is not bounded by itself.
func guarded(v sky.Value) sky.Value {
	b, ok := v.(*sky.Builtin)
	if !ok || b.Receiver() == nil {
		return v
	}
	if l, ok := b.Receiver().(*sky.List); ok && b.Name() == "append" {
		return &appender{l}
	}
	if of := methods[b.Name()]; of != nil {
		return &bound{b, of}
	}
	return v
}

// CallInternal runs the method.
func (b *bound) CallInternal(thread *sky.Thread, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
	r, on := runnerOf(thread), b.Receiver()
	if b.of.toll != nil {
		if err := b.of.toll(r, on, args, kwargs); err != nil {
			return nil, err
		}
	}
	if b.of.run != nil {
		if v, ok, err := b.of.run(r, on, args, kwargs); ok {
			return v, err
		}
	}
	return b.Builtin.CallInternal(thread, args, kwargs)
}

// attribute reads x.name.
func attribute(name string) func(sky.Value) (sky.Value, error) {
	return func(v sky.Value) (sky.Value, error) {
		if l, ok := v.(*sky.List); ok && name == "append" {
			return &appender{l}, nil
		}
		x, ok := v.(sky.HasAttrs)
		if !ok {
			return nil, fmt.Errorf("%s has no .%s field or method", v.Type(), name)
		}
		of, err := x.Attr(name)
		if err != nil {
			return nil, err
		}
		if of == nil {
			return nil, noAttribute(v, name)
		}
		return guarded(of), nil
	}
}

// noAttribute is the interpreter's error for x.name, which knows what was meant.
func noAttribute(x sky.Value, name string) error {
	_, err := sky.EvalOptions(&syntax.FileOptions{}, new(sky.Thread), "", "x."+name, sky.StringDict{"x": x})
	return errors.Unwrap(err)
}

// appender is the method append of a list, the commonest of all.
type appender struct{ to *sky.List }

var _ sky.Callable = (*appender)(nil)

func (a *appender) Name() string          { return "append" }
func (a *appender) String() string        { return "<built-in method append of list value>" }
func (a *appender) Type() string          { return "builtin_function_or_method" }
func (a *appender) Freeze()               { a.to.Freeze() }
func (a *appender) Truth() sky.Bool       { return true }
func (a *appender) Hash() (uint32, error) { return sky.String("append").Hash() }

// CallInternal appends.
func (a *appender) CallInternal(thread *sky.Thread, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
	if len(args) != 1 || len(kwargs) > 0 {
		var object sky.Value
		return nil, sky.UnpackPositionalArgs("append", args, kwargs, 1, &object)
	}
	if err := runnerOf(thread).allocate(growBytes); err != nil {
		return nil, err
	}
	if err := bounded(a.to.Len() + 1); err != nil {
		return nil, err
	}
	if err := a.to.Append(args[0]); err != nil {
		return nil, fmt.Errorf("append: %w", err)
	}
	return sky.None, nil
}

// updateWith is dict.update and set.update.
func updateWith(r *runner, on sky.Value, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, bool, error) {
	switch on := on.(type) {
	case *sky.Dict:
		if len(args) > 1 {
			return nil, false, nil
		}
		if err := r.update(on, args, kwargs); err != nil {
			return nil, true, renamed("update", err)
		}
		return sky.None, true, nil
	case *sky.Set:
		ok, err := r.insertArgs(on, args, kwargs)
		if err != nil {
			return nil, true, renamed("update", err)
		}
		return sky.None, ok, nil
	}
	return nil, false, nil
}

// tableTolls are those of lists, dicts and sets.
var tableTolls = map[string]methodToll{
	"add":        keyToll(entryBytes / 2),
	"discard":    keyToll(0),
	"extend":     extendToll,
	"get":        keyToll(0),
	"index":      searchToll,
	"insert":     shiftToll,
	"items":      tableToll(7 * slotBytes),
	"keys":       tableToll(slotBytes),
	"pop":        shiftToll,
	"remove":     searchToll,
	"setdefault": keyToll(entryBytes / 2),
	"values":     tableToll(8 * slotBytes),
}

// keyToll looks at a key and pays for the entry that it may become.
func keyToll(bytes int64) methodToll {
	return func(r *runner, on sky.Value, args sky.Tuple, _ []sky.Tuple) error {
		if len(args) > 0 {
			if _, err := hashed(args[0]); err != nil {
				return err
			}
			if table, ok := on.(sky.Iterable); ok && bytes > 0 {
				if err := makeRoom(table, args[0]); err != nil {
					return err
				}
			}
		}
		return r.allocate(bytes)
	}
}

// tableToll pays for a list of what a table holds.
func tableToll(bytes int64) methodToll {
	return func(r *runner, on sky.Value, _ sky.Tuple, _ []sky.Tuple) error {
		return r.work(max(0, sky.Len(on)), bytes)
	}
}

func extendToll(r *runner, on sky.Value, args sky.Tuple, _ []sky.Tuple) error {
	l, ok := on.(*sky.List)
	if !ok || len(args) == 0 {
		return nil
	}
	return r.lengthen(l, args[0])
}

// shiftToll pays for moving the elements of a list that stand behind a place, or for looking at a key.
func shiftToll(r *runner, on sky.Value, args sky.Tuple, _ []sky.Tuple) error {
	l, ok := on.(*sky.List)
	if !ok {
		return keyToll(0)(r, on, args, nil)
	}
	if err := r.allocate(growBytes); err != nil {
		return err
	}
	if err := r.spend(int64(l.Len()) / 64); err != nil {
		return err
	}
	return bounded(l.Len())
}

// searchToll pays for finding a value in a list, or looks at a key.
func searchToll(r *runner, on sky.Value, args sky.Tuple, _ []sky.Tuple) error {
	l, ok := on.(*sky.List)
	if !ok {
		return keyToll(0)(r, on, args, nil)
	}
	if len(args) == 0 {
		return nil
	}
	return r.payCompares(args[0], l)
}

// setToll pays for walking over a set and another iterable.
func setToll(r *runner, on sky.Value, args sky.Tuple, kwargs []sky.Tuple) error {
	if len(args)+len(kwargs) == 0 {
		return fmt.Errorf("got 0 arguments, want 1")
	}
	for _, a := range args {
		if err := r.workOver(a, entryBytes); err != nil {
			return err
		}
	}
	return r.work(max(0, sky.Len(on)), entryBytes)
}
