package starlark

import (
	"errors"
	"fmt"
	"strings"

	sky "go.starlark.net/starlark"
)

// newDict is dict(pairs or mapping, name = value …).
func newDict(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
	if len(args) > 1 {
		return nil, fmt.Errorf("dict: got %d arguments, want at most 1", len(args))
	}
	r := runnerOf(thread)
	if err := r.allocate(dictBytes); err != nil {
		return nil, err
	}
	d := new(sky.Dict)
	if len(args) == 1 {
		if from, ok := args[0].(*sky.Dict); ok {
			err := r.work(from.Len(), entryBytes)
			if err != nil {
				return nil, err
			}
			if d, err = r.copyOf(from); err != nil {
				return nil, renamed("dict", err)
			}
			args = nil
		}
	}
	if err := r.update(d, args, kwargs); err != nil {
		return nil, renamed("dict", err)
	}
	return d, nil
}

// copyOf is a dict with what another holds. It is made as large as that at once: what a table grows through is as much again.
func (r *runner) copyOf(from *sky.Dict) (*sky.Dict, error) {
	d := sky.NewDict(from.Len())
	return d, r.fill(d, from, r.search)
}

// addAll puts into a dict what another holds, which is paid for.
func (r *runner) addAll(d, from *sky.Dict) error {
	if d == from {
		return nil
	}
	return r.fill(d, from, func(left *int64, key sky.Value) error { return r.insertion(left, d, key) })
}

// fill puts into a dict what another holds. It looks at each key before.
func (r *runner) fill(d, from *sky.Dict, look func(left *int64, key sky.Value) error) error {
	left := r.clock.Ahead(lookEvery)
	for key, value := range from.Entries() {
		if err := look(&left, key); err != nil {
			return err
		}
		if err := d.SetKey(key, value); err != nil {
			return err
		}
	}
	return nil
}

// newSet is set(iterable).
func newSet(thread *sky.Thread, _ *sky.Builtin, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
	var iterable sky.Iterable
	if err := sky.UnpackPositionalArgs("set", args, kwargs, 0, &iterable); err != nil {
		return nil, err
	}
	r := runnerOf(thread)
	if err := r.allocate(dictBytes); err != nil {
		return nil, err
	}
	s := new(sky.Set)
	if iterable == nil {
		return s, nil
	}
	if err := r.insertAll(s, iterable); err != nil {
		return nil, renamed("set", err)
	}
	return s, nil
}

// renamed puts the name of a function before an error. The end of the call has none.
func renamed(name string, err error) error {
	var own *namelessError
	if errors.As(err, &own) {
		return own.error
	}
	return fmt.Errorf("%s: %w", name, err)
}

// namelessError is the end of a call in the middle of a function.
type namelessError struct{ error }

// insertAll puts the elements of an iterable into a set and pays for it.
func (r *runner) insertAll(s *sky.Set, iterable sky.Iterable) error {
	if err := r.workOver(iterable, entryBytes); err != nil {
		return &namelessError{err}
	}
	_, err := r.apply(inserted, s, iterable)
	return err
}

// insertion is search of a key that is about to be put into a dict.
func (r *runner) insertion(left *int64, d *sky.Dict, key sky.Value) error {
	if err := makeRoom(d, key); err != nil {
		return &namelessError{err}
	}
	return r.search(left, key)
}

// search looks at a key that is about to be looked for in a table, and at the clock where none is left until the next look.
func (r *runner) search(left *int64, key sky.Value) error {
	n, err := hashed(key)
	if err != nil {
		return err
	}
	if *left -= n; *left < 0 {
		if err := r.tick(); err != nil {
			return &namelessError{err}
		}
		*left = r.clock.Ahead(lookEvery)
	}
	return nil
}

// update puts into a dict what an argument and named arguments hold, as dict and dict.update take them. The dict is the receiver of the
// interpreter's own update, which gets no more than lookEvery entries at a time.
func (r *runner) update(d *sky.Dict, args sky.Tuple, kwargs []sky.Tuple) error {
	if len(args) == 1 {
		if err := r.updateFrom(d, args[0]); err != nil {
			return err
		}
	}
	if err := r.work(len(kwargs), entryBytes); err != nil {
		return &namelessError{err}
	}
	return r.nativeUpdate(d, nil, kwargs)
}

func (r *runner) updateFrom(d *sky.Dict, from sky.Value) error {
	if err := r.workOver(from, entryBytes); err != nil {
		return &namelessError{err}
	}
	if m, ok := from.(sky.IterableMapping); ok {
		left := r.clock.Ahead(lookEvery)
		for _, item := range m.Items() {
			if err := r.insertion(&left, d, item[0]); err != nil {
				return err
			}
			if err := d.SetKey(item[0], item[1]); err != nil {
				return err
			}
		}
		return nil
	}
	pairs, ok := from.(sky.Iterable)
	if !ok {
		return fmt.Errorf("got %s, want iterable", from.Type())
	}
	return r.updatePairs(d, pairs)
}

func (r *runner) updatePairs(d *sky.Dict, pairs sky.Iterable) error {
	left := r.clock.Ahead(lookEvery)
	part := make([]sky.Value, 0, lookEvery)
	for pair := range sky.Elements(pairs) {
		if err := r.insertion(&left, d, firstOf(pair)); err != nil {
			return err
		}
		if part = append(part, pair); len(part) == cap(part) || left <= 0 || full(d.Len()+len(part)) {
			if err := r.nativeUpdate(d, sky.Tuple{sky.NewList(part)}, nil); err != nil {
				return err
			}
			part = part[:0]
		}
	}
	return r.nativeUpdate(d, sky.Tuple{sky.NewList(part)}, nil)
}

func firstOf(pair sky.Value) sky.Value {
	if l, ok := pair.(sky.Indexable); ok && l.Len() > 0 {
		return l.Index(0)
	}
	return sky.None
}

// nativeUpdate is the interpreter's own update of a dict. Its error loses its name, which may not be that of the function that runs.
func (r *runner) nativeUpdate(d *sky.Dict, args sky.Tuple, kwargs []sky.Tuple) error {
	update, err := d.Attr("update")
	if err != nil {
		return err
	}
	if _, err = update.(*sky.Builtin).CallInternal(&r.thread, args, kwargs); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "update: "))
	}
	return nil
}
