package runtimes

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/engine"
	"sluice/engine/turn"
)

// MaxSource bounds a script, in bytes.
const MaxSource = 256 << 10

// ByteOrderMark is what some editors begin a file with. It is no part of the script.
const ByteOrderMark = "\ufeff"

// Admission is a script on its way into service, and the places it is to serve in.
type Admission struct {
	Language Language
	Files    fs.FS  // a snapshot
	Path     string // of the script, below the root of Files
	Budget   engine.Budget
	Bindings []Binding
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
	out.Errors = append(out.Errors, a.checkNames(m, functions)...)
	out.Errors = append(out.Errors, a.checkFunctions(functions)...)
	if len(out.Errors) == 0 {
		a.probeAll(functions, out)
		a.runTests(functions, out)
	}
}

// line is a line of a file, "" where there is none, or where the file may be anything, such as one with secrets that a link leads to.
func (a *Admission) line(file string, n int) string {
	info, err := fs.Stat(a.Files, file)
	if n < 1 || err != nil || !info.Mode().IsRegular() || info.Size() > MaxSource {
		return ""
	}
	text, _ := fs.ReadFile(a.Files, file)
	for ; n > 1; n-- {
		_, after, found := bytes.Cut(text, []byte("\n"))
		if !found {
			return ""
		}
		text = after
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return string(bytes.TrimRight(line, "\r"))
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

func (a *Admission) checkSource() error {
	info, err := fs.Stat(a.Files, a.Path)
	var unread *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such file")
	case errors.As(err, &unread):
		return unread.Err
	case err != nil:
		return err
	case !strings.HasSuffix(a.Path, a.Language.Extension()):
		return fmt.Errorf("want a name that ends in %s", a.Language.Extension())
	case info.Size() > MaxSource:
		return fmt.Errorf("%d bytes, want at most %d", info.Size(), MaxSource)
	}
	return a.checkText()
}

// firstNoText is the place of the first byte that no UTF-8 text holds, -1 = there is none.
func firstNoText(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == 0 || r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// checkText refuses a file that is no text, such as one that a crash filled with zeros: a parser may take its zero for the end.
func (a *Admission) checkText() error {
	text, err := fs.ReadFile(a.Files, a.Path)
	if err != nil {
		return err
	}
	bad := firstNoText(text)
	if bad < 0 {
		return nil
	}
	line := 1 + bytes.Count(text[:bad], []byte("\n"))
	column := bad - bytes.LastIndexByte(text[:bad], '\n')
	return &engine.ScriptError{File: a.Path, Line: line, Column: column, Message: fmt.Sprintf("the file holds byte 0x%02x, want UTF-8 text", text[bad])}
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

// within runs step on a goroutine of its own; requests go first. When the deadline passes it returns an *abandoned and leaves the goroutine
// to itself.
func within[T any](a *Admission, what string, step func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	turn.Yield()
	done := make(chan result, 1)
	go func() {
		v, err := step()
		done <- result{v, err}
	}()
	deadline := a.deadline()
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
		var none T
		return none, &abandoned{fmt.Sprintf("%s took longer than %v and was abandoned", what, deadline)}
	}
}

// abandoned is the error of a step that did not end: nothing that it used may be used again.
type abandoned struct{ text string }

func (e *abandoned) Error() string { return e.text }

func wasAbandoned(err error) bool {
	var e *abandoned
	return errors.As(err, &e)
}

// checkNames finds names of hooks and tests that stand for something else than a function of the script.
func (a *Admission) checkNames(m Module, functions []Function) (found []*engine.ScriptError) {
	reserved := func(name string) bool {
		_, hook := FindHook(name)
		return hook || isTest(name)
	}
	for name, v := range others(m, functions, reserved) {
		found = append(found, a.noFunction(m, name, v))
	}
	return found
}

// others are the globals of such names that are no functions of the script.
func others(m Module, functions []Function, such func(name string) bool) iter.Seq2[string, Value] {
	seen := make(map[string]bool, len(functions))
	for i := range functions {
		seen[functions[i].Name] = true
	}
	return func(yield func(string, Value) bool) {
		for _, name := range m.Names() {
			if seen[name] || !such(name) {
				continue
			}
			seen[name] = true
			if v, ok := m.Global(name); ok && !yield(name, v) {
				return
			}
		}
	}
}

func (a *Admission) noFunction(m Module, name string, v Value) *engine.ScriptError {
	what := describeKind(v)
	if v.Kind == Own && TypeName(v) == "function" {
		what = "a function of the language"
	}
	return a.atGlobal(m, name, fmt.Errorf("%s is %s, want a function of this script", name, what))
}

// checkFunctions judges the names and the parameters of what the script defines.
func (a *Admission) checkFunctions(functions []Function) (found []*engine.ScriptError) {
	refuse := func(f *Function, format string, args ...any) {
		found = append(found, a.atFunction(f, fmt.Errorf(format, args...)))
	}
	for i := range functions {
		f := &functions[i]
		if err := checkFunction(f); err != nil {
			refuse(f, "%v", err)
		}
	}
	if f := find(functions, "drop"); f != nil && find(functions, "filter") != nil {
		refuse(f, "defines both filter and drop, want one of them")
	}
	for _, b := range a.Bindings {
		if names := slotHooks(b.Slot); !definesOne(functions, names) {
			near, text := nearHook(functions, names)
			refuse(near, "defines no %s%s, want one for binding %q", strings.Join(names, " or "), text, b.Manifest.Name)
		}
	}
	return found
}

// atFunction is an error where a function is defined, or of the file where there is none.
func (a *Admission) atFunction(f *Function, err error) *engine.ScriptError {
	if f == nil {
		return &engine.ScriptError{File: a.Path, Message: err.Error()}
	}
	return &engine.ScriptError{File: a.Path, Line: f.Line, Column: f.Column, Message: err.Error()}
}

func checkFunction(f *Function) error {
	if isTest(f.Name) && f.Params != 1 {
		return fmt.Errorf("%s takes %d parameters, want %s(t)", f.Name, f.Params, f.Name)
	}
	if h, ok := FindHook(f.Name); ok {
		return h.CheckParams(f.Params)
	}
	return nil
}

func find(functions []Function, name string) *Function {
	for i := range functions {
		if functions[i].Name == name {
			return &functions[i]
		}
	}
	return nil
}

func definesOne(functions []Function, names []string) bool {
	for _, name := range names {
		if find(functions, name) != nil {
			return true
		}
	}
	return false
}

// nearHook finds a function whose name is a slip away from one of these hooks, and says so.
func nearHook(functions []Function, hooks []string) (near *Function, text string) {
	for i := range functions {
		for _, hook := range hooks {
			if name := functions[i].Name; len(name) <= maxMisspelt && engine.Slips(name, hook) == 1 {
				return &functions[i], fmt.Sprintf(" (%s is near)", functions[i].Name)
			}
		}
	}
	return nil, ""
}

// slotHooks are the hooks of which a slot wants one.
func slotHooks(slot engine.SlotKind) []string {
	var names []string
	for i := range Hooks {
		if Hooks[i].Slot == slot {
			names = append(names, Hooks[i].Name)
		}
	}
	return names
}

// testCalls is how many calls' budgets a test may use.
const testCalls = 10

// isTest reports whether a name is that of a test.
func isTest(name string) bool { return strings.HasPrefix(name, "test_") && name != configOfTests }

const configOfTests = "test_config"

// runTests runs every test once and counts those that pass.
func (a *Admission) runTests(functions []Function, out *Admitted) {
	if a.Tested || !hasTests(functions) || out.stuck() {
		return
	}
	passes := func(err error) bool { return a.Restart && late(err) }
	err := a.EachTest(func(string) bool { return !out.stuck() }, func(name string, err error) {
		switch {
		case err == nil:
			out.Tests++
		case !passes(err):
			out.Errors = append(out.Errors, named(name, scriptError(a.Path, err)))
		}
	})
	if err != nil && !passes(err) {
		out.fail(a.Path, err)
	}
}

// EachTest runs the test_ functions whose names match, in the order of the file and with the file's test_config as config, and tells each
// result. An error means that the rest cannot run: the script does not load, a test outlived its deadline, or all together outlived theirs.
func (a *Admission) EachTest(match func(name string) bool, each func(name string, err error)) error {
	m, err := a.load(a.firstConfig())
	if err != nil {
		return err
	}
	config, err := a.testConfig(m)
	if err != nil {
		return err
	}
	most := a.suite()
	roomy := *a // a test may call a hook many times, each of which would have a budget of its own; the memory is the machine's all the same
	roomy.Budget.Time = min(roomy.Budget.Time*testCalls, most)
	roomy.Budget.Steps *= testCalls
	roomy.Restart = false // there is room enough for its top level
	if m, err = roomy.load(config); err != nil {
		return err
	}
	over := time.Now().Add(most)
	for _, f := range a.tests(m, match, each) {
		if time.Now().After(over) {
			text := fmt.Sprintf("the tests took longer than %v together, %s and what follows did not run", most, f.Name)
			return &engine.ScriptError{File: a.Path, Message: text, Budget: "time"}
		}
		_, err := within(a, f.Name, func() (struct{}, error) { return struct{}{}, m.Test(f.Name) })
		if wasAbandoned(err) {
			return err
		}
		each(f.Name, err)
	}
	return nil
}

// tests are the functions that EachTest is to run. It tells of those that cannot run.
func (a *Admission) tests(m Module, match func(name string) bool, each func(name string, err error)) (run []Function) {
	functions := m.Functions()
	wanted := func(name string) bool { return isTest(name) && match(name) }
	for name, v := range others(m, functions, wanted) {
		each(name, a.noFunction(m, name, v))
	}
	for i := range functions {
		f := &functions[i]
		if !wanted(f.Name) {
			continue
		}
		if err := checkFunction(f); err != nil {
			each(f.Name, a.atFunction(f, err))
			continue
		}
		run = append(run, *f)
	}
	return run
}

func hasTests(functions []Function) bool {
	for i := range functions {
		if isTest(functions[i].Name) {
			return true
		}
	}
	return false
}

func (a *Admission) testConfig(m Module) (*engine.Object, error) {
	v, ok := m.Global(configOfTests)
	if !ok {
		return nil, nil
	}
	config, err := ToObject(v)
	if err != nil {
		return nil, a.atGlobal(m, configOfTests, fmt.Errorf("test_config %w", err))
	}
	return config, nil
}

// named puts what failed before the message of an error.
func named(what string, e *engine.ScriptError) *engine.ScriptError {
	copied := *e
	copied.Message = what + ": " + e.Message
	return &copied
}
