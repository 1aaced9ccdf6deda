package starlark

import (
	"fmt"
	"slices"

	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// object is a host value. Its fields are read when a script asks for them, and not at all once its call is over.
type object struct {
	of       *runtimes.Type
	receiver any
	call     *runtimes.Call
	fixed    map[string]sky.Value // fields that are the same for every call, made in advance; may be nil
	first    method               // room for the first method that is asked for
}

// openObject is a host value of an open type: x["key"] reads what is in it.
type openObject struct {
	object
	entries openMap
}

// host is either.
type host interface {
	sky.Value
	host() *object
}

var (
	_ sky.HasSetField     = (*object)(nil)
	_ sky.HasSetKey       = (*openObject)(nil)
	_ sky.Container       = (*openObject)(nil)
	_ sky.Sequence        = (*openObject)(nil)
	_ sky.IterableMapping = (*openObject)(nil)
)

func newObject(c *runtimes.Call, t *runtimes.Type, receiver any) sky.Value {
	o := object{of: t, receiver: receiver, call: c}
	if t.Index == nil {
		return &o
	}
	return &openObject{o, openMap{of: receiver.(runtimes.Mapper), call: c}}
}

func (o *object) host() *object   { return o }
func (o *object) Type() string    { return o.of.Name }
func (o *object) Freeze()         {}
func (o *object) Truth() sky.Bool { return true }

func (o *object) String() string {
	if c, ok := o.receiver.(*runtimes.Candidate); ok {
		return fmt.Sprintf("<%s %q>", o.of.Name, c.Name)
	}
	return "<" + o.of.Name + ">"
}

// stale is the error of using a value whose call is over.
func (o *object) stale() error {
	if !o.call.Over {
		return nil
	}
	return o.of.Stale()
}

// Hash lets a host value be the key of a dict. Two are the same only if they are one.
func (o *object) Hash() (uint32, error) { return sky.String(o.of.Name).Hash() }

// Attr reads a field, or binds a method.
func (o *object) Attr(name string) (sky.Value, error) {
	if err := o.stale(); err != nil {
		return nil, err
	}
	if v, ok := o.fixed[name]; ok {
		return v, nil
	}
	f, m := o.of.Lookup(name)
	switch {
	case f != nil:
		return lift(o.call, f.Read(o.call, o.receiver)), nil
	case m != nil:
		return o.bind(m), nil
	}
	return nil, o.of.Unknown(name)
}

// bind makes a method value. A script asks a value for one method mostly, so the first one has its room in the object.
func (o *object) bind(m *runtimes.Method) *method {
	if o.first.of == nil {
		o.first = method{m, o}
	}
	if o.first.of == m {
		return &o.first
	}
	return &method{m, o}
}

// AttrNames lists fields and methods.
func (o *object) AttrNames() []string {
	names := o.of.Names()
	slices.Sort(names)
	return names
}

// SetField writes a field that may be written.
func (o *object) SetField(name string, v sky.Value) error {
	if err := o.stale(); err != nil {
		return err
	}
	if f, _ := o.of.Lookup(name); f != nil && f.Set != nil {
		return f.Set(o.receiver, lower(v))
	}
	return o.of.ReadOnly(name)
}

// Attr reads a method of the type, or else one that every open map has.
func (o *openObject) Attr(name string) (sky.Value, error) {
	if f, m := o.of.Lookup(name); f == nil && m == nil && o.stale() == nil {
		if m, _ := o.entries.Attr(name); m != nil {
			return m, nil
		}
	}
	return o.object.Attr(name)
}

// AttrNames lists fields and methods.
func (o *openObject) AttrNames() []string {
	names := append(o.object.AttrNames(), o.entries.AttrNames()...)
	slices.Sort(names)
	return slices.Compact(names)
}

// Get reads x[key].
func (o *openObject) Get(key sky.Value) (sky.Value, bool, error) {
	if err := o.stale(); err != nil {
		return nil, false, err
	}
	return o.entries.Get(key)
}

// SetKey refuses x[key] = v.
func (o *openObject) SetKey(_, _ sky.Value) error {
	return fmt.Errorf("%s cannot be assigned to by key, want set(name, value)", o.of.Name)
}

// Has tells whether a key is there.
func (o *openObject) Has(key sky.Value) (bool, error) { return o.entries.Has(key) }

// Len is the number of keys.
func (o *openObject) Len() int { return o.entries.Len() }

// Iterate walks over the keys.
func (o *openObject) Iterate() sky.Iterator { return o.entries.Iterate() }

// Items lists keys and values.
func (o *openObject) Items() []sky.Tuple { return o.entries.Items() }
