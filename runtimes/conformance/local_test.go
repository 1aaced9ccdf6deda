package conformance_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"sluice/engine"
	"sluice/runtimes"
)

// A hook of the slot that a script is bound in is missed there and by its tests, whatever else it defines.
func TestALocalHookOfWhatIsBoundIsAnError(t *testing.T) {
	files := fstest.MapFS{
		"x.star": {Data: []byte("load(\"y.star\", \"observe\")\n\ndef test_it(t):\n    pass\n")},
		"y.star": {Data: []byte("def observe(event):\n    pass\n")},
		"x.lua":  {Data: []byte("local observe\nfunction observe(event)\nend\nfunction test_it(t)\nend\n")},
	}
	want := map[string]string{
		".star": `x.star:1:17: load binds "observe" for this file alone, which makes no hook: want load(..., inner = "observe") and observe = inner`,
		".lua":  `x.lua:1: observe is local to this file, which makes no hook: want it without "local"`,
	}
	for _, lang := range languages() {
		m := manifest(lang, nil)
		m.Files = files
		a := runtimes.Admission{Language: lang, Files: files, Path: m.Artifact, Budget: m.Budget,
			Bindings: []runtimes.Binding{{Slot: engine.SlotObserver, Manifest: m}}}
		if got := a.Admit().Errors; len(got) != 2 || got[0].Error() != want[lang.Extension()] || !strings.Contains(got[1].Message, "defines no observe") {
			t.Errorf("%s: %v", lang.Extension(), got)
		}
		err := a.EachTest(func(string) bool { return true }, func(name string, _ error) { t.Errorf("%s ran", name) })
		if err == nil || err.Error() != want[lang.Extension()] {
			t.Errorf("%s: its tests: %v", lang.Extension(), err)
		}
	}
}
