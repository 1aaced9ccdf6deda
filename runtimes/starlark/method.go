package starlark

import (
	"fmt"
	"maps"
	"slices"

	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// method is a method of a host value, or a plain function of a library.
type method struct {
	of *runtimes.Method
	on *object // nil: a plain function
}

var _ sky.Callable = (*method)(nil)

func (m *method) Name() string          { return m.of.Name }
func (m *method) Type() string          { return "builtin_function_or_method" }
func (m *method) Freeze()               {}
func (m *method) Truth() sky.Bool       { return true }
func (m *method) Hash() (uint32, error) { return sky.String(m.of.Name).Hash() }

func (m *method) String() string {
	if m.on == nil {
		return "<built-in function " + m.of.Name + ">"
	}
	return "<built-in method " + m.of.Name + " of " + m.on.of.Name + ">"
}

// CallInternal runs the method. Its arguments lie on the runner's stack while it runs.
func (m *method) CallInternal(thread *sky.Thread, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
	var receiver any
	if m.on != nil {
		if err := m.on.stale(); err != nil {
			return nil, err
		}
		receiver = m.on.receiver
	}
	r := runnerOf(thread)
	base := len(r.args)
	for _, a := range args {
		r.args = append(r.args, lower(a))
	}
	bound, err := m.of.Bind(r.args[base:], named(kwargs))
	if err != nil {
		clear(r.args[base:cap(r.args)]) // Bind may have begun to fill it
		r.args = r.args[:base]
		return nil, err
	}
	r.args = append(r.args[:base], bound...)
	v, err := m.of.Run(r.call, receiver, r.args[base:])
	r.drop(base)
	if err != nil {
		return nil, err
	}
	return lift(r.call, v), nil
}

// drop takes arguments off the runner's stack.
func (r *runner) drop(base int) {
	clear(r.args[base:])
	r.args = r.args[:base]
}

func named(kwargs []sky.Tuple) []runtimes.Named {
	if len(kwargs) == 0 {
		return nil
	}
	out := make([]runtimes.Named, len(kwargs))
	for i, pair := range kwargs {
		out[i] = runtimes.Named{Name: string(pair[0].(sky.String)), Value: lower(pair[1])}
	}
	return out
}

// library is a name with plain functions under it: json, re, url.
type library struct {
	name    string
	members sky.StringDict
}

var _ sky.HasAttrs = (*library)(nil)

func (l *library) String() string        { return "<" + l.name + ">" }
func (l *library) Type() string          { return l.name }
func (l *library) Freeze()               {}
func (l *library) Truth() sky.Bool       { return true }
func (l *library) Hash() (uint32, error) { return sky.String(l.name).Hash() }
func (l *library) AttrNames() []string   { return slices.Sorted(maps.Keys(l.members)) }

// Attr reads a function.
func (l *library) Attr(name string) (sky.Value, error) {
	if v, ok := l.members[name]; ok {
		return v, nil
	}
	return nil, fmt.Errorf("%s has no function %q%s", l.name, name, runtimes.Suggest(name, l.AttrNames()))
}

// libraries makes what every script has in scope besides config.
func libraries() sky.StringDict {
	scope := make(sky.StringDict)
	builtins(scope)
	operators(scope)
	checks(scope)
	for i := range runtimes.Libraries {
		lib := &runtimes.Libraries[i]
		members := make(sky.StringDict)
		for j := range lib.Functions {
			if f := &lib.Functions[j]; f.Call != nil {
				members[f.Name] = &method{of: f}
			}
		}
		switch lib.Name {
		case "":
			maps.Copy(scope, members)
			continue
		case "json":
			members["null"], members["array"] = sky.None, sky.NewBuiltin("array", array)
		}
		scope[lib.Name] = &library{lib.Name, members}
	}
	return scope
}

// array is json.array, which marks nothing here: a list is one even when it is empty.
func array(_ *sky.Thread, _ *sky.Builtin, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, error) {
	var t sky.Value
	return t, sky.UnpackArgs("array", args, kwargs, "t", &t)
}
