package runtimes_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/runtimes"
)

// fake is a language whose scripts are lists of definitions, one a line: "name(params)", "test_x(1) fails", "global name = JSON". What its
// hooks do stands behind their definition: "filter(3) keeps", "filter(3) fails", "filter(3) invalid", "filter(3) hangs".
type fake struct{ hang chan struct{} }

func (fake) Extension() string { return ".fake" }

type fakeModule struct {
	fake
	path    string
	globals map[string]runtimes.Value
	lines   map[string]string
	config  *engine.Object
	order   []runtimes.Function
}

func (l fake) Load(files fs.FS, path string, config *engine.Object, _ engine.Budget) (runtimes.Module, error) {
	src, err := fs.ReadFile(files, path)
	if err != nil {
		return nil, err
	}
	m := &fakeModule{fake: l, path: path, config: config, globals: map[string]runtimes.Value{}, lines: map[string]string{}}
	for i, line := range strings.Split(string(src), "\n") {
		switch name, rest, _ := strings.Cut(line, "("); {
		case line == "broken":
			return nil, &engine.ScriptError{File: path, Line: i + 1, Message: "does not parse"}
		case line == "hangs":
			<-l.hang
		case strings.HasPrefix(line, "global "):
			name, value, _ := strings.Cut(strings.TrimPrefix(line, "global "), " = ")
			o, err := runtimes.ParseObject([]byte(value))
			if err != nil {
				return nil, err
			}
			m.globals[name] = runtimes.OfPlain(o)
		case len(rest) > 1:
			m.order = append(m.order, runtimes.Function{Name: name, Params: int(rest[0] - '0'), Line: i + 1})
			m.lines[name] = rest[2:]
		}
	}
	return m, nil
}

func (m *fakeModule) Functions() []runtimes.Function { return m.order }
func (m *fakeModule) Names() []string                { return slices.Sorted(maps.Keys(m.globals)) }
func (m *fakeModule) Locals() []runtimes.Local       { return nil }
func (m *fakeModule) Files() []string                { return []string{m.path} }

func (m *fakeModule) Place(string) (line, column int) { return 0, 0 }

func (m *fakeModule) Global(name string) (runtimes.Value, bool) {
	v, ok := m.globals[name]
	return v, ok
}

func (m *fakeModule) Test(name string) error {
	switch m.lines[name] {
	case " fails":
		return &engine.ScriptError{File: m.path, Line: 9, Message: "eq: 1 is not 2"}
	case " hangs":
		<-m.hang
	case " takes 300ms":
		time.Sleep(300 * time.Millisecond)
	case " late":
		return &engine.ScriptError{File: m.path, Line: 9, Budget: "time", Message: "it took too long"}
	case " wants config":
		if m.config.Len() == 0 {
			return errors.New("there is no config")
		}
	}
	return nil
}

// hook does what a hook's line says.
func (l fake) hook(m *engine.PluginManifest, name string) error {
	loaded, err := l.Load(m.Files, m.Artifact, m.Config, m.Budget)
	if err != nil {
		return err
	}
	switch loaded.(*fakeModule).lines[name] {
	case " fails":
		return &engine.FilterError{Variant: engine.FilterRuntime, Reason: "x", Cause: &engine.ScriptError{File: m.Artifact,
			Line: 5, Message: "boom"}}
	case " late":
		return &engine.FilterError{Variant: engine.FilterTrap, Reason: "x", Cause: &engine.ScriptError{File: m.Artifact, Line: 5, Budget: "time", Message: "late"}}
	case " invalid":
		return &engine.FilterError{Variant: engine.FilterRuntime, Reason: "x",
			Cause: &engine.OutputError{Variant: engine.OutputShape, Reason: name + " returned nothing"}}
	case " hangs":
		<-l.hang
	case " takes 300ms":
		time.Sleep(300 * time.Millisecond)
	}
	return nil
}

// made is a plugin of every kind.
type made struct {
	fake
	engine.Identity
	m *engine.PluginManifest
}

func (l fake) InstantiateFilter(m *engine.PluginManifest) (engine.Filter, error) {
	return &made{fake: l, m: m}, nil
}
func (l fake) InstantiateRouter(m *engine.PluginManifest) (engine.Router, error) {
	return &made{fake: l, m: m}, nil
}
func (l fake) InstantiateDialect(m *engine.PluginManifest) (engine.Dialect, error) {
	return &made{fake: l, m: m}, nil
}
func (l fake) InstantiateObservability(m *engine.PluginManifest) (engine.Observer, error) {
	return &made{fake: l, m: m}, nil
}
func (fake) InstantiateSignerFactory(*engine.PluginManifest) (engine.SignerFactory, error) {
	return nil, engine.ErrSignersAreBuiltIn
}

func (p *made) Filter(_ *engine.RequestContext, _ *engine.Principal, candidates []engine.UpstreamCandidate) (engine.FilterOutput, error) {
	p.saw("filter", candidates)
	return engine.FilterOutput{}, p.hook(p.m, "filter")
}

func (p *made) Route(_ *engine.RequestContext, _ *engine.Principal, candidates []engine.UpstreamCandidate) (engine.RouteDecision, error) {
	p.saw("route", candidates)
	return engine.RouteDecision{UpstreamID: candidates[0].ID}, p.hook(p.m, "route")
}

func (p *made) Shape(ctx *engine.RequestContext, u *engine.Upstream, who *engine.Principal, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
	p.saw("shape", []engine.UpstreamCandidate{{Upstream: u}})
	if err := p.hook(p.m, "shape"); err != nil {
		return engine.Shaped{}, err
	}
	return engine.Passthrough{}.Shape(ctx, u, who, b)
}

func (p *made) NormalizeError(int, engine.Headers, []byte) (*engine.NormalizedError, error) {
	return nil, p.hook(p.m, "normalize_error")
}

func (p *made) Observe(ev engine.ObserveEvent) error {
	p.saw(ev.Kind(), nil)
	return p.hook(p.m, "observe")
}

// saw notes in the manifest's log what a probe calls a plugin with.
func (p *made) saw(what string, candidates []engine.UpstreamCandidate) {
	for i := range candidates {
		what += " " + candidates[i].Name
	}
	if p.m.Log != nil {
		p.m.Log("", 0, what)
	}
}

func admit(source string, slots ...engine.SlotKind) (*runtimes.Admitted, *[]string) {
	var seen []string
	files := fstest.MapFS{"x.fake": {Data: []byte(source)}}
	a := runtimes.Admission{Language: fake{}, Files: files, Path: "x.fake"}
	for _, slot := range slots {
		a.Bindings = append(a.Bindings, runtimes.Binding{Slot: slot, Manifest: &engine.PluginManifest{Name: string(slot) + "-1",
			Artifact: "x.fake",
			Files:    files, Log: func(_ string, _ int, what string) { seen = append(seen, what) }}})
	}
	return a.Admit(), &seen
}

func TestAdmission(t *testing.T) {
	f := func(source string, slots []engine.SlotKind, want ...string) {
		t.Helper()
		got, _ := admit(source, slots...)
		var texts []string
		for _, e := range got.Errors {
			texts = append(texts, e.Error())
		}
		if !slices.Equal(texts, want) {
			t.Errorf("%q:\ngot  %q\nwant %q", source, texts, want)
		}
	}
	filter, all := []engine.SlotKind{engine.SlotFilter}, []engine.SlotKind{engine.SlotFilter, engine.SlotRouter,
		engine.SlotDialect, engine.SlotObserver}
	f("filter(3)", filter)
	f("filter(3)\nroute(3)\nshape(4)\nnormalize_error(3)\nobserve(1)", all)
	f("drop(3)", filter)
	f("normalize_error(2)", []engine.SlotKind{engine.SlotDialect})
	f("filters(9)\nfilter(1)", filter)
	f("broken", filter, "x.fake:1: does not parse")
	f("", filter, `x.fake: defines no filter or drop, want one for binding "filter-1"`)
	f("filter(3)", []engine.SlotKind{engine.SlotDialect},
		`x.fake: defines no shape or normalize_error or transform_response or transform_event, want one for binding "dialect-1"`)
	f("filter(3)\ndrop(3)", filter, "x.fake:2: defines both filter and drop, want one of them")
	f("filter(4)", nil, "x.fake:1: filter takes 4 parameters, want filter(ctx, principal, candidates) or fewer of them from the end")
	f("filter(0)", nil, "x.fake:1: filter takes 0 parameters, want filter(ctx, principal, candidates) or fewer of them from the end")
	f("normalize_error(1)", nil, "x.fake:1: normalize_error takes 1 parameters, want normalize_error(status, body, headers) or fewer of them from the end")
	f("transform_event(1)\ntransform_response(3)", nil,
		"x.fake:1: transform_event takes 1 parameters, want transform_event(ctx, event, state) or fewer of them from the end",
		"x.fake:2: transform_response takes 3 parameters, want transform_response(ctx, response) or fewer of them from the end")
	f("filter(3)\ntest_a(1) fails\ntest_b(1)\ntest_c(1) fails", filter, "x.fake:9: test_a: eq: 1 is not 2",
		"x.fake:9: test_c: eq: 1 is not 2")
	f("test_a(2)", nil, "x.fake:1: test_a takes 2 parameters, want test_a(t)")
	f("global test_config = {\"a\": 1}\ntest_a(1) wants config", nil)
	f("test_a(1) wants config", nil, "x.fake: test_a: there is no config")
	f("filter(3) fails", filter, `x.fake:5: binding "filter-1": boom`)
	f("\nfilter(3) invalid", filter, `x.fake:2: binding "filter-1": filter returned nothing`)
	f("filter(3) fails\nobserve(1) invalid", []engine.SlotKind{engine.SlotFilter, engine.SlotObserver},
		`x.fake:5: binding "filter-1": boom`, `x.fake:2: binding "observer-1": observe returned nothing`)
	f("shape(4) fails", []engine.SlotKind{engine.SlotDialect}, `x.fake:5: binding "dialect-1": boom`)
	f("shape(4)\nnormalize_error(3) invalid", []engine.SlotKind{engine.SlotDialect},
		`x.fake:2: binding "dialect-1": normalize_error returned nothing`)
	f("global plugin = {\"nmae\": \"x\"}", nil, `x.fake:1: plugin has no "nmae", want name`)
	f("global plugin = {\"name\": 1}", nil, `x.fake:1: plugin.name is a number, want a string`)
	f("global plugin = {\"events\": \"chunk\"}", nil, `x.fake:1: plugin.events is a string, want a list, each a kind of event`)
	f("global plugin = {\"events\": [\"chunk\", \"x\"]}", nil, `x.fake:1: plugin.events names "x", want a kind of event`)
	f("global plugin = {\"paths\": ["+strings.Repeat(`"/x",`, 100)+`"/x"]}`, nil, `x.fake:1: plugin.paths has 101 elements, want at most 100`)
	f(strings.Repeat("\n", runtimes.MaxSource+1), nil, "x.fake: 262145 bytes, want at most 262144")
}

func TestAnAdmissionTellsWhatItFound(t *testing.T) {
	got, seen := admit("global plugin = {\"name\": \"n\", \"version\": \"1\", \"description\": \"d\", \"events\": [\"chunk\"]}\n"+
		"filter(3)\nshape(4)\nobserve(1)\ntest_a(1)\ntest_b(1)", engine.SlotFilter, engine.SlotDialect, engine.SlotObserver)
	if p := got.Plugin; p.Name != "n" || p.Version != "1" || p.Description != "d" || !slices.Equal(p.Events, []string{"chunk"}) {
		t.Errorf("the plugin is %+v", p)
	}
	if got.Tests != 2 || !slices.Equal(got.Files, []string{"x.fake"}) || len(got.Errors) > 0 {
		t.Errorf("got %+v", got)
	}
	want := []string{"filter bedrock direct", "shape bedrock", "shape direct", "request_started", "authn_complete",
		"upstream_chosen", "chunk", "request_finished", "error"}
	if !slices.Equal(*seen, want) {
		t.Errorf("the probes were %q, want %q", *seen, want)
	}
}

func TestAProbeUsesTheConfigsOwnUpstreams(t *testing.T) {
	files := fstest.MapFS{"x.fake": {Data: []byte("filter(3)\nshape(4)")}}
	upstreams := runtimes.SampleUpstreams()
	p := runtimes.SamplePrincipal()
	var seen []string
	bind := func(slot engine.SlotKind, principal *engine.Principal, own ...*engine.Upstream) runtimes.Binding {
		return runtimes.Binding{Slot: slot, Principal: principal, Upstreams: own, Manifest: &engine.PluginManifest{Name: "b",
			Artifact: "x.fake", Files: files,
			Upstreams: upstreams, Log: func(_ string, _ int, what string) { seen = append(seen, what) }}}
	}
	restricted := runtimes.SamplePrincipal()
	restricted.Upstreams = map[uuid.UUID]bool{upstreams[1].ID: true}
	a := runtimes.Admission{Language: fake{}, Files: files, Path: "x.fake", Bindings: []runtimes.Binding{
		bind(engine.SlotFilter, p), bind(engine.SlotFilter, restricted), bind(engine.SlotDialect, restricted, upstreams[0])}}
	if got := a.Admit(); len(got.Errors) > 0 {
		t.Fatal(got.Errors[0])
	}
	if want := []string{"filter bedrock direct", "filter direct", "shape bedrock"}; !slices.Equal(seen, want) {
		t.Errorf("the probes were %q, want %q", seen, want)
	}
}

func TestTestsThatPassedBeforeAreNotRunAgain(t *testing.T) {
	a := runtimes.Admission{Language: fake{}, Files: fstest.MapFS{"x.fake": {Data: []byte("test_a(1) fails")}}, Path: "x.fake",
		Tested: true}
	if got := a.Admit(); len(got.Errors) > 0 || got.Tests != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestEachTestThatMatchesIsRun(t *testing.T) {
	a := runtimes.Admission{Language: fake{},
		Files: fstest.MapFS{"x.fake": {Data: []byte("test_a(1)\ntest_b(1) fails\ntest_bb(1)")}}, Path: "x.fake"}
	var got []string
	err := a.EachTest(func(name string) bool { return strings.HasPrefix(name, "test_b") }, func(name string, err error) {
		got = append(got, fmt.Sprint(name, err != nil))
	})
	if want := []string{"test_btrue", "test_bbfalse"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestWhatDoesNotEndIsAbandoned(t *testing.T) {
	f := func(source, want string) {
		t.Helper()
		files := fstest.MapFS{"x.fake": {Data: []byte(source)}}
		lang := fake{hang: make(chan struct{})}
		defer close(lang.hang)
		a := runtimes.Admission{Language: lang, Files: files, Path: "x.fake", Deadline: time.Millisecond,
			Bindings: []runtimes.Binding{{Slot: engine.SlotFilter, Manifest: &engine.PluginManifest{Name: "b",
				Artifact: "x.fake", Files: files}}}}
		got := a.Admit()
		if len(got.Errors) != 1 || got.Errors[0].Error() != want {
			t.Errorf("%q: got %v, want %s", source, got.Errors, want)
		}
	}
	synctest.Test(t, func(*testing.T) { f("hangs\nfilter(3)", "x.fake: loading took longer than 1ms and was abandoned") })
	synctest.Test(t, func(*testing.T) {
		f("filter(3) hangs", `x.fake: the probe of binding "b" took longer than 1ms and was abandoned`)
	})
}

func TestAnAdmissionWithManyTestsEnds(t *testing.T) {
	many := func(end string) (source string) {
		for i := range 1000 {
			source += fmt.Sprintf("test_%d(1) %s\n", i, end)
		}
		return source
	}
	got, _ := admit(many("fails"))
	if len(got.Errors) != 50 {
		t.Errorf("1000 tests that fail: %d errors, want 50", len(got.Errors))
	}
	synctest.Test(t, func(t *testing.T) {
		got, _ := admit(many("takes 300ms"))
		want := "the tests took longer than 2s together, test_7 and what follows did not run"
		if len(got.Errors) != 1 || got.Errors[0].Message != want || got.Tests != 7 {
			t.Errorf("1000 tests of 300ms: %d passed, %v, want %s", got.Tests, got.Errors, want)
		}
	})
}

// What has served starts again where its tests are late, one of them or all together. One that fails keeps it out all the same.
func TestAStartPassesOverTestsThatAreLate(t *testing.T) {
	f := func(source string, restart bool, tests int, want string) {
		t.Helper()
		files := fstest.MapFS{"x.fake": {Data: []byte(source)}}
		a := runtimes.Admission{Language: fake{}, Files: files, Path: "x.fake", Known: true, Restart: restart}
		got := a.Admit()
		if text := fmt.Sprint(got.Errors); got.Tests != tests || text != want {
			t.Errorf("%q, restart %v: %d tests passed, %s, want %d and %s", source, restart, got.Tests, text, tests, want)
		}
	}
	synctest.Test(t, func(*testing.T) {
		f("test_a(1) late\ntest_b(1)", true, 1, "[]")
		f("test_a(1) late\ntest_b(1)", false, 1, "[x.fake:9: test_a: it took too long]")
		f("test_a(1) late\ntest_b(1) fails", true, 0, "[x.fake:9: test_b: eq: 1 is not 2]")
		many := strings.Repeat("test_a(1) takes 300ms\n", 10)
		f(many, true, 7, "[]")
		f(many, false, 7, "[x.fake: the tests took longer than 2s together, test_a and what follows did not run]")
	})
}

// A script that serves in many places is held up in none for long: an edit is refused, and what passed before serves on.
func TestAnAdmissionInManyBindingsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := fstest.MapFS{"x.fake": {Data: []byte("filter(3) takes 300ms\ntest_a(1)")}}
		a := runtimes.Admission{Language: fake{}, Files: files, Path: "x.fake"}
		for i := range 1000 {
			a.Bindings = append(a.Bindings, runtimes.Binding{Slot: engine.SlotFilter,
				Manifest: &engine.PluginManifest{Name: fmt.Sprint("b", i), Artifact: "x.fake", Files: files}})
		}
		want := `the probes took longer than 2s together, that of binding "b7" and what follows did not run`
		if got := a.Admit(); len(got.Errors) != 1 || got.Errors[0].Message != want {
			t.Errorf("1000 probes of 300ms: %v, want %s", got.Errors, want)
		}
		a.Known = true
		if got := a.Admit(); len(got.Errors) != 0 {
			t.Errorf("1000 probes of 300ms of files that served before: %v", got.Errors)
		}
	})
}

// A process that starts may be slower than the one before. So a probe may be late if it was not in the same bindings then, and in others not.
func TestAStartPassesOverAProbeThatWasMadeBefore(t *testing.T) {
	f := func(source string, served bool, want string) {
		t.Helper()
		files := fstest.MapFS{"x.fake": {Data: []byte(source)}}
		a := runtimes.Admission{Language: fake{}, Files: files, Path: "x.fake", Known: true, Restart: true, Served: served,
			Bindings: []runtimes.Binding{{Slot: engine.SlotFilter, Manifest: &engine.PluginManifest{Name: "b", Artifact: "x.fake", Files: files}}}}
		if got := fmt.Sprint(a.Admit().Errors); got != want {
			t.Errorf("%q, served %v: %s, want %s", source, served, got, want)
		}
	}
	f("filter(3) late", true, "[]")
	f("filter(3) late", false, `[x.fake:5: binding "b": late]`)
	f("filter(3) fails", true, `[x.fake:5: binding "b": boom]`)
}

func TestAScriptMustBeThereAndHaveItsLanguagesName(t *testing.T) {
	f := func(path, want string) {
		t.Helper()
		a := runtimes.Admission{Language: fake{}, Files: fstest.MapFS{"x.lua": {}}, Path: path}
		if got := a.Admit(); len(got.Errors) != 1 || got.Errors[0].Error() != want {
			t.Errorf("got %v, want %s", got.Errors, want)
		}
	}
	f("y.fake", "y.fake: there is no such file")
	f("x.lua", "x.lua: want a name that ends in .fake")
}
