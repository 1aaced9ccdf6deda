package starlark

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"sluice/engine"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// script is a file whose top level has run. It is immutable.
type script struct {
	leftover
	rt       *Runtime
	path     string
	program  *program
	globals  sky.StringDict
	files    []string           // the script itself and what it loaded
	modules  map[string]*module // of those, by path: who loads one as well finds it compiled
	budget   engine.Budget
	log      func(file string, line int, message string)
	patterns *runtimes.Patterns
	holder   *runtimes.Holder
	stock    *runtimes.Stock // what the top level left; nil: it is not to serve
}

// load compiles a script and runs its top level within the budget. The error is a *engine.RuntimeError.
func (rt *Runtime) load(files fs.FS, name string, config *engine.Object, b engine.Budget,
	log func(file string, line int, message string)) (*script, error) {
	s := &script{rt: rt, path: name, budget: b, log: log, patterns: new(runtimes.Patterns), holder: rt.Memory.Holder(name)}
	call := runtimes.Call{Hook: "the top level", Log: log, Patterns: s.patterns, Memory: runtimes.Share{By: s.holder}}
	r := rt.begin(&call, name, b, leftover{})
	defer rt.end(r)
	l := &loader{rt: rt, files: files, runner: r, modules: make(map[string]*module), predeclared: rt.scope(config)}
	r.thread.Load = l.load
	defer func() { r.thread.Load = nil }()
	m, err := l.start(name)
	if err != nil {
		return nil, loadFailed(err)
	}
	s.program, s.globals, s.leftover = m.program, m.globals, leftover{r.paid, r.price}
	s.files, s.modules = l.opened, l.modules
	return s, nil
}

// loadFailed is a script that could not be compiled, whose top level failed, or for which there is no memory.
func loadFailed(err error) error {
	return &engine.RuntimeError{Variant: engine.RuntimeLoadFailed, Reason: err.Error(), Cause: err}
}

// scope is what every file of a script has predeclared.
func (rt *Runtime) scope(config *engine.Object) sky.StringDict {
	scope := make(sky.StringDict, len(rt.libraries)+1)
	for name, v := range rt.libraries {
		scope[name] = v
	}
	scope["config"] = lift(nil, runtimes.OfPlain(config))
	return scope
}

// predeclares reports whether scope has a name, whatever the config.
func (rt *Runtime) predeclares(name string) bool { return name == "config" || rt.libraries.Has(name) }

// loader runs the top level of a script and of each file that it loads, once.
type loader struct {
	rt          *Runtime
	files       fs.FS
	runner      *runner
	predeclared sky.StringDict
	modules     map[string]*module // by path
	opening     []string           // from the script to the file that is being opened
	opened      []string           // in the order in which they were begun
	size        int                // bytes of the files that were opened
}

// maxFiles bounds how many files a script and what it loads are.
const maxFiles = 64

type module struct {
	program *program
	globals sky.StringDict // frozen
}

// load serves the load statement.
func (l *loader) load(_ *sky.Thread, name string) (sky.StringDict, error) {
	if strings.ContainsRune(name, '\\') || !fs.ValidPath(name) || path.Ext(name) != ".star" {
		return nil, fmt.Errorf("want a path below the scripts root that ends in .star, with slashes and without \"..\"")
	}
	m, err := l.open(name)
	if err != nil {
		return nil, err
	}
	return m.globals, nil
}

// start opens the script itself. The error is a *engine.ScriptError, which places a panic in the file that was being opened.
func (l *loader) start(name string) (m *module, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = l.runner.trap(&engine.ScriptError{File: l.opening[len(l.opening)-1], Message: "the top level"}, p)
		}
	}()
	if m, err = l.open(name); err != nil {
		return nil, l.runner.scriptError(err)
	}
	return m, nil
}

// open returns the module of a file, opened before or now.
func (l *loader) open(name string) (*module, error) {
	if i := slices.Index(l.opening, name); i >= 0 {
		return nil, fmt.Errorf("the files load each other: %s -> %s", strings.Join(l.opening[i:], " -> "), name)
	}
	if m := l.modules[name]; m != nil {
		return m, nil
	}
	l.opening = append(l.opening, name)
	m, err := l.run(name)
	l.opening = l.opening[:len(l.opening)-1]
	l.modules[name] = m
	return m, err
}

func (l *loader) run(name string) (*module, error) {
	src, err := fs.ReadFile(l.files, name)
	if err != nil {
		return nil, l.unreadable(name, err)
	}
	if l.size += len(src); len(l.opened) > 0 && l.size > runtimes.MaxSource {
		return nil, fmt.Errorf("with file %q the script has %d bytes, want at most %d", name, l.size, runtimes.MaxSource)
	}
	if len(l.opened) == maxFiles {
		return nil, fmt.Errorf("with file %q the script has more than %d files", name, maxFiles)
	}
	began := time.Now()
	p, err := l.rt.compile(name, src)
	l.runner.clock.Skip(began) // the size of the file bounds it, and it is not the script's time
	if err != nil {
		return nil, err
	}
	l.opened = append(l.opened, name)
	globals, err := p.Init(&l.runner.thread, l.predeclared)
	if err != nil {
		return nil, l.misnamed(p, err)
	}
	if err := l.runner.freeze(globals); err != nil {
		return nil, &engine.ScriptError{File: name, Message: err.Error(), Budget: l.runner.overrun}
	}
	return &module{p, globals}, nil
}

// misnamed says which name a load statement meant that asked a file for one it has not. Any other error is returned as it is.
func (l *loader) misnamed(p *program, err error) error {
	if !strings.HasPrefix(err.Error(), "load: name ") {
		return err
	}
	for _, wanted := range p.loads {
		m := l.modules[wanted.file]
		if m == nil || m.globals.Has(wanted.name) {
			continue
		}
		meant := at(wanted.pos, fmt.Sprintf("%s defines no %q%s", wanted.file, wanted.name, runtimes.Suggest(wanted.name, m.globals.Keys())))
		var failed *sky.EvalError
		if errors.As(err, &failed) {
			meant.Stack = stackOf(failed.CallStack)
		}
		return meant
	}
	return err
}

// unreadable says why a file cannot be read; where there is none, which one is meant perhaps.
func (l *loader) unreadable(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("file %q cannot be read: %w", name, err)
	}
	var near []string
	entries, _ := fs.ReadDir(l.files, path.Dir(name))
	for _, e := range entries {
		if path.Ext(e.Name()) == ".star" {
			near = append(near, path.Join(path.Dir(name), e.Name()))
		}
	}
	return fmt.Errorf("there is no file %q%s", name, runtimes.Suggest(name, near))
}
