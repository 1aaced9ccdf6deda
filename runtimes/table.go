package runtimes

import (
	"fmt"

	"sluice/engine"
)

// Type describes a host value: a request, a candidate, a body … Both languages build their values from it, and so do the script
// reference and the editor stubs. Tables are made once and never written.
type Type struct {
	Name    string
	Doc     string
	Fields  []Field
	Methods []Method
	// Index reads x["key"] of an open type, such as headers; nil = the type is closed. The receiver of an open type is a Mapper as well,
	// for what walks over it. Where a language has one form for both, a method wins over a key.
	Index func(receiver any, key string) (Value, bool)
	// Edit is what a script does instead of x["key"] = v; "" = nothing.
	Edit string
	// Given are further fields that a builder takes and nothing reads.
	Given []Field
	index map[string]int // into Fields, or into Methods after ^
}

// Field is something that a script reads as x.f.
type Field struct {
	Name string
	Type string // as the reference prints it: string, int, float, bool, list of quota …
	Doc  string
	// Static: its value is the same for one upstream or principal as long as its generation lives, so a language may keep it.
	Static bool
	// Fleeting: hardly two requests have the same value, so nothing is remembered by it.
	Fleeting bool
	Get      func(receiver any) Value
	// Set takes an assignment x.f = v; nil means read-only. An error tells what was wanted, without position.
	Set func(receiver any, v Value) error
	// Edit is what a script does instead of an assignment; "" = nothing.
	Edit string
	// Put gives the field a value while a test or a fixture builds the receiver; nil means that it cannot be given.
	Put func(receiver any, v Value) error
}

// Method is something that a script calls as x.m() in Starlark and x:m() in Lua; or, in a library, lib.m() in both.
type Method struct {
	Name   string
	Doc    string
	Params []Param
	Result string // as the reference prints it; "" = nothing
	// Keywords: further arguments by name are taken as the last Value of args, a Map or Nil. In Lua that is a trailing table.
	Keywords bool
	// Makes is what a builder makes, whose fields are its further arguments; nil where no positional one could be taken for them.
	Makes *Type
	// Call runs it. args has one Value for each of Params, Nil where an optional one was left out: see Bind. An error has no position; the
	// language adds it. Nil means that the language makes this function itself.
	Call func(c *Call, receiver any, args []Value) (Value, error)
	// Pure: it reads its receiver and arguments alone, changes nothing and cannot fail.
	Pure bool
}

// Param is a parameter of a method.
type Param struct {
	Name     string
	Type     string // string, int, number, bool, any, value (anything that encodes as JSON), function
	Optional bool
}

// Library is a set of plain functions that scripts reach by a name: json, re, url. A library with no name holds the functions that are
// global by themselves.
type Library struct {
	Name string
	Doc  string
	// Values are constants; the language makes them.
	Values    []Field
	Functions []Method
}

// Lookup finds a field or a method by name. Both are nil when there is none: see Unknown.
func (t *Type) Lookup(name string) (*Field, *Method) {
	i, ok := t.index[name]
	switch {
	case !ok:
		return nil, nil
	case i >= 0:
		return &t.Fields[i], nil
	}
	return nil, &t.Methods[^i]
}

// Unknown is the error of reading a name that t does not have.
func (t *Type) Unknown(name string) error {
	near := Suggest(name, t.Names())
	if t.Index != nil && name == "get" { // as an open map has it in Starlark
		near = fmt.Sprintf(", want %s[\"name\"]", t.Name)
	}
	return fmt.Errorf("%s has no field %q%s", t.Name, engine.Cut(name, maxQuoted), near)
}

// ReadOnly is the error of writing to a field that cannot be written.
func (t *Type) ReadOnly(name string) error {
	switch f, m := t.Lookup(name); {
	case f != nil && f.Edit != "":
		return fmt.Errorf("%s.%s cannot be assigned to, want %s", t.Name, name, f.Edit)
	case f != nil || m != nil:
	case t.Edit != "":
		return fmt.Errorf("%s cannot be assigned to by key, want %s", t.Name, t.Edit)
	default:
		return t.Unknown(name)
	}
	return fmt.Errorf("%s.%s is read-only", t.Name, name)
}

// Frozen follows the error of changing what outlives a call.
const Frozen = "; globals and what the gateway gives cannot change while a script serves: want a copy, or a dialect's state"

// Names lists fields, then methods.
func (t *Type) Names() []string {
	out := make([]string, 0, len(t.Fields)+len(t.Methods))
	for i := range t.Fields {
		out = append(out, t.Fields[i].Name)
	}
	for i := range t.Methods {
		out = append(out, t.Methods[i].Name)
	}
	return out
}

// newType makes a table.
func newType(t Type) *Type {
	t.index = make(map[string]int, len(t.Fields)+len(t.Methods))
	for i := range t.Fields {
		t.index[t.Fields[i].Name] = i
	}
	for i := range t.Methods {
		t.index[t.Methods[i].Name] = ^i
	}
	return &t
}

// Stale is the error of using a host value that a script kept beyond the call it was made for.
func (t *Type) Stale() error { return fmt.Errorf("%s was kept from an earlier call", t.Name) }
