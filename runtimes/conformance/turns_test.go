package conformance_test

import (
	"testing"

	"sluice/engine"
	"sluice/engine/turn"
	"sluice/runtimes"
)

// One step, or a few, that take some tens of milliseconds let others run many times, in both languages.
func TestOneLongStepLetsOthersRun(t *testing.T) {
	const least = 10
	f := func(star, lua string) {
		t.Helper()
		source := written{
			".star": "def filter(ctx, principal, candidates):\n    " + star + "\n    return candidates\n",
			".lua":  "function filter(ctx, principal, candidates)\n  " + lua + "\n  return candidates\nend\n",
		}
		for _, lang := range languages() {
			m := manifest(lang, source)
			m.Budget = engine.Budget{}
			filter, err := lang.InstantiateFilter(m)
			if err != nil {
				t.Fatal(err)
			}
			before := turn.Taken()
			_, err = filter.Filter(runtimes.SampleRequest(), &engine.Principal{}, candidates())
			if n := turn.Taken() - before; err != nil || n < least {
				t.Errorf("%s%s: %v, others ran %d times, want at least %d", source[lang.Extension()], lang.Extension(), err, n, least)
			}
		}
	}
	f(`json.decode("[" + "[1,1,1,1,1,1,1,1,1,1,1,1,1,1]," * 100000 + "1]")`, `json.decode("[" .. ("[1,1,1,1,1,1,1,1,1,1,1,1,1,1],"):rep(100000) .. "1]")`)
	f(`json.decode("[\"" + "\\u00e9" * 1500000 + "\"]")`, `json.decode("[\"" .. ("\\u00e9"):rep(1500000) .. "\"]")`)
	f(`re.find_all("[ab]", "a" * 60000)`, `re.find_all("[ab]", ("a"):rep(60000))`)
	f(`re.test("([ab]c?)+d|e", "a" * 1000000)`, `re.test("([ab]c?)+d|e", ("a"):rep(1000000))`)
	f("for i in range(100):\n        x = [0] * 131072", "for i = 1, 100 do local t = {} t[131071] = i end")
	f(`url.escape("/" * 8000000)`, `url.escape(("/"):rep(8000000))`)
}

// Between the steps of an admission others run: each of them makes an interpreter.
func TestAnAdmissionLetsOthersRun(t *testing.T) {
	source := written{
		".star": "def filter(ctx, principal, candidates):\n    return candidates\ndef test_one(t):\n    pass\ndef test_two(t):\n    pass\n",
		".lua":  "function filter(ctx, principal, candidates) return candidates end\nfunction test_one(t) end\nfunction test_two(t) end\n",
	}
	const least = 4 // to load, to probe, and two tests
	for _, lang := range languages() {
		m, before := manifest(lang, source), turn.Taken()
		a := runtimes.Admission{Language: lang, Files: m.Files, Path: m.Artifact, Budget: m.Budget, Bindings: []runtimes.Binding{{Slot: engine.SlotFilter, Manifest: m}}}
		if got := a.Admit(); len(got.Errors) > 0 || got.Tests != 2 {
			t.Fatalf("%s: %v, %d tests passed, want 2", lang.Extension(), got.Errors, got.Tests)
		}
		if n := turn.Taken() - before; n < least {
			t.Errorf("%s: others ran %d times, want at least %d", lang.Extension(), n, least)
		}
	}
}
