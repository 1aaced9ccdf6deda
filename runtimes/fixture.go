package runtimes

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"sluice/engine"
)

// Fixture is one case for both languages, read from a txtar file:
//
//	Any text before the first section is a comment.
//	-- hook --
//	filter                     the hook that is called; test = every test_ function
//	-- script --
//	filters/headroom           the stem: .star or .lua is added
//	-- config --
//	{"max_utilization": 0.9}   the binding's config, absent = none
//	-- budgets --
//	{"steps": 1000}            time_ms and steps, absent = the defaults
//	-- input.json --
//	{"candidates": [{"name": "a", "quotas": {"5h": 0.95}}]}
//	-- want.json --
//	{"keep": []}
//	-- error --
//	{file}:3: the message      instead of want.json
//	-- files/filters/headroom.star --
//	…                          scripts that the fixture carries itself
//
// The input has the hook's arguments by name, each as the builders of t take it; what is left out is the sample's. A candidate may be
// just a name, and a drop may be given one candidate instead of candidates.
//
// want.json holds the parts of the result that matter: keep (names or ids, in any order), reason, reasons ({name or id: text}) and deny of a
// filter; reason of a drop of one candidate, or that text or null alone; upstream (the name) of route; method, url, headers (those that
// matter, null = absent), body (text = byte for byte, otherwise as JSON) and recorded of shape; null, or status and body, of
// normalize_error; null, or status, headers and body, of transform_response; events of transform_event, each {name, data}; log (the lines)
// of any hook. Of a result that is nothing each part but log is null.
//
// A transform hook is one of an attempt: where the input has an upstream, shape is called first, so that its state is there. The input of
// transform_response has a response; that of transform_event has a list of events, {name, data}, which are given one after the other, and
// {"name": "$end", "complete": true} where the end is to be told.
//
// An error is compared as a whole. {file} stands for the script's path with its extension. Where the two languages find the error in
// other lines or in other words, sections error.star and error.lua take the place of error. A column may be left out.
type Fixture struct {
	Name   string // for messages
	Hook   string
	Script string
	Config *engine.Object
	Budget engine.Budget
	Input  *engine.Object
	Want   any // what decodes from want.json; wanted tells whether there is one

	wanted bool
	errors map[string]string // by extension, "" = any
	files  textFiles         // nil: the scripts are on disk
}

// ParseFixture reads a fixture. An error names the section and what was wanted.
func ParseFixture(name string, src []byte) (*Fixture, error) {
	f := &Fixture{Name: name, errors: map[string]string{}, Input: &engine.Object{}, Budget: fixtureBudget}
	seen := map[string]bool{}
	for _, s := range readArchive(src) {
		if seen[s.name] {
			return nil, fmt.Errorf("%s: section %q stands there twice", name, s.name)
		}
		seen[s.name] = true
		if err := f.take(s); err != nil {
			return nil, fmt.Errorf("%s: section %q: %w", name, s.name, err)
		}
	}
	return f, f.complete()
}

// fixtureBudget is the default, but for the time: a loaded machine must not make a fixture fail.
var fixtureBudget = engine.Budget{Time: 5 * time.Second, Steps: 2_000_000, Memory: 64 << 20,
	TimePerMiB: 5 * time.Second, StepsPerMiB: 20_000_000, MemoryPerMiB: 32 << 20}

var sectionNames = []string{"hook", "script", "config", "budgets", "input.json", "want.json", "error", "error.star", "error.lua"}

func (f *Fixture) take(s section) (err error) {
	line := strings.TrimSpace(s.text)
	switch {
	case s.name == "hook":
		f.Hook = line
	case s.name == "script":
		f.Script = line
	case s.name == "config":
		f.Config, err = ParseObject([]byte(s.text))
	case s.name == "budgets":
		err = f.takeBudgets(s.text)
	case s.name == "input.json":
		f.Input, err = ParseObject([]byte(s.text))
	case s.name == "want.json":
		f.wanted = true
		f.Want, err = parsePlain([]byte(s.text))
	case s.name == "error" || s.name == "error.star" || s.name == "error.lua":
		f.errors[strings.TrimPrefix(s.name, "error")] = line
	case strings.HasPrefix(s.name, "files/") && fs.ValidPath(s.name):
		if f.files == nil {
			f.files = textFiles{}
		}
		f.files[strings.TrimPrefix(s.name, "files/")] = s.text
	default:
		err = fmt.Errorf("unknown%s", Suggest(s.name, sectionNames))
	}
	return err
}

func (f *Fixture) takeBudgets(text string) error {
	o, err := ParseObject([]byte(text))
	if err != nil {
		return err
	}
	for key, v := range o.All() {
		n, ok := v.(int64)
		switch {
		case !ok:
			return fmt.Errorf("%s is %v, want a whole number", key, v)
		case key == "time_ms":
			f.Budget.Time = time.Duration(n) * time.Millisecond
		case key == "steps":
			f.Budget.Steps = n
		case key == "memory":
			f.Budget.Memory = n
		default:
			return fmt.Errorf("unknown budget %q%s", key, Suggest(key, []string{"time_ms", "steps", "memory"}))
		}
	}
	return nil
}

func (f *Fixture) complete() error {
	_, known := FindHook(f.Hook)
	switch {
	case !known && f.Hook != testHook:
		return fmt.Errorf("%s: hook %q, want the name of a hook or test", f.Name, f.Hook)
	case !fs.ValidPath(f.Script) || f.Script == ".":
		return fmt.Errorf("%s: script %q, want the path of a script without its extension", f.Name, f.Script)
	case f.wanted && len(f.errors) > 0:
		return fmt.Errorf("%s: both want.json and error, want one of them", f.Name)
	case !f.wanted && len(f.errors) == 0 && f.Hook != testHook:
		return fmt.Errorf("%s: neither want.json nor error, want one of them", f.Name)
	}
	return nil
}

// testHook stands for every test_ function where a hook is named.
const testHook = "test"

// Covers reports whether the fixture has a script in this language. scripts is where those are that it does not carry itself.
func (f *Fixture) Covers(lang Language, scripts fs.FS) bool {
	_, err := fs.Stat(f.scripts(scripts), f.Script+lang.Extension())
	return err == nil
}

func (f *Fixture) scripts(onDisk fs.FS) fs.FS {
	if f.files != nil {
		return f.files
	}
	return onDisk
}

// Run runs the fixture in one language. An error tells how what came differs from what was wanted.
func (f *Fixture) Run(lang Language, scripts fs.FS) error {
	r := f.in(lang, scripts)
	got, err := r.run()
	var input *inputError
	switch {
	case errors.As(err, &input):
		return err
	case err != nil:
		return r.checkError(err)
	case len(f.errors) > 0:
		return fmt.Errorf("got %s, want the error %q", show(r.call, OfPlain(got)), r.wantedError())
	}
	return r.compare(got)
}

// Result runs the fixture in one language and tells what came of it, as JSON of the form of want.json. known is false where the input
// cannot be built, so that there is nothing to tell.
func (f *Fixture) Result(lang Language, scripts fs.FS) (result string, known bool, err error) {
	r := f.in(lang, scripts)
	got, err := r.run()
	var input *inputError
	if err != nil {
		return "", !errors.As(err, &input), err
	}
	text, err := r.call.encodeJSON(OfPlain(r.parts(got)))
	return string(text), true, err
}

// in readies a run in one language.
func (f *Fixture) in(lang Language, scripts fs.FS) *fixtureRun {
	r := &fixtureRun{Fixture: f, lang: lang, call: &Call{Now: sampleNow}}
	r.manifest = &engine.PluginManifest{
		Name: f.Script, Artifact: f.Script + lang.Extension(), Files: f.scripts(scripts), Config: f.Config, Budget: f.Budget,
		Log: func(_ string, _ int, message string) { r.log = append(r.log, message) },
	}
	return r
}

// inputError is a fixture whose input cannot be built.
type inputError struct{ err error }

func (e *inputError) Error() string { return "input.json: " + e.err.Error() }
