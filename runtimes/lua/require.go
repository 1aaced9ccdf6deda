package lua

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// Bounds of what one script loads, itself included. Each file has a bound of its own, maxSource.
const (
	maxFiles   = 64
	maxSources = 1 << 20 // bytes
)

// maxDefined bounds the globals of a file: they are looked through by name.
const maxDefined = 2000

// maxTold is how long a name is at most, and how much of one that is none an error tells, in bytes.
const maxTold = 200

// told is what an error tells of a name.
func told(name glua.LValue) string { return engine.Cut(name.String(), maxTold) }

// module is a file whose top level runs or has run in a state.
type module struct {
	path string
	// env is the file's global scope. It is always empty: what the top level defines goes to globals, so that every assignment comes by
	// its metatable, where it can be refused afterwards.
	env, globals *glua.LTable
	defined      []definition
	running      bool
	value        glua.LValue // what the file returned, or a view of its globals once it was required
}

// definition is a global that a file's top level gave its first value.
type definition struct {
	name string
	line int
}

// require is require("lib.x"). A call gets what was loaded with the script alone: all else has not been admitted with it.
func (s *state) require(L *glua.LState) int {
	name := L.CheckString(1)
	path, err := modulePath(name)
	if err == nil && len(s.loading) == 0 && s.loaded[path] == nil {
		err = fmt.Errorf("require: %q was not loaded with the script, want its name written out, or a require at the top level", name)
	}
	var m *module
	if err == nil {
		m, err = s.open(path)
	}
	if err != nil {
		s.raise(err)
	}
	if m.value == glua.LNil {
		m.value = s.view(m)
	}
	L.Push(m.value)
	return 1
}

// modulePath is the file that a name of a module stands for.
func modulePath(name string) (string, error) {
	if len(name) > maxTold || !moduleName(name) {
		return "", fmt.Errorf("require: bad name %q, want names joined by dots, such as lib.x", engine.Cut(name, maxTold))
	}
	return strings.ReplaceAll(name, ".", "/") + ".lua", nil
}

// openNeeds opens what files require by names that are written out, and was not reached by their top levels: it belongs to the script as
// well, and is admitted with it. An error is a *engine.ScriptError, unless what a file raises passes through.
func (s *state) openNeeds() error {
	for i := 0; i < len(s.needs); i++ {
		n := s.needs[i]
		path, err := modulePath(n.name)
		if err == nil {
			_, err = s.open(path)
		}
		var own *engine.ScriptError
		if err != nil && !errors.As(err, &own) {
			err = &engine.ScriptError{File: n.by, Line: n.line, Message: err.Error()}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// moduleName reports whether s is made of letters, digits, _ and -, with dots between the parts.
func moduleName(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || strings.ContainsFunc(part, func(r rune) bool {
			return !(r < 0x80 && (isLetter(byte(r)) || isDigit(byte(r))) || r == '_' || r == '-')
		}) {
			return false
		}
	}
	return true
}

// open returns a file's module and runs its top level the first time. An error is the gateway's, with a place if it is in the file; what
// the file itself raises passes through as it is.
func (s *state) open(name string) (*module, error) {
	if i := slices.Index(s.loading, name); i >= 0 {
		return nil, fmt.Errorf("the files load each other: %s -> %s", strings.Join(s.loading[i:], " -> "), name)
	}
	if m := s.loaded[name]; m != nil {
		return m, nil
	}
	p, err := s.compile(name)
	if err != nil {
		return nil, err
	}
	m := s.newModule(name)
	s.runModule(m, p)
	s.loaded[name] = m
	s.freeze(m)
	return m, nil
}

// runModule runs a file's top level. It may leave by a panic, which the script may catch.
func (s *state) runModule(m *module, p *program) {
	s.loading = append(s.loading, m.path)
	defer func() {
		m.running = false
		s.loading = s.loading[:len(s.loading)-1]
	}()
	f := s.L.NewFunctionFromProto(p.FunctionProto)
	f.Env = m.env
	s.L.Push(f)
	s.L.Call(0, 1)
	m.value = s.L.Get(-1)
	s.L.Pop(1)
}

// compile reads a file and makes it a program. Once the state has one it is kept, for a top level that runs again.
func (s *state) compile(name string) (*program, error) {
	if p := s.compiled[name]; p != nil {
		return p, nil
	}
	if len(s.opened) == maxFiles {
		return nil, fmt.Errorf("the script loads more than %d files", maxFiles)
	}
	src, err := s.read(name)
	if err != nil {
		return nil, err
	}
	if s.source += len(src); s.source > maxSources {
		return nil, fmt.Errorf("the files of the script have more than %d bytes together", maxSources)
	}
	s.opened = append(s.opened, name)
	began := time.Now()
	p, err := s.programs.Compile(name, src, func() (*program, error) { return compile(name, src) })
	s.meter.clock.Skip(began) // the size of the file bounds it, and it is not the script's time
	if err == nil {
		s.compiled[name] = p
		s.needs = append(s.needs, p.needs...)
	}
	return p, err
}

// newModule makes the scope of a file. Names that it does not define are looked up in the base.
func (s *state) newModule(name string) *module {
	m := &module{path: name, env: &glua.LTable{Metatable: glua.LNil}, globals: s.L.CreateTable(0, 4), running: true}
	m.globals.Metatable = s.fallback
	scope := s.protected()
	scope.RawSetString("__index", m.globals)
	scope.RawSetString("__newindex", s.function(func(L *glua.LState) int { return s.define(L, m) }))
	m.env.Metatable = scope
	m.globals.RawSetString("_G", m.env)
	return m
}

// define is an assignment to a global. Only a top level may do it: what a call leaves behind, another one would find.
func (s *state) define(L *glua.LState, m *module) int {
	name := L.Get(2)
	if !m.running {
		L.RaiseError("assignment to global %q in a call, want a local", told(name))
	}
	if _, ok := name.(glua.LString); ok && m.globals.RawGet(name) == glua.LNil {
		if len(m.defined) == maxDefined {
			L.RaiseError("the file defines more than %d globals, want a table of them", maxDefined)
		}
		_, line := s.position()
		m.defined = append(m.defined, definition{name.String(), line})
	}
	s.extend(L, m.globals, name)
	L.RawSet(m.globals, name, L.Get(3))
	return 0
}

// view is what a file that returns nothing gives: the globals that it defined, read-only.
func (s *state) view(m *module) *glua.LTable {
	t := s.L.CreateTable(0, len(m.defined))
	for _, d := range m.defined {
		t.RawSetString(d.name, m.globals.RawGetString(d.name))
	}
	return s.readOnly(m.path, t)
}

// read returns a file's bytes, one more than the cap at most.
func (s *state) read(name string) ([]byte, error) {
	f, err := s.files.Open(name)
	if err != nil {
		return nil, s.unreadable(name, err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err != nil {
		return nil, s.unreadable(name, err)
	}
	return src, nil
}

func (s *state) unreadable(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("file %q cannot be read: %w", name, err)
	}
	var near []string
	entries, _ := fs.ReadDir(s.files, path.Dir(name))
	for _, e := range entries {
		if path.Ext(e.Name()) == ".lua" {
			near = append(near, path.Join(path.Dir(name), e.Name()))
		}
	}
	if len(near) == 0 {
		return fmt.Errorf("there is no file %q", name)
	}
	return fmt.Errorf("there is no file %q%s", name, runtimes.Suggest(name, near))
}

// load opens the script itself. An error is a *engine.ScriptError.
func (s *state) load(name string) (m *module, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, s.failed("the top level", p)
		}
	}()
	if m, err = s.open(name); err == nil {
		err = s.openNeeds()
	}
	if err == nil {
		if s.meter.overrun != "" {
			return nil, s.failed("the top level", nil)
		}
		return m, nil
	}
	var own *engine.ScriptError
	if !errors.As(err, &own) {
		own = &engine.ScriptError{File: name, Message: err.Error()}
	}
	return nil, own
}
