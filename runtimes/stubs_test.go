package runtimes

import (
	"fmt"
	"strings"
)

// LuaStub is the LuaCATS description of everything a Lua script sees, for editors.
func LuaStub() []byte {
	var w docWriter
	w.line("---@meta")
	w.line("-- What Lua scripts see, for editors that read LuaCATS annotations. Made from the gateway's own tables.")
	for _, t := range documented() {
		w.luaClass(t)
	}
	w.line("")
	w.line("---@alias sluice.event %s|sluice.stream_event", strings.Join(eventNames("sluice.event_"), "|"))
	w.line("")
	w.line("-- The binding's config.")
	w.line("---@type table<string, any>")
	w.line("config = {}")
	for i := range Libraries {
		w.luaLibrary(&Libraries[i])
	}
	return w.bytes()
}

func eventNames(prefix string) []string {
	var names []string
	for _, k := range eventKinds {
		names = append(names, prefix+k.kind)
	}
	return names
}

func (w *docWriter) luaClass(t namedType) {
	w.line("")
	w.line("-- %s", t.Doc)
	w.line("---@class sluice.%s", t.name)
	for i := range t.Fields {
		f := &t.Fields[i]
		w.line("---@field %s %s %s", f.Name, luaType(t.fieldType(f)), f.Doc)
	}
	if t.Index != nil {
		w.line("---@field [string] string?")
	}
	w.line("local %s = {}", t.name)
	for i := range t.Methods {
		w.luaFunction(&t.Methods[i], t.name+":")
	}
}

// fieldType is a field's type; of an event's kind it is the kind itself.
func (t namedType) fieldType(f *Field) string {
	if kind, ok := strings.CutPrefix(t.name, "event_"); ok && f.Name == "kind" {
		return fmt.Sprintf("%q", kind)
	}
	return f.Type
}

func (w *docWriter) luaLibrary(l *Library) {
	w.line("")
	prefix := ""
	if l.Name != "" {
		w.line("-- %s", l.Doc)
		w.line("%s = {}", l.Name)
		prefix = l.Name + "."
	}
	for i := range l.Values {
		w.line("")
		w.line("-- %s", l.Values[i].Doc)
		w.line("---@type any")
		w.line("%s%s = nil", prefix, l.Values[i].Name)
	}
	for i := range l.Functions {
		w.luaFunction(&l.Functions[i], prefix)
	}
}

func (w *docWriter) luaFunction(m *Method, prefix string) {
	w.line("")
	w.line("-- %s", m.Doc)
	var names []string
	for _, p := range m.Params {
		optional := ""
		if p.Optional {
			optional = "?"
		}
		w.line("---@param %s%s %s", p.Name, optional, luaType(p.Type))
		names = append(names, p.Name)
	}
	if m.Keywords {
		w.line("---@param fields? table<string, any>")
		names = append(names, "fields")
	}
	if m.Result != "" {
		w.line("---@return %s", luaType(m.Result))
	}
	w.line("function %s%s(%s) end", prefix, m.Name, strings.Join(names, ", "))
}

func luaType(t string) string {
	if t, ok := strings.CutSuffix(t, " or nothing"); ok {
		return luaType(t) + "?"
	}
	if a, b, ok := strings.Cut(t, " or "); ok {
		return luaType(a) + "|" + luaType(b)
	}
	if t, ok := strings.CutPrefix(t, "list of "); ok {
		return luaType(t) + "[]"
	}
	switch t {
	case "string", "number", "any", "function":
		return t
	case "int":
		return "integer"
	case "float":
		return "number"
	case "bool":
		return "boolean"
	case "value":
		return "any"
	case "list":
		return "any[]"
	case "map":
		return "table<string, any>"
	case "map of string":
		return "table<string, string>"
	}
	if strings.HasPrefix(t, `"`) {
		return t
	}
	return "sluice." + t
}

// StarlarkStub is the description of everything a Starlark script sees, as a Python stub, for editors.
func StarlarkStub() []byte {
	var w docWriter
	w.line("# What Starlark scripts see, for editors that read Python stubs. Made from the gateway's own tables.")
	w.line("from typing import Any, Callable, Iterator, Literal, Union, overload")
	for _, t := range documented() {
		w.pyClass(t)
	}
	w.line("")
	w.line("Event = Union[%s, StreamEvent]", strings.Join(eventClasses(), ", "))
	w.line("")
	w.line("config: dict[str, Any]")
	for i := range Libraries {
		w.pyLibrary(&Libraries[i])
	}
	return w.bytes()
}

func eventClasses() []string {
	names := eventNames("event_")
	for i := range names {
		names[i] = pyClassName(names[i])
	}
	return names
}

func (w *docWriter) pyClass(t namedType) {
	w.line("")
	w.line("class %s:", pyClassName(t.name))
	w.line("    %q", t.Doc)
	for i := range t.Fields {
		f := &t.Fields[i]
		w.line("    %s: %s  # %s", f.Name, pyType(t.fieldType(f)), f.Doc)
	}
	if t.Index != nil {
		w.line("    def __getitem__(self, name: str) -> str | None: ...")
		w.line("    def get(self, name: str, default: Any = None) -> Any: ...")
		w.line("    def __contains__(self, name: str) -> bool: ...")
		w.line("    def __iter__(self) -> Iterator[str]: ...")
		w.line("    def __len__(self) -> int: ...")
		w.line("    def keys(self) -> list[str]: ...")
		w.line("    def values(self) -> list[str]: ...")
		w.line("    def items(self) -> list[tuple[str, str]]: ...")
	}
	for i := range t.Methods {
		if t.Methods[i].Result == "event" {
			w.pyEvents(&t.Methods[i])
		} else {
			w.pyFunction(&t.Methods[i], "    ", "self")
		}
	}
}

// pyEvents tells apart what the builder of events makes: of a stream by its fields, else by the kind.
func (w *docWriter) pyEvents(m *Method) {
	f := func(params, class string) {
		w.line("    @overload")
		w.line("    def %s(self, %s) -> %s: ...  # %s", m.Name, params, class, m.Doc)
	}
	f("*, data: Any, name: str = ..., complete: bool | None = ...", "StreamEvent")
	f("*, name: str, complete: bool | None = ...", "StreamEvent")
	for _, k := range eventKinds {
		optional := ""
		if k.kind == sampleKind {
			optional = " = ..."
		}
		f(fmt.Sprintf("kind: Literal[%q]%s, **fields: Any", k.kind, optional), pyClassName("event_"+k.kind))
	}
}

func (w *docWriter) pyLibrary(l *Library) {
	w.line("")
	indent := ""
	if l.Name != "" {
		w.line("class %s:", l.Name)
		w.line("    %q", l.Doc)
		indent = "    "
	}
	for i := range l.Values {
		w.line("%s%s: Any  # %s", indent, l.Values[i].Name, l.Values[i].Doc)
	}
	for i := range l.Functions {
		if l.Name != "" {
			w.line("    @staticmethod")
		}
		w.pyFunction(&l.Functions[i], indent, "")
	}
}

func (w *docWriter) pyFunction(m *Method, indent, self string) {
	var params []string
	if self != "" {
		params = append(params, self)
	}
	for _, p := range m.Params {
		param := pyName(p.Name) + ": " + pyType(p.Type)
		if p.Optional {
			param += " = ..."
		}
		params = append(params, param)
	}
	if m.Keywords {
		params = append(params, "**fields: Any")
	}
	result := "None"
	if m.Result != "" {
		result = pyType(m.Result)
	}
	w.line("%sdef %s(%s) -> %s: ...  # %s", indent, m.Name, strings.Join(params, ", "), result, m.Doc)
}

func pyType(t string) string {
	if t, ok := strings.CutSuffix(t, " or nothing"); ok {
		return pyType(t) + " | None"
	}
	if a, b, ok := strings.Cut(t, " or "); ok {
		return pyType(a) + " | " + pyType(b)
	}
	if t, ok := strings.CutPrefix(t, "list of "); ok {
		return "list[" + pyType(t) + "]"
	}
	switch t {
	case "string":
		return "str"
	case "int", "bool", "float":
		return t
	case "number":
		return "float"
	case "any", "value":
		return "Any"
	case "list":
		return "list[Any]"
	case "map":
		return "dict[str, Any]"
	case "map of string":
		return "dict[str, str]"
	case "function":
		return "Callable[[], Any]"
	}
	if strings.HasPrefix(t, `"`) {
		return "Literal[" + t + "]"
	}
	return pyClassName(t)
}

// pyClassName is the class of a host type: event_chunk is EventChunk.
func pyClassName(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// pyName keeps clear of Python's keywords.
func pyName(name string) string {
	if name == "with" {
		return "with_"
	}
	return name
}
