package starlark_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes/starlark"
)

const keepAll = "def filter(ctx, principal, candidates):\n    return candidates\n"

// loadError is the script error of loading s.star.
func loadError(t *testing.T, f files) *engine.ScriptError {
	t.Helper()
	_, err := starlark.New().Load(f.snapshot(), "s.star", nil, engine.Budget{Steps: 100_000, Time: 10 * time.Second})
	var runtime *engine.RuntimeError
	if !errors.As(err, &runtime) || runtime.Variant != engine.RuntimeLoadFailed {
		t.Fatalf("error %v, want a *engine.RuntimeError of a failed load", err)
	}
	return scriptError(t, err)
}

func TestAnErrorOfASourceHasItsPlace(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		if got := loadError(t, files{"s.star": src}).Error(); got != want {
			t.Errorf("%q:\n got %s\nwant %s", src, got, want)
		}
	}
	f("def f(:\n  pass", "s.star:1:7: got ':', want ')'")
	f("x = 1\ny = undefined_name\n", "s.star:2:5: undefined: undefined_name")
	f("a = nope1\nb = nope2\n", "s.star:1:5: undefined: nope1\ns.star:2:5: undefined: nope2")
	f("x = 1\nx = 2\n", "s.star:2:1: cannot reassign global x declared at s.star:1:1")
	f("def f():\n  while True:\n    pass\n", "s.star:2:3: this Starlark dialect does not support while loops")
	f("x = 1 // 0\n", "s.star:1:7: floored division by zero")
	f("x = [1][3]\n", "s.star:1:8: list index 3 out of range [-1:0]")
	f("a = {\n    'b': [1, 2,  # one ' and one }\n}\n", "s.star:3:1: got '}', want ']'; the '[' of 2:10 is open")
	f("a = {\n  'b': 1\n  'c': 2}\n", "s.star:3:3: got string literal, want '}'; the '{' of 1:5 is open")
	f("a = {'é(': r'\\\\', \"\"\"\n\"[\"\"\": 1}, {\n\ndef f():\n  pass\n", "s.star:2:12: '{' is not closed before the def of line 4")
	const tab = "a tab in an indentation where other lines have spaces, want spaces"
	f("def f():\n    x = 1\n    y = 2\n    z = 3\n \tw = 4\n    return x\n", "s.star:5:2: "+tab)
	f("def f(a):\n    if a:\n\t  return 1\n         return 2\n", "s.star:3:1: "+tab+"; line 4: unindent does not match any outer indentation level")
	f("def f():\n\tx = 1\n\t\treturn x\n", "s.star:3:3: got indent, want primary expression")
	f("a = [\n  (1)", "s.star:1:5: '[' is not closed")
	f("a = f(\n  g(1),\n", "s.star:1:6: '(' is not closed")
	f("a = 1\nb = a . real\n", "s.star:2:9: int has no .real field or method")
	f("def f(a, b) return a\n", "s.star:1:13: got return, want ':'")
	f("x = 1 y\n", "s.star:1:7: got identifier, want newline")
	f("x = [1, 'a' 'bé' ]\n", "s.star:1:13: got string literal, want ']'")
	f("import os\n", "s.star:1:1: got import, want primary expression")
	f("x = struct(a = 1)\n", "s.star:1:5: undefined: struct")
	f("def f(n):\n  return f(n)\nf(1)\n", "s.star:2:10: function f called recursively, which Starlark does not have: want a loop")
	f(strings.Repeat("#", 256<<10)+"\n", "s.star: the file has 262145 bytes, want at most 262144")
}

func TestALoadReachesScriptsBelowTheRootOnly(t *testing.T) {
	t.Parallel()
	f := func(name, want string) {
		t.Helper()
		e := loadError(t, files{"s.star": "load(\"" + name + "\", \"x\")\n", "lib/x.star": "x = 1\n", "lib/y.txt": "x = 1\n"})
		if got := e.Error(); got != want {
			t.Errorf("load(%q):\n got %s\nwant %s", name, got, want)
		}
	}
	const shape = `want a path below the scripts root that ends in .star, with slashes and without ".."`
	f("/lib/x.star", "s.star:1:1: cannot load /lib/x.star: "+shape)
	f("../lib/x.star", "s.star:1:1: cannot load ../lib/x.star: "+shape)
	f("lib/../lib/x.star", "s.star:1:1: cannot load lib/../lib/x.star: "+shape)
	f("./lib/x.star", "s.star:1:1: cannot load ./lib/x.star: "+shape)
	f(`lib\\x.star`, `s.star:1:1: cannot load lib\x.star: `+shape)
	f("lib/y.txt", "s.star:1:1: cannot load lib/y.txt: "+shape)
	f("lib/z.star", `s.star:1:1: cannot load lib/z.star: there is no file "lib/z.star", want lib/x.star`)
}

func TestALoadThatComesBackIsAnErrorWithItsChain(t *testing.T) {
	t.Parallel()
	e := loadError(t, files{
		"s.star":     "load(\"lib/a.star\", \"x\")\n",
		"lib/a.star": "\nload(\"lib/b.star\", \"x\")\n",
		"lib/b.star": "load(\"lib/a.star\", \"x\")\n",
	})
	want := "lib/b.star:1:1: cannot load lib/a.star: the files load each other: lib/a.star -> lib/b.star -> lib/a.star"
	if e.Error() != want {
		t.Errorf("got %s, want %s", e, want)
	}
	wantStack := "lib/b.star:1:1: in <toplevel>|lib/a.star:2:1: in <toplevel>|s.star:1:1: in <toplevel>"
	if got := strings.Join(e.Stack, "|"); got != wantStack {
		t.Errorf("stack %s, want %s", got, wantStack)
	}
}

func TestALoadedFileReportsItsOwnErrors(t *testing.T) {
	t.Parallel()
	f := func(lib, want string) {
		t.Helper()
		e := loadError(t, files{"s.star": "\nload(\"lib/a.star\", \"x\")\n", "lib/a.star": lib})
		if e.Error() != want {
			t.Errorf("got %s, want %s", e, want)
		}
		if len(e.Stack) == 0 || !strings.HasPrefix(e.Stack[len(e.Stack)-1], "s.star:2:1: in ") {
			t.Errorf("stack %v does not end in the load statement", e.Stack)
		}
	}
	f("x = (\n", "lib/a.star:1:5: '(' is not closed")
	f("x = nope\n", "lib/a.star:1:5: undefined: nope")
	f("y = 1\nx = y.z\n", "lib/a.star:2:7: int has no .z field or method")
	f("y = 1\n", "s.star:2:21: lib/a.star defines no \"x\", want y")
}

func TestLoadedFunctionsSeeTheBindingsConfig(t *testing.T) {
	t.Parallel()
	ups := upstreams(2)
	f, err := starlark.New().InstantiateFilter(manifest(files{
		"s.star":            "load(\"filters/base.star\", base=\"filter\")\ndef filter(ctx, p, cs):\n    return base(ctx, p, cs)\n",
		"filters/base.star": "def filter(ctx, p, cs):\n    return {\"keep\": cs, \"reason\": str(config[\"max_utilization\"])}\n",
	}, ups))
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.Filter(request(), principal(), candidates(ups))
	if err != nil || out.Reason != "0.9" {
		t.Errorf("got %q, %v", out.Reason, err)
	}
}

// counting counts how often files are opened.
type counting struct {
	fs.FS
	opened map[string]int
}

func (c counting) Open(name string) (fs.File, error) {
	c.opened[name]++
	return c.FS.Open(name)
}

func TestAFileIsLoadedOncePerScript(t *testing.T) {
	t.Parallel()
	f := counting{files{
		"s.star": "load(\"a.star\", \"x\")\nload(\"b.star\", \"y\")\nsame = x == y\nlist = x\nlist2 = y\n",
		"a.star": "load(\"c.star\", \"l\")\nx = l\n", "b.star": "load(\"c.star\", \"l\")\ny = l\n", "c.star": "l = [1]\n",
	}.snapshot(), map[string]int{}}
	m, err := starlark.New().Load(f, "s.star", nil, engine.Budget{})
	if err != nil {
		t.Fatal(err)
	}
	if f.opened["c.star"] != 1 {
		t.Errorf("c.star was opened %d times", f.opened["c.star"])
	}
	if got := strings.Join(m.Files(), " "); got != "s.star a.star c.star b.star" {
		t.Errorf("files %s", got)
	}
}

func TestAnUnchangedFileIsNotCompiledAgain(t *testing.T) {
	rt := starlark.New()
	lib := "def f_():\n    return 1\n" + bulk("lib", 60)
	main := "load(\"lib.star\", \"f_\")\n" + bulk("main", 60) + keepAll
	load := func(rt *starlark.Runtime, main, lib string) float64 {
		f := files{"s.star": main, "lib.star": lib}.snapshot()
		return testing.AllocsPerRun(5, func() {
			if _, err := rt.Load(f, "s.star", nil, engine.Budget{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	fresh := testing.AllocsPerRun(5, func() {
		if _, err := starlark.New().Load(files{"s.star": main, "lib.star": lib}.snapshot(), "s.star", nil, engine.Budget{}); err != nil {
			t.Fatal(err)
		}
	})
	if again := load(rt, main, lib); again > fresh/4 {
		t.Errorf("loading again makes %v allocations, the first time %v", again, fresh)
	}
}

// bulk is n functions, for a compiler to do.
func bulk(prefix string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "def %s%d(a, b):\n    return [a + v * b for v in range(a) if v %% 2 == 0 and v != 7]\n", prefix, i)
	}
	return b.String()
}

func TestAnEditedLibraryIsUsedWithAnUnchangedScript(t *testing.T) {
	t.Parallel()
	rt, ups := starlark.New(), upstreams(1)
	f := func(lib, want string) {
		t.Helper()
		m := manifest(files{"lib.star": lib,
			"s.star": "load(\"lib.star\", \"word\")\ndef filter(ctx, p, cs):\n    return {\"keep\": cs, \"reason\": word}\n"}, ups)
		filter, err := rt.InstantiateFilter(m)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := filter.Filter(request(), principal(), candidates(ups)); err != nil || out.Reason != want {
			t.Errorf("got %q, %v, want %q", out.Reason, err, want)
		}
	}
	f("word = \"one\"\n", "one")
	f("word = \"two\"\n", "two")
	f("word = \"one\"\n", "one")
}

func TestTheTopLevelIsBounded(t *testing.T) {
	t.Parallel()
	e := loadError(t, files{"s.star": "x = [i for i in range(1000000000)]\n"})
	if e.Budget != "steps" || e.Error() != "s.star:1:8: the call took more steps than budgets.steps: 100000" {
		t.Errorf("got %s, budget %q", e, e.Budget)
	}
}

func TestAPanicOfTheTopLevelIsATrap(t *testing.T) {
	t.Parallel()
	f := func(f files, want string) {
		t.Helper()
		_, err := starlark.NewPanicking().Load(f.snapshot(), "s.star", nil, engine.Budget{})
		e := scriptError(t, err)
		if !e.Trap || !strings.HasPrefix(e.Error(), want+": the top level panicked: ") {
			t.Errorf("got %s, trap %v, want %s", e, e.Trap, want)
		}
	}
	const panics = "panic()\n"
	f(files{"s.star": panics}, "s.star")
	f(files{"s.star": "load(\"lib/a.star\", \"x\")\n", "lib/a.star": panics}, "lib/a.star")
	f(files{"s.star": "load(\"lib/a.star\", \"x\")\n" + panics, "lib/a.star": "x = 1\n"}, "s.star")
}

func TestAScriptHasOneHookForItsSlot(t *testing.T) {
	t.Parallel()
	rt := starlark.New()
	f := func(src string, make func(*engine.PluginManifest) error, want string) {
		t.Helper()
		err := make(manifest(files{"s.star": src}, nil))
		var runtime *engine.RuntimeError
		if !errors.As(err, &runtime) || runtime.Reason != want {
			t.Errorf("%q: got %v, want %s", src, err, want)
		}
	}
	filter := func(m *engine.PluginManifest) error { _, err := rt.InstantiateFilter(m); return err }
	router := func(m *engine.PluginManifest) error { _, err := rt.InstantiateRouter(m); return err }
	dialect := func(m *engine.PluginManifest) error { _, err := rt.InstantiateDialect(m); return err }
	observer := func(m *engine.PluginManifest) error { _, err := rt.InstantiateObservability(m); return err }
	f("x = 1\n", filter, `s.star: defines no filter or drop, want one for binding "test"`)
	f("filter = 1\n", filter, `s.star: defines no filter or drop, want one for binding "test"`)
	f("x = 1\n", router, `s.star: defines no route, want one for binding "test"`)
	f("x = 1\n", dialect, `s.star: defines no shape or normalize_error or transform_response or transform_event, want one for binding "test"`)
	f("x = 1\n", observer, `s.star: defines no observe, want one for binding "test"`)
	f(keepAll+"def drop(ctx, p, c):\n    pass\n", filter, "s.star:3:1: defines both filter and drop, want one of them")
	f("def filter(a, b, c, d):\n    pass\n", filter,
		"s.star:1:1: filter takes 4 parameters, want filter(ctx, principal, candidates) or fewer of them from the end")
	f("def observe():\n    pass\n", observer, "s.star:1:1: observe takes 0 parameters, want observe(event) or fewer of them from the end")
	if _, err := rt.InstantiateSignerFactory(nil); !errors.Is(err, engine.ErrSignersAreBuiltIn) {
		t.Errorf("signers: %v", err)
	}
	if rt.Extension() != ".star" {
		t.Errorf("extension %q", rt.Extension())
	}
}
