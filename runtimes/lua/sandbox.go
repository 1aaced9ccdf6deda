package lua

import (
	"maps"
	"math"
	"slices"

	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// kept are the functions of the interpreter's own libraries that scripts reach as they are. What is not here loads code, leaves the
// sandbox, differs from run to run, or has a bounded form in this package.
var kept = map[string][]string{
	"":       {"_VERSION", "select"},
	"string": {"len"},
	"math": {"abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "deg", "exp", "floor", "fmod", "frexp", "ldexp", "log", "log10",
		"max", "min", "mod", "modf", "pi", "pow", "rad", "sin", "sinh", "sqrt", "tan", "tanh"},
}

// own are the functions of this package that stand beside or instead of the interpreter's.
func (s *state) own() map[string]map[string]glua.LGFunction {
	return map[string]map[string]glua.LGFunction{
		"": {
			"assert": s.assert, "error": s.raiseValue, "getmetatable": s.getMetatable, "ipairs": s.ipairs, "next": s.nextEntry, "pairs": s.pairs,
			"pcall": s.pcall, "print": s.print, "rawequal": s.rawEqual, "rawget": s.rawGet, "rawset": s.rawSet, "require": s.require,
			"setmetatable": s.setMetatable, "tonumber": toNumber, "tostring": s.tostring, "type": typeOf, "unpack": s.unpack, "xpcall": s.xpcall, concatFunction: s.concat,
		},
		"string": {
			"byte": s.byteOf, "char": s.char, "find": s.find, "format": s.format, "gmatch": s.gmatch, "gsub": s.gsub, "match": s.match, "rep": s.rep,
			"sub": s.sub, "lower": s.mapped("string.lower", appendLower), "reverse": s.reverse, "upper": s.mapped("string.upper", appendUpper),
		},
		"table": {
			"concat": s.tableConcat, "getn": s.tableLen, "maxn": s.tableMaxN, "insert": s.tableInsert, "remove": s.tableRemove, "sort": s.tableSort,
		},
		"math": {"random": func(L *glua.LState) int {
			L.RaiseError("math.random is not here, since a decision must be repeatable: want ctx:random()")
			return 0
		}},
	}
}

// openBase makes what every file has in scope. Nothing in it can be changed by a script, so that nothing leaks from call to call.
func (s *state) openBase(config *engine.Object) {
	for _, open := range []glua.LGFunction{glua.OpenBase, glua.OpenString, glua.OpenTable, glua.OpenMath} {
		open(s.L)
	}
	s.L.SetTop(0)
	native := s.L.Get(glua.GlobalsIndex).(*glua.LTable)
	s.ipairsNext, s.next = s.function(s.nextPosition), s.function(s.nextEntry)
	s.quietly = s.function(s.callQuietly)
	own := s.own()
	s.base = s.openLibrary("", native, own[""])
	for _, name := range []string{"string", "table", "math"} {
		s.openLibrary(name, native.RawGetString(name).(*glua.LTable), own[name])
	}
	s.openShared()
	s.fallback = s.protected()
	s.fallback.RawSetString("__index", s.base)
	s.base.RawSetString("config", s.lift(nil, runtimes.OfPlain(config)))
}

// openLibrary makes one library out of what is kept of the interpreter's and what is our own.
func (s *state) openLibrary(name string, native *glua.LTable, own map[string]glua.LGFunction) *glua.LTable {
	t := s.L.CreateTable(0, len(kept[name])+len(own))
	for _, k := range kept[name] {
		v := native.RawGetString(k)
		if f, ok := v.(*glua.LFunction); ok {
			v = s.bounded(name, k, f.GFunction)
		}
		t.RawSetString(k, v)
	}
	for _, k := range slices.Sorted(maps.Keys(own)) { // pairs shows them in this order, which must be the same in every state
		t.RawSetString(k, s.bounded(name, k, own[k]))
	}
	switch name {
	case "math":
		t.RawSetString("huge", glua.LNumber(math.Inf(1)))
	case "string":
		methods := s.protected() // of texts: s:upper()
		methods.RawSetString("__index", t)
		for event, f := range textArithmetic {
			methods.RawSetString(event, f)
		}
		s.L.SetMetatable(glua.LString(""), methods)
	}
	if name != "" {
		s.base.RawSetString(name, s.readOnly(name, t))
	}
	return t
}

// bounded makes a function that scripts call. Where it takes a number it takes a text that stands for one, unless that is long.
func (s *state) bounded(library, name string, f glua.LGFunction) *glua.LFunction {
	if at := numbersAt[name]; library == "math" || at != nil {
		f = numerals(f, at...)
	}
	return s.function(f)
}

// openShared makes the libraries that both languages have.
func (s *state) openShared() {
	for i := range runtimes.Libraries {
		lib := &runtimes.Libraries[i]
		t, proxy := s.base, (*glua.LTable)(nil)
		if lib.Name != "" {
			t = s.L.CreateTable(0, len(lib.Functions)+len(lib.Values))
			t.Metatable = s.unknownFunction(lib)
			proxy = s.readOnly(lib.Name, t)
			s.base.RawSetString(lib.Name, proxy)
		}
		for j := range lib.Functions {
			m := &lib.Functions[j]
			t.RawSetString(m.Name, s.libraryFunction(proxy, lib.Name, m))
		}
	}
	json := behind(s.base.RawGetString("json").(*glua.LTable))
	json.RawSetString("null", null)
	json.RawSetString("array", s.function(s.jsonArray))
}

// unknownFunction is the metatable of a library that both languages have: a name that is not there is an error.
func (s *state) unknownFunction(lib *runtimes.Library) *glua.LTable {
	var names []string
	for i := range lib.Functions {
		names = append(names, lib.Functions[i].Name)
	}
	for i := range lib.Values {
		names = append(names, lib.Values[i].Name)
	}
	mt := s.protected()
	mt.RawSetString("__index", s.function(func(L *glua.LState) int {
		name := told(L.Get(2))
		L.RaiseError("%s has no function %q%s", lib.Name, name, runtimes.Suggest(name, names))
		return 0
	}))
	return mt
}

// readOnly makes a table that shows what is in t and takes no assignment.
func (s *state) readOnly(name string, t *glua.LTable) *glua.LTable {
	mt := s.protected()
	mt.RawSetString("__index", t)
	mt.RawSetString("__newindex", s.function(func(L *glua.LState) int {
		L.RaiseError("%s is read-only", name)
		return 0
	}))
	return &glua.LTable{Metatable: mt}
}

// guarded returns the metatable of a read-only table, nil for any other value.
func guarded(t *glua.LTable) *glua.LTable {
	mt, ok := t.Metatable.(*glua.LTable)
	if !ok || mt == listMetatable || mt.RawGetString("__metatable") != glua.LFalse || mt.RawGetString("__newindex") == glua.LNil {
		return nil
	}
	return mt
}

// behind returns what a read-only table shows, and any other table itself.
func behind(t *glua.LTable) *glua.LTable {
	if mt := guarded(t); mt != nil {
		if shown, ok := mt.RawGetString("__index").(*glua.LTable); ok {
			return shown
		}
	}
	return t
}
