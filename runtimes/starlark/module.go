package starlark

import (
	"fmt"
	"io/fs"

	"sluice/engine"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// Load compiles a script and runs its top level, for admission.
func (rt *Runtime) Load(files fs.FS, path string, config *engine.Object, b engine.Budget) (runtimes.Module, error) {
	s, err := rt.load(files, path, config, b, nil)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Functions lists what the file defines.
func (s *script) Functions() []runtimes.Function {
	var out []runtimes.Function
	seen := make(map[string]bool)
	for _, b := range s.program.bound {
		f, ok := s.globals[b.name].(*sky.Function)
		if !ok || seen[b.name] {
			continue
		}
		seen[b.name] = true
		out = append(out, runtimes.Function{Name: b.name, Params: f.NumParams(), Line: int(b.pos.Line), Column: int(b.pos.Col)})
	}
	return out
}

// Names are the globals that the file defines.
func (s *script) Names() []string {
	out := make([]string, len(s.program.bound))
	for i := range out {
		out[i] = s.program.bound[i].name
	}
	return out
}

// Global returns a value of the top level.
func (s *script) Global(name string) (runtimes.Value, bool) {
	v, ok := s.globals[name]
	if !ok {
		return runtimes.Value{}, false
	}
	return lower(v), true
}

// Place is where the top level gives a name its first value.
func (s *script) Place(name string) (line, column int) {
	for _, b := range s.program.bound {
		if b.name == name {
			return int(b.pos.Line), int(b.pos.Col)
		}
	}
	return 0, 0
}

// Locals are the hooks that a load statement binds.
func (s *script) Locals() []runtimes.Local {
	var out []runtimes.Local
	for _, l := range s.program.loads {
		if _, ok := runtimes.FindHook(l.as.Name); ok {
			message := fmt.Sprintf("load binds %q for this file alone, which makes no hook: want load(..., inner = %q) and %s = inner", l.as.Name, l.name, l.as.Name)
			out = append(out, runtimes.Local{Name: l.as.Name, Line: int(l.as.NamePos.Line), Column: int(l.as.NamePos.Col), Message: message})
		}
	}
	return out
}

// Files are the script and what it loaded, in that order.
func (s *script) Files() []string { return s.files }

// Test runs a test_ function. The error is a *engine.ScriptError.
func (s *script) Test(name string) error {
	f, ok := s.globals[name].(*sky.Function)
	if !ok {
		return &engine.ScriptError{File: s.path, Message: fmt.Sprintf("defines no function %q", name)}
	}
	c := runtimes.Call{Hook: name, Now: runtimes.SampleNow(), Log: s.log, Patterns: s.patterns, Memory: runtimes.Share{By: s.holder}}
	r := s.rt.begin(&c, s.path, s.budget, s.leftover)
	defer s.rt.end(r)
	c.Invoke = r.invoke
	args := sky.Tuple{newObject(&c, runtimes.TypeT, &c)}
	_, err := r.run(f, args[:min(len(args), f.NumParams())])
	return err
}
