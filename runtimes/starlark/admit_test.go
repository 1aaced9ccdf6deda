package starlark_test

import (
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes"
	"sluice/runtimes/starlark"
)

// TestAdmissionEndsByItself: a script whose top level, tests or probe calls would never end is refused by its own budget, and nothing of it
// is abandoned to run on.
func TestAdmissionEndsByItself(t *testing.T) {
	t.Parallel()
	const bomb = "    max(range(1, 1 << 60))\n"
	f := func(src, want string) {
		t.Helper()
		m := manifest(files{"s.star": src}, upstreams(2))
		m.Budget = usualLoad
		a := runtimes.Admission{Language: starlark.New(), Files: m.Files, Path: "s.star", Budget: usualLoad, Deadline: time.Hour,
			Bindings: []runtimes.Binding{{Slot: engine.SlotFilter, Manifest: m}}}
		out := a.Admit()
		if len(out.Errors) == 0 || !strings.Contains(out.Errors[0].Error(), want) {
			t.Errorf("%q: got %v, want %s", src, out.Errors, want)
		}
	}
	const elements = "a sequence of 1152921504606846975 elements, want at most 131072"
	f("def filter(ctx, p, cs):\n"+bomb+"    return cs\n", "s.star:2:8: ")
	f("def filter(ctx, p, cs):\n"+bomb+"    return cs\n", elements)
	f(keepAll+"def test_it(t):\n"+bomb, "s.star:4:8: test_it: "+elements)
	f(keepAll+"def test_it(t):\n    for i in range(1 << 60):\n        pass\n", "s.star:4:5: test_it: the call allocated more than budgets.memory: 64.0 MiB")
	f(keepAll+"def test_it(t):\n    t.fails(lambda: [i for i in range(1 << 60)], \"steps\")\n", "the call allocated more than budgets.memory: 64.0 MiB")
	f(keepAll+"def test_it(t):\n    l = [1]\n    for i in range(40):\n        l = [l] * 20\n    t.eq(l, l)\n", "s.star:7:")
	f(keepAll+"test_config = {\"x\": [1]}\nfor i in range(40):\n    test_config[\"x\"] = [test_config[\"x\"]] * 20\ndef test_it(t):\n    pass\n",
		"s.star:3:1: test_config is too large or too deep")
}
