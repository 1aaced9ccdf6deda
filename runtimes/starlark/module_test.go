package starlark_test

import (
	"fmt"
	"testing"

	"sluice/engine"
	"sluice/runtimes"
	"sluice/runtimes/starlark"
)

func module(t *testing.T, f files) runtimes.Module {
	t.Helper()
	m, err := starlark.New().Load(f.snapshot(), "s.star", nil, engine.Budget{Steps: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAModuleListsItsFunctionsInTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	m := module(t, files{
		"s.star": "load(\"lib.star\", \"borrowed\")\nz = 1\ndef zulu(a, b):\n    def inner():\n        pass\n\n" +
			"if True:\n    def alpha():\n        pass\n" +
			"short = lambda t: t\nalias = borrowed\nf, (g, [h]) = zulu, [short, [1]]\n",
		"lib.star": "def borrowed(x, y, z):\n    pass\n",
	})
	want := "[{zulu 2 3 1} {alpha 0 8 5} {short 1 10 1} {alias 3 11 1} {f 2 12 1} {g 1 12 5}]"
	if got := fmt.Sprint(m.Functions()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAModuleGivesItsGlobals(t *testing.T) {
	t.Parallel()
	m := module(t, files{"s.star": "test_config = {\"max\": 0.5, \"list\": [1, (2,)], \"big\": 1 << 80}\n"})
	v, ok := m.Global("test_config")
	if !ok {
		t.Fatal("no test_config")
	}
	o, err := runtimes.ToObject(v)
	if err != nil {
		t.Fatal(err)
	}
	max, _ := o.Lookup("max")
	list, _ := o.Lookup("list")
	big, _ := o.Lookup("big")
	if got := fmt.Sprintf("%v %v %v", max, list, big); got != "0.5 [1 [2]] 1208925819614629174706176" {
		t.Errorf("got %s", got)
	}
	if _, ok := m.Global("plugin"); ok {
		t.Error("there is a plugin")
	}
}

func TestAModuleRunsItsTests(t *testing.T) {
	t.Parallel()
	m := module(t, files{"s.star": `
def filter(ctx, principal, candidates):
    return [c for c in candidates if c.utilization("5h") < 0.9]

def test_keeps(t):
    full, free = t.candidate("a", quotas = {"5h": 0.99}), t.candidate("b")
    t.eq(filter(t.ctx(), t.principal(), [full, free]), [free])
    t.eq(t.ctx(model = "m").model, "m")
    t.eq(re.find("(a)(b)", "ab"), ["ab", "a", "b"])
    t.fails(lambda: full.nmae, "no field")
    r = t.request({"model": "x"})
    r.headers.set("a", "b")
    r.state["x"] = 1
    t.eq([r.headers["A"], r.body.get("model"), r.state], ["b", "x", {"x": 1}])

def test_fails(t):
    t.eq(1 + 1, 3)

def test_fails_not(t):
    t.fails(lambda: 1)

def test_fails_otherwise(t):
    t.fails(lambda: fail("this"), "that")

def test_endless(t):
    t.fails(lambda: [x for x in range(1000000000)])
`})
	f := func(name, want string) {
		t.Helper()
		got := ""
		if err := m.Test(name); err != nil {
			got = scriptError(t, err).Error()
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	f("test_keeps", "")
	f("test_fails", "s.star:17:9: eq: 2 is not 3")
	f("test_fails_not", "s.star:20:12: fails: the function returned, want an error")
	f("test_fails_otherwise", `s.star:23:12: fails: the error is "fail: this", want one with "that"`)
	f("test_endless", "s.star:26:12: the call took more steps than budgets.steps: 100000")
	f("test_nope", `s.star: defines no function "test_nope"`)
}

func TestAScriptIsAdmittedWithItsTests(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		m := manifest(files{"s.star": src}, upstreams(2))
		a := runtimes.Admission{Language: starlark.New(), Files: m.Files, Path: "s.star", Budget: m.Budget,
			Bindings: []runtimes.Binding{{Slot: engine.SlotFilter, Manifest: m}}}
		got := a.Admit()
		if s := fmt.Sprint(got.Tests, got.Errors); s != want {
			t.Errorf("%q:\n got %s\nwant %s", src, s, want)
		}
	}
	f(headroom+"def test_room(t):\n    t.eq(len(filter(t.ctx(), t.principal(), [t.candidate(\"a\")])[\"keep\"]), 1)\n", "1 []")
	f("def filter(ctx, principal, candidates):\n    return [c for c in candidates if c.nope]\n",
		`0 [s.star:2:40: binding "test": candidate has no field "nope", want name]`)
}
