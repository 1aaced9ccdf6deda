package conformance_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes"
)

func TestAdmissionSaysTheSameInBothLanguages(t *testing.T) {
	f := func(source written, slot engine.SlotKind, want ...string) {
		t.Helper()
		for _, lang := range languages() {
			m := manifest(lang, source)
			a := runtimes.Admission{Language: lang, Files: m.Files, Path: m.Artifact, Budget: m.Budget,
				Bindings: []runtimes.Binding{{Slot: slot, Manifest: m}}}
			var got []string
			for _, e := range a.Admit().Errors {
				e.Column = 0
				got = append(got, strings.TrimPrefix(e.Error(), m.Artifact))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", lang.Extension(), got, want)
			}
		}
	}
	f(written{".star": "def observe(event):\n    pass\n", ".lua": "function observe(event)\nend\n"},
		engine.SlotFilter, `: defines no filter or drop, want one for binding "b"`)
	f(written{".star": "x = 1\ndef fliter(ctx):\n    pass\n", ".lua": "x = 1\nfunction fliter(ctx)\nend\n"},
		engine.SlotFilter, `:2: defines no filter or drop (fliter is near), want one for binding "b"`)
	f(written{".star": "def drops(ctx):\n    pass\n", ".lua": "function drops(ctx)\nend\n"},
		engine.SlotFilter, `:1: defines no filter or drop (drops is near), want one for binding "b"`)
	f(written{".star": "def flitre(ctx):\n    pass\n", ".lua": "function flitre(ctx)\nend\n"},
		engine.SlotFilter, `: defines no filter or drop, want one for binding "b"`)
	f(written{".star": "x = 1\nfilter = 5\n", ".lua": "x = 1\nfilter = 5\n"},
		engine.SlotFilter, `:2: filter is a number, want a function of this script`, `: defines no filter or drop, want one for binding "b"`)
	f(written{".star": "def shape(ctx):\n    pass\n\nnormalize_error = len\n",
		".lua": "function shape(ctx)\nend\n\nnormalize_error = tonumber\n"},
		engine.SlotDialect, `:4: normalize_error is a function of the language, want a function of this script`)
	f(written{".star": "def observe(event):\n    pass\ntest_a = 5\ntest_b = len\ntest_c = [1]\n",
		".lua": "function observe(event)\nend\ntest_a = 5\ntest_b = tonumber\ntest_c = { 1 }\n"},
		engine.SlotObserver, `:3: test_a is a number, want a function of this script`,
		`:4: test_b is a function of the language, want a function of this script`, `:5: test_c is a list, want a function of this script`)
	f(written{".star": "test_config = 5\ndef observe(event):\n    pass\ndef test_x(t):\n    pass\n",
		".lua": "test_config = 5\nfunction observe(event)\nend\nfunction test_x(t)\nend\n"},
		engine.SlotObserver, `:1: test_config is a number, want a map`)
	f(written{".star": "\nplugin = {'nmae': 'x'}\ndef observe(event):\n    pass\n",
		".lua": "\nplugin = { nmae = 'x' }\nfunction observe(event)\nend\n"},
		engine.SlotObserver, `:2: plugin has no "nmae", want name`)
	f(written{".star": "def filter(ctx, principal, candidates):\n    return [c for c in candidates if c.quota]\n",
		".lua": "function filter(ctx, principal, candidates)\n  return candidates[1].quota\nend\n"},
		engine.SlotFilter, `:2: binding "b": candidate has no field "quota", want quotas`)
	f(written{".star": "def filter(ctx):\n    pass\n", ".lua": "function filter(ctx)\nend\n"},
		engine.SlotFilter, `:1: binding "b": filter returned nothing, want a list of candidates, or {keep, reason, reasons}, or {deny}`)
	f(written{".star": "def filter(ctx):\n    return {'deny': 'never'}\n",
		".lua": "function filter(ctx)\n  return { deny = 'never' }\nend\n"},
		engine.SlotFilter)
	f(written{".star": "def filter(ctx):\n    for i in range(100000): pass\n",
		".lua": "function filter(ctx)\n  while true do end\nend\n"},
		engine.SlotFilter, `:2: binding "b": the call took more steps than budgets.steps: 20000`)
	f(written{".star": "def route(ctx, principal, candidates):\n    return 'x'\n",
		".lua": "function route(ctx, principal, candidates)\n  return 'x'\nend\n"},
		engine.SlotRouter, `:1: binding "b": route returned "x", want a candidate of this request`)
	f(written{".star": "def shape(ctx, upstream, principal, request):\n    request.url = 'https://evil.example/'\n",
		".lua": "function shape(ctx, upstream, principal, request)\n  request.url = 'https://evil.example/'\nend\n"},
		engine.SlotDialect, `:2: binding "b": `+
			`url "https://evil.example/" leaves upstream "bedrock", want an origin of https://bedrock-runtime.us-east-1.amazonaws.com:443 or one of allow_origins`)
	f(written{".star": "def observe(event):\n    if event.kind == 'request_finished': event.cost\n",
		".lua": "function observe(event)\n  if event.kind == 'request_finished' then return event.cost end\nend\n"},
		engine.SlotObserver, `:2: binding "b": event has no field "cost", want code`)
}

// The first budget that runs out ends the probes: in each further binding it would only take as long again.
func TestABudgetThatRunsOutEndsTheProbes(t *testing.T) {
	for _, lang := range languages() {
		m := manifest(lang, written{".star": "def filter(ctx):\n    for i in range(100000): pass\n",
			".lua": "function filter(ctx)\n  while true do end\nend\n"})
		a := runtimes.Admission{Language: lang, Files: m.Files, Path: m.Artifact, Budget: m.Budget,
			Bindings: slices.Repeat([]runtimes.Binding{{Slot: engine.SlotFilter, Manifest: m}}, 3)}
		if got := a.Admit().Errors; len(got) != 1 || got[0].Budget != "steps" {
			t.Errorf("%s: %+v, want one overrun of steps", lang.Extension(), got)
		}
	}
}

func TestEveryBundledScriptIsAdmittedInThePlacesItsHooksAreFor(t *testing.T) {
	const root = "../../scripts"
	files := os.DirFS(root)
	seen := 0
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "/") {
			return err // what lies beside the folders are the editors' stubs
		}
		for _, lang := range languages() {
			if filepath.Ext(path) == lang.Extension() {
				seen++
				admitBundled(t, lang, files, path)
			}
		}
		return nil
	})
	if err != nil || seen == 0 {
		t.Errorf("%d scripts were seen: %v", seen, err)
	}
}

func admitBundled(t *testing.T, lang runtimes.Language, files fs.FS, path string) {
	t.Helper()
	budget := manifest(lang, nil).Budget
	budget.Steps = 2_000_000
	m, err := lang.Load(files, path, nil, budget)
	if err != nil {
		t.Error(err)
		return
	}
	a := runtimes.Admission{Language: lang, Files: files, Path: path, Budget: budget}
	for _, f := range m.Functions() {
		if h, ok := runtimes.FindHook(f.Name); ok && !slices.ContainsFunc(a.Bindings,
			func(b runtimes.Binding) bool { return b.Slot == h.Slot }) {
			a.Bindings = append(a.Bindings, runtimes.Binding{Slot: h.Slot, Manifest: &engine.PluginManifest{Name: "b",
				Artifact: path, Files: files, Budget: budget}})
		}
	}
	for _, e := range a.Admit().Errors {
		t.Error(e)
	}
}
