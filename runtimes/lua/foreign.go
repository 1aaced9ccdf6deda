package lua

import (
	"fmt"
	"maps"
	"slices"

	"sluice/engine"

	glua "github.com/yuin/gopher-lua"
)

// foreign are names of other languages, and what stands for them here. A global that nobody defines is nil, so that x == True would pass
// every test and decide wrongly.
var foreign = map[string]string{
	"True": "true", "False": "false", "None": "nil", "null": "nil, or json.null", "len": "#x", "str": "tostring(x)", "int": "tonumber(x)",
	"float": "tonumber(x)", "enumerate": "ipairs(x)", "range": "for i = 1, n", "fail": "error(message)",
}

// constants are those of them that stand for a value. Whether one of the others is there a file may test, before it takes another.
var constants = []string{"True", "False", "None", "null"}

// checkForeign refuses a file that reads such a name and assigns it nowhere. One that reads _G may do so there. The error is a *engine.ScriptError.
func checkForeign(p *glua.FunctionProto) error {
	read, assigned := make(map[string]int), make(map[string]int)
	globalsOf(p, read, assigned)
	if read["_G"] > 0 {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(foreign)) {
		if line := read[name]; line > 0 && assigned[name] == 0 {
			return &engine.ScriptError{File: p.SourceName, Line: line, Message: fmt.Sprintf("undefined: %s, want %s", name, foreign[name])}
		}
	}
	return nil
}

// globalsOf notes at which line a function, and those in it, first read and assign each global.
func globalsOf(p *glua.FunctionProto, read, assigned map[string]int) {
	for pc, code := range p.Code {
		lines := read
		switch int(code >> 26) {
		case glua.OP_GETGLOBAL:
		case glua.OP_SETGLOBAL:
			lines = assigned
		default:
			continue
		}
		name := p.Constants[code&0x3ffff].String()
		if lines[name] == 0 && (slices.Contains(constants, name) || !tested(code, p.Code[pc+1:])) {
			lines[name] = p.DbgSourcePositions[pc]
		}
	}
	for _, inner := range p.FunctionPrototypes {
		globalsOf(inner, read, assigned)
	}
}

// tested reports whether what an instruction read is asked for its truth by the next.
func tested(code uint32, next []uint32) bool {
	if len(next) == 0 {
		return false
	}
	read, asks := instruction{code: code}, instruction{code: next[0]}
	switch asks.op() {
	case glua.OP_TEST:
		return asks.a() == read.a()
	case glua.OP_TESTSET:
		return asks.b() == read.a()
	}
	return false
}
