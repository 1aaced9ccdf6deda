package starlark_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes/starlark"
)

// overrun runs a script within a budget that it must exceed.
func overrun(t *testing.T, src string, b engine.Budget) *engine.ScriptError {
	t.Helper()
	ups := upstreams(2)
	m := manifest(files{"s.star": src}, ups)
	m.Budget = b
	f, err := starlark.New().InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a runner serves again after an overrun
		_, err = f.Filter(request(), principal(), candidates(ups))
		var failure *engine.FilterError
		if !errors.As(err, &failure) || failure.Variant != engine.FilterTrap {
			t.Fatalf("error %v, want a trap", err)
		}
	}
	return scriptError(t, err)
}

func TestACallEndsWithItsSteps(t *testing.T) {
	t.Parallel()
	f := func(src string, steps int64, want string) {
		t.Helper()
		e := overrun(t, src, engine.Budget{Steps: steps})
		if e.Budget != "steps" || e.Error() != want {
			t.Errorf("got %s, budget %q, want %s", e, e.Budget, want)
		}
		if len(e.Stack) == 0 {
			t.Error("no stack")
		}
	}
	endless := "def filter(ctx, p, cs):\n    for i in range(1000000000):\n        pass\n"
	f(endless, 50_000, "s.star:2:5: the call took more steps than budgets.steps: 50000")
	f(endless, 100, "s.star:2:5: the call took more steps than budgets.steps: 100")
	f("def spin():\n    return [x for x in range(1000000000)]\ndef filter(ctx, p, cs):\n    return spin()\n", 50_000,
		"s.star:2:15: the call took more steps than budgets.steps: 50000")
	f("def drop(ctx, p, c):\n    for i in range(20000):\n        pass\n", 50_000,
		"s.star:2:5: the call took more steps than budgets.steps: 50000")
	f("def filter(ctx, p, cs):\n    json.decode(\"[\" + \"1,\" * 500000 + \"1]\")\n    return cs\n", 50_000,
		"s.star:2:16: the call took more steps than budgets.steps: 50000")
}

// What is done to a long text again and again ends by the steps that it is worth, as one step each would not.
func TestALongTextPaysForEachSearch(t *testing.T) {
	t.Parallel()
	for _, search := range []string{`s.find("ac")`, `s.rfind("ac")`, `s.partition("ac")`, `s.rpartition("ac")`, `s.split(None, 1)`, `s.rsplit(None, 1)`} {
		e := overrun(t, "def filter(ctx, p, cs):\n    s = \"a\" * 4000000\n    for i in range(64):\n        "+search+"\n", engine.Budget{Steps: 2_000_000})
		if e.Budget != "steps" || e.Line != 4 {
			t.Errorf("%s: %s, budget %q", search, e, e.Budget)
		}
	}
}

func TestACallEndsWithItsTime(t *testing.T) {
	t.Parallel()
	e := overrun(t, "def filter(ctx, p, cs):\n    for i in range(1000000000):\n        pass\n", engine.Budget{Time: 3 * time.Millisecond})
	if e.Budget != "time" || e.Message != "the call took longer than budgets.time: 3ms" || e.File != "s.star" || e.Line == 0 {
		t.Errorf("got %s, budget %q", e, e.Budget)
	}
}

func TestAShortCallIsNotCharged(t *testing.T) {
	t.Parallel()
	ups := upstreams(2)
	m := manifest(files{"s.star": keepAll}, ups)
	m.Budget = engine.Budget{Time: 10 * time.Second, Steps: 100}
	f, err := starlark.New().InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err := f.Filter(request(), principal(), candidates(ups)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestABodyEarnsItsPartOfTheBudget(t *testing.T) {
	t.Parallel()
	ups := upstreams(1)
	loop := "    for i in range(20000):\n        pass\n"
	ctx := request()
	ctx.Body = []byte("[" + strings.Repeat(" ", 1<<20) + "1]")
	f := func(src string, perMiB int64, want string) {
		t.Helper()
		m := manifest(files{"s.star": src}, ups)
		m.Budget = engine.Budget{Steps: 30_000, StepsPerMiB: perMiB}
		rt := starlark.New()
		var err error
		if strings.HasPrefix(src, "def shape") {
			d, makeErr := rt.InstantiateDialect(m)
			if makeErr != nil {
				t.Fatal(makeErr)
			}
			err = shape(d, ctx, ups[0])
		} else {
			f, makeErr := rt.InstantiateFilter(m)
			if makeErr != nil {
				t.Fatal(makeErr)
			}
			_, err = f.Filter(ctx, principal(), candidates(ups))
		}
		got := ""
		if err != nil {
			got = scriptError(t, err).Message
		}
		if got != want {
			t.Errorf("%q with %d steps a MiB: got %q, want %q", src, perMiB, got, want)
		}
	}
	const over = "the call took more steps than budgets.steps: "
	f("def filter(ctx, p, cs):\n"+loop+"    return cs\n", 1_000_000, over+"30000")
	f("def filter(ctx, p, cs):\n    ctx.body.json()\n"+loop+"    return cs\n", 0, over+"30000")
	f("def filter(ctx, p, cs):\n    ctx.body.json()\n"+loop+"    return cs\n", 1_000_000, "")
	f("def shape(ctx, u, p, request):\n"+loop, 0, over+"30000")
	f("def shape(ctx, u, p, request):\n"+loop, 1_000_000, "")
}
