package runtimes

import (
	"fmt"
	"strings"
)

// build gives a host value that is being made its fields: a Map of documented names, or Nil. An error names the type and the field.
func build(t *Type, receiver any, fields Value) error {
	if fields.Kind == Nil {
		return nil
	}
	if fields.Kind != Map {
		return fmt.Errorf("%s: %s, want a map of its fields", t.Name, describeKind(fields))
	}
	var err error
	bad := fields.Ref.(Mapper).Each(func(name string, v Value) bool {
		err = t.put(receiver, name, v)
		return err == nil
	})
	if err == nil && bad != "" {
		err = fmt.Errorf("%s: a field's name is a %s, want a string", t.Name, bad)
	}
	return err
}

func (t *Type) put(receiver any, name string, v Value) error {
	f := t.given(name)
	if f == nil {
		return fmt.Errorf("%s has no field %s%s", t.Name, quote(name), Suggest(name, t.puttable()))
	}
	if err := f.Put(receiver, v); err != nil {
		if nested := err.Error(); strings.HasPrefix(nested, "is ") || strings.HasPrefix(nested,
			"has ") || strings.HasPrefix(nested, "holds ") {
			return fmt.Errorf("%s: %s %w", t.Name, name, err)
		}
		return err
	}
	return nil
}

// given finds what a builder may give.
func (t *Type) given(name string) *Field {
	for i := range t.Given {
		if t.Given[i].Name == name {
			return &t.Given[i]
		}
	}
	if f, _ := t.Lookup(name); f != nil && f.Put != nil {
		return f
	}
	return nil
}

// builtFrom reports whether all keys of a map are fields that a builder of t takes.
func (t *Type) builtFrom(fields Mapper) bool {
	if t == nil {
		return false
	}
	all := true
	bad := fields.Each(func(name string, _ Value) bool {
		all = t.given(name) != nil
		return all
	})
	return all && bad == ""
}

func (t *Type) puttable() []string {
	var names []string
	for _, fields := range [][]Field{t.Fields, t.Given} {
		for i := range fields {
			if fields[i].Put != nil {
				names = append(names, fields[i].Name)
			}
		}
	}
	return names
}
