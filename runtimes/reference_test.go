package runtimes

import (
	"fmt"
	"strings"
)

// documented are the host types in the order of the reference, each with the name that stubs give it.
func documented() []namedType {
	types := []namedType{
		{"ctx", TypeCtx}, {"principal", TypePrincipal}, {"candidate", TypeCandidate}, {"upstream", TypeUpstream},
		{"rate_limit", TypeRateLimit}, {"quota", TypeQuota},
		{"headers", TypeHeaders}, {"body", TypeBody}, {"request", TypeRequest}, {"response", TypeResponse},
		{"stream_event", TypeStreamEvent},
	}
	for _, k := range eventKinds {
		types = append(types, namedType{"event_" + k.kind, k.typ})
	}
	return append(types, namedType{"usage", TypeUsage}, namedType{"t", TypeT})
}

type namedType struct {
	name string
	*Type
}

// Reference is the script reference in Markdown.
func Reference() []byte {
	var w docWriter
	w.line("# Script reference")
	w.line("")
	w.line("A script is one file, in Starlark (`.star`) or Lua (`.lua`). The functions it defines are its hooks. Both languages see the same")
	w.line("values:")
	w.line("")
	w.line("- Fields are read as `x.f`. Methods are called as `x.m(a)` in Starlark and `x:m(a)` in Lua. The functions of the libraries are")
	w.line("  called with a dot in both.")
	w.line("- Arguments may have names: `t.candidate(\"a\", weight=2)` in Starlark, and in Lua one trailing table,")
	w.line("  `t:candidate(\"a\", { weight = 2 })`. Where an argument may be a table itself, a table in its place is that argument:")
	w.line("  `body:get(\"n\", { default = 4 })` gives that table where there is nothing at `n`. But a table that is the only argument of")
	w.line("  `t:request` or `t:response` is named fields if all its keys are fields of a request, or of a response, as those of an empty")
	w.line("  table are, and the body otherwise.")
	w.line("- Nothing is `None` in Starlark and `nil` in Lua. A list is walked and indexed as the language does.")
	w.line("- A map is open: a name that is not there gives nothing. On any other value an unknown name is an error.")
	w.line("- `state` is the script's own: a table in Lua and a dict in Starlark, where `state[\"n\"]` is an error if there is no `n`, and")
	w.line("  `state.get(\"n\")` gives nothing. The same goes for objects that are decoded from JSON.")
	w.line("- Everything the gateway gives is read-only, unless its line here says otherwise.")
	w.line("- Of what the gateway gives, a candidate alone is the same key of a table in Lua each time that it is read.")
	w.line("- What a file defines or returns is read-only once its top level has run, as deep as it goes. In Lua a table that only a `local` of")
	w.line("  the file leads to may still be written to: it is a cache and nothing more, since nobody knows which calls see it again,")
	w.line("  whether for the same upstream or principal or for another.")
	w.line("- `state` keeps texts, numbers, bools, lists and maps from call to call, and what the script made is one in two places as well. A list or")
	w.line("  map of the gateway, or of a global, is a copy from the next call on, which the script may write to, and maybe another in each place;")
	w.line("  what is nothing in it stays so, in Lua as a hole in a list or no key of a map. Functions, other values of the gateway and, in Lua,")
	w.line("  tables with a metatable are errors.")
	w.line("- Objects keep the order in which their keys were set. A key that is deleted and set again stands last in Starlark, and where it")
	w.line("  stood before in Lua.")
	w.line("- `config` is the map that the binding has under `config`.")
	w.hooks()
	w.line("")
	w.line("## Values")
	for _, t := range documented() {
		w.hostType(t)
	}
	w.line("")
	w.line("## Libraries")
	for i := range Libraries {
		w.library(&Libraries[i])
	}
	return w.bytes()
}

// docWriter collects lines.
type docWriter struct{ strings.Builder }

func (w *docWriter) line(format string, args ...any) {
	if len(args) == 0 {
		w.WriteString(format)
	} else {
		fmt.Fprintf(w, format, args...)
	}
	w.WriteByte('\n')
}

func (w *docWriter) bytes() []byte { return []byte(w.String()) }

func (w *docWriter) hooks() {
	w.line("")
	w.line("## Hooks")
	w.line("")
	w.line("Trailing parameters may be left out.")
	w.line("")
	w.line("| hook | returns | when it fails |")
	w.line("|---|---|---|")
	for _, h := range Hooks {
		w.line("| `%s(%s)` | %s | %s |", h.Name, strings.Join(h.Params, ", "), h.Returns, h.OnFailed)
	}
	w.line("")
	w.line("A script may also define `plugin`, a map with name, version, description, events (a list of further kinds of events that")
	w.line("`observe` gets: `chunk`) and paths (a list of those that a dialect's wire has: for others its upstream is no candidate), and")
	w.line("`test_config`, the config that its `test_` functions see, and its hooks where `sluice check SCRIPT` tries them. Alone, the top level runs")
	w.line("without a config first, to find that: what it reads of one needs a default.")
}

func (w *docWriter) hostType(t namedType) {
	w.line("")
	w.line("### %s", t.heading())
	w.line("")
	w.line("%s", t.Doc)
	if t.Type == TypeUpstream {
		return
	}
	w.line("")
	w.line("| | type | |")
	w.line("|---|---|---|")
	for i := range t.Fields {
		f := &t.Fields[i]
		doc := f.Doc
		if f.Set != nil {
			doc += " May be assigned."
		}
		w.line("| `%s` | %s | %s |", f.Name, f.Type, cell(doc))
	}
	for i := range t.Methods {
		m := &t.Methods[i]
		w.line("| `%s` | %s | %s |", m.signature(""), m.Result, cell(m.Doc))
	}
}

// heading is the type's name; of an event its kind as well.
func (t namedType) heading() string {
	if kind, ok := strings.CutPrefix(t.name, "event_"); ok {
		return "event: " + kind
	}
	return t.name
}

// cell keeps a text in its cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func (w *docWriter) library(l *Library) {
	w.line("")
	prefix := ""
	if l.Name == "" {
		w.line("### Functions")
	} else {
		w.line("### %s", l.Name)
		w.line("")
		w.line("%s", l.Doc)
		prefix = l.Name + "."
	}
	w.line("")
	w.line("| | gives | |")
	w.line("|---|---|---|")
	for i := range l.Values {
		w.line("| `%s%s` | | %s |", prefix, l.Values[i].Name, cell(l.Values[i].Doc))
	}
	for i := range l.Functions {
		m := &l.Functions[i]
		w.line("| `%s` | %s | %s |", m.signature(prefix), m.Result, cell(m.Doc))
	}
}

// signature is how a method is called, with optional parameters in brackets.
func (m *Method) signature(prefix string) string {
	var b strings.Builder
	b.WriteString(prefix + m.Name + "(")
	for i, p := range m.Params {
		switch {
		case p.Optional && i > 0:
			b.WriteString("[, " + p.Name + "]")
		case p.Optional:
			b.WriteString("[" + p.Name + "]")
		case i > 0:
			b.WriteString(", " + p.Name)
		default:
			b.WriteString(p.Name)
		}
	}
	if m.Keywords {
		if len(m.Params) > 0 {
			b.WriteString(", ")
		}
		b.WriteString("field=…")
	}
	return b.String() + ")"
}
