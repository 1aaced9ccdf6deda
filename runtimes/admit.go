package runtimes

import (
	"cmp"
	"errors"
	"io/fs"
	"time"

	"sluice/engine"
)

// Admission is a script on its way into service, and the places it is to serve in.
type Admission struct {
	Language Language
	Files    fs.FS  // a snapshot
	Path     string // of the script, below the root of Files
	Budget   engine.Budget
	Bindings []Binding
	// Alone: no config names the script. It is probed in each slot that it has a hook of.
	Alone bool
	// Known: these very files have served before. They serve on where there is no time for probes, or no memory.
	Known bool
	// Restart: they are known, and the process starts, which may be slower than the one that they served in: the top level has more time, and a
	// test may be late.
	Restart bool
	// Served: they served in these very bindings until the process started. A probe may be late.
	Served bool
	// Tested: these very files have passed their tests with this very budget, in other bindings. They need not run again.
	Tested bool
	// Deadline bounds each load, test and probe from outside, for a script that its own budget cannot stop; 0 = DefaultDeadline. What is Served has
	// four times as long.
	Deadline time.Duration
	// Suite bounds all tests together, and all probes; 0 = DefaultSuite.
	Suite time.Duration
}

const (
	// DefaultDeadline is how long one step of an admission may take.
	DefaultDeadline = 5 * time.Second
	// DefaultSuite is how long all tests of a script may take, and before them all probes: no other edit counts meanwhile.
	DefaultSuite = 2 * time.Second
	// maxErrors bounds the errors that are told, each with its line, which may be all of the file.
	maxErrors = 50
)

// deadline is longer for what has ended before in the same bindings: while a process starts others may have the processors.
func (a *Admission) deadline() time.Duration {
	if a.Served {
		return 4 * cmp.Or(a.Deadline, DefaultDeadline)
	}
	return cmp.Or(a.Deadline, DefaultDeadline)
}

func (a *Admission) suite() time.Duration { return cmp.Or(a.Suite, DefaultSuite) }

// Binding is a place in the config where a script serves.
type Binding struct {
	Slot     engine.SlotKind
	Manifest *engine.PluginManifest
	// Principal is one that reaches the binding; nil = the sample's.
	Principal *engine.Principal
	// Upstreams are those that the binding is about, such as the one whose dialect it is; nil = those of the manifest.
	Upstreams []*engine.Upstream
}

// Admitted is what an admission found. A script serves only if there are no errors.
type Admitted struct {
	Plugin Plugin
	Files  []string // the script and every file it loaded
	Tests  int      // passed
	Errors []*engine.ScriptError
}

// Admit loads the script, checks its hooks, probes them in each binding and runs its tests. It goes on after an error where what
// follows can still be judged, so that all errors are told at once. A step that outlives its deadline is abandoned: its goroutine runs on
// until it ends by itself.
func (a *Admission) Admit() *Admitted {
	out := &Admitted{}
	a.admit(out)
	out.Errors = out.Errors[:min(len(out.Errors), maxErrors)]
	for _, e := range out.Errors {
		e.Source = a.line(e.File, e.Line)
	}
	return out
}

func (a *Admission) admit(out *Admitted) {
	if err := a.checkSource(); err != nil {
		out.fail(a.Path, err)
		return
	}
	m, err := a.load(a.firstConfig())
	if err != nil {
		out.fail(a.Path, err)
		return
	}
	out.Files = m.Files()
	if out.Plugin, err = readPlugin(m); err != nil {
		out.fail(a.Path, a.atGlobal(m, "plugin", err))
	}
	functions := m.Functions()
	if a.Alone {
		if err := a.bindAlone(m, functions); err != nil {
			out.fail(a.Path, err)
		}
	}
	out.Errors = append(out.Errors, a.checkNames(m, functions)...)
	out.Errors = append(out.Errors, a.checkLocals(m)...)
	out.Errors = append(out.Errors, a.checkFunctions(functions)...)
	if len(out.Errors) == 0 {
		a.probeAll(functions, out)
		a.runTests(functions, out)
	}
}

// stuck reports whether an error is a budget that ran out. What follows would only take as long again. So it would after many errors.
func (out *Admitted) stuck() bool {
	n := len(out.Errors)
	return n >= maxErrors || n > 0 && out.Errors[n-1].Budget != ""
}

// fail records an error, as a script's if it is one.
func (out *Admitted) fail(file string, err error) {
	out.Errors = append(out.Errors, scriptError(file, err))
}

// scriptError finds the script's error in err, or makes one of a file alone.
func scriptError(file string, err error) *engine.ScriptError {
	var e *engine.ScriptError
	if errors.As(err, &e) {
		return e
	}
	return &engine.ScriptError{File: file, Message: err.Error()}
}

// atGlobal is an error where the top level gives a name its value.
func (a *Admission) atGlobal(m Module, name string, err error) *engine.ScriptError {
	line, column := m.Place(name)
	return &engine.ScriptError{File: a.Path, Line: max(1, line), Column: column, Message: err.Error()}
}

func (a *Admission) firstConfig() *engine.Object {
	if len(a.Bindings) > 0 {
		return a.Bindings[0].Manifest.Config
	}
	return nil
}

func (a *Admission) load(config *engine.Object) (Module, error) {
	return within(a, "loading", func() (Module, error) { return a.Language.Load(a.Files, a.Path, config, a.Budget.ForLoad(a.Restart)) })
}

// named puts what failed before the message of an error.
func named(what string, e *engine.ScriptError) *engine.ScriptError {
	copied := *e
	copied.Message = what + ": " + e.Message
	return &copied
}
