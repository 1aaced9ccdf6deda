package lua

import (
	"fmt"
	"io/fs"
	"slices"
	"time"

	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// loaded is a script in a state of its own, for admission.
type loaded struct {
	script
	state *state
}

// Load compiles a script and runs its top level, for admission.
func (rt *Runtime) Load(files fs.FS, path string, config *engine.Object, b engine.Budget) (runtimes.Module, error) {
	l := &loaded{script: script{rt, engine.PluginManifest{Artifact: path, Files: files, Config: config, Budget: b}, new(runtimes.Patterns), rt.Memory.Holder(path)}}
	s, err := l.start(nil, nil, l.manifest.Budget)
	if err != nil {
		return nil, loadFailed(err)
	}
	l.state = s
	return l, nil
}

// Functions lists what the file defines, in its order. A function that comes from another file stands where it is assigned.
func (l *loaded) Functions() []runtimes.Function {
	var out []runtimes.Function
	m := l.state.main
	for _, d := range m.defined {
		f, ok := m.scriptFunction(d.name)
		if !ok {
			continue
		}
		line := d.line
		if f.Proto.SourceName == m.path {
			line = f.Proto.LineDefined
		}
		n, _ := paramsOf(f.Proto)
		out = append(out, runtimes.Function{Name: d.name, Params: n, Line: line})
	}
	slices.SortStableFunc(out, func(a, b runtimes.Function) int { return a.Line - b.Line })
	return out
}

// Names are the globals that the file defines.
func (l *loaded) Names() []string {
	out := make([]string, len(l.state.main.defined))
	for i := range out {
		out[i] = l.state.main.defined[i].name
	}
	return out
}

// Global returns a value of the top level.
func (l *loaded) Global(name string) (runtimes.Value, bool) { return l.state.main.global(name) }

// Place is where the top level gives a name its first value.
func (l *loaded) Place(name string) (line, column int) {
	for _, d := range l.state.main.defined {
		if d.name == name {
			return d.line, 0
		}
	}
	return 0, 0
}

func (m *module) global(name string) (runtimes.Value, bool) {
	if !slices.ContainsFunc(m.defined, func(d definition) bool { return d.name == name }) {
		return runtimes.Value{}, false
	}
	v := lower(m.globals.RawGetString(name))
	return v, v.Kind != runtimes.Nil
}

// Locals are the hooks that are local variables of the file. One that returns a value is a library, which gives that.
func (l *loaded) Locals() []runtimes.Local {
	m := l.state.main
	if m.value != nil && m.value != glua.LNil {
		return nil
	}
	return l.state.compiled[m.path].locals
}

// Files are the script and what it loaded, in that order.
func (l *loaded) Files() []string { return l.state.opened }

// Test runs a test_ function. The error is a *engine.ScriptError.
func (l *loaded) Test(name string) error {
	f, ok := l.state.main.scriptFunction(name)
	if !ok {
		return &engine.ScriptError{File: l.manifest.Artifact, Message: fmt.Sprintf("defines no function %q", name)}
	}
	s := l.state
	call := l.call(name)
	call.Now = runtimes.SampleNow()
	s.begin(&call, l.manifest.Budget, time.Now())
	call.Invoke = s.invokeFunction
	s.L.Push(f)
	s.L.Push(s.newHost(&call, runtimes.OfHost(runtimes.TypeT, &call)))
	_, err := s.run(name, 1)
	s.end()
	if err == nil {
		return nil
	}
	if l.state, ok = l.restarted(); !ok {
		l.state = s
	}
	return err
}

// restarted is a new state in the place of one that an error made unusable.
func (l *loaded) restarted() (*state, bool) {
	s, err := l.start(nil, nil, l.manifest.Budget)
	return s, err == nil
}
