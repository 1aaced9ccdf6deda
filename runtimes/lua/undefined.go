package lua

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// ofNothing are what messages about a value that is not there have in them. The interpreter does not say which.
var ofNothing = []string{"a non-function object", "nothing", "nil"}

// blame adds to an error the global name that its line reads and that nothing defines: the usual reason for a value that is not there.
// The interpreter's frames must still be those of the failure.
func (s *state) blame(message string) string {
	if !slices.ContainsFunc(ofNothing, func(part string) bool { return strings.Contains(message, part) }) {
		return message
	}
	for level := 0; level < maxLevels; level++ {
		frame, ok := s.frame(level)
		if !ok {
			break
		}
		if frame.CurrentLine > 0 {
			return message + s.undefined(frame)
		}
	}
	return message
}

// undefined tells of the first undefined global that the line at which a frame stands reads, "" if there is none.
func (s *state) undefined(frame *glua.Debug) string {
	v, err := s.L.GetInfo("f", frame, glua.LNil)
	f, ok := v.(*glua.LFunction)
	if err != nil || !ok || f.IsG {
		return ""
	}
	globals := behind(f.Env)
	for pc, code := range f.Proto.Code {
		if int(code>>26) != glua.OP_GETGLOBAL || f.Proto.DbgSourcePositions[pc] != frame.CurrentLine {
			continue
		}
		name := f.Proto.Constants[code&0x3ffff].String()
		if globals.RawGetString(name) == glua.LNil && s.base.RawGetString(name) == glua.LNil {
			return fmt.Sprintf("; undefined: %s%s", name, runtimes.Suggest(name, nearTo(name, s.inScope(frame, f))))
		}
	}
	return ""
}

// shortName is how long a name is at most of which one letter alone may be wrong, in bytes: of more there is little left.
const shortName = 4

// nearTo leaves out what a short name cannot have meant.
func nearTo(name string, names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return len(name) <= shortName && engine.Slips(name, n) > 1 })
}

// inScope lists the names that a function may have meant, in a fixed order.
func (s *state) inScope(frame *glua.Debug, f *glua.LFunction) []string {
	names := make(map[string]bool)
	for _, t := range []*glua.LTable{behind(f.Env), s.base} {
		t.ForEach(func(k, _ glua.LValue) { names[k.String()] = true })
	}
	delete(names, concatFunction)
	for _, name := range f.Proto.DbgUpvalues {
		names[name] = true
	}
	if file := s.compiled[f.Proto.SourceName]; file != nil { // a local of the file that f does not use is no upvalue of it
		for _, local := range file.DbgLocals {
			names[local.Name] = true
		}
	}
	for i := 1; ; i++ {
		name, _ := s.L.GetLocal(frame, i)
		if name == "" {
			break
		}
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}
