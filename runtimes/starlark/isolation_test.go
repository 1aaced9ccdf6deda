package starlark_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"sluice/engine"
	"sluice/runtimes/starlark"
)

func TestNoCallLeavesAnythingForTheNext(t *testing.T) {
	t.Parallel()
	f := func(top, stmt, want string) {
		t.Helper()
		_, err := decide(t, top+"\ndef filter(ctx, principal, candidates):\n    "+stmt+"\n    return candidates\n")
		if err == nil || !strings.HasPrefix(scriptError(t, err).Message, want) {
			t.Errorf("%s: got %v, want %s", stmt, err, want)
		}
	}
	f("seen = []", "seen.append(1)", "append: cannot append to frozen list")
	f("seen = {}", "seen[1] = 1", "cannot insert into frozen hash table")
	f("seen = set()", "seen.add(1)", "add: cannot insert into frozen hash table")
	f("def make():\n    l = []\n    return lambda: l.append(1)\nadd = make()", "add()", "append: cannot append to frozen list")
	f("def add(l = []):\n    l.append(1)", "add()", "append: cannot append to frozen list")
	f("", "json.decod = 1", "can't assign to .decod field of json")
	f("", "json.decode = 1", "can't assign to .decode field of json")
	f("seen = [[]]", "seen[0].append(1)", "append: cannot append to frozen list")
	f("seen = ({},)", "seen[0][ctx] = 1", "cannot insert into frozen hash table")
	f("seen = {\"a\": [set()]}", "seen[\"a\"][0].add(1)", "add: cannot insert into frozen hash table")
	f("keep = [].append", "keep(1)", "append: cannot append to frozen list")
	f("keep = getattr([], \"extend\")", "keep([1])", "extend: cannot extend frozen list")
	f("keep = {}.update", "keep({1: 2})", "update: cannot insert into frozen hash table")
	f("keep = [{}.setdefault]", "keep[0](1, 2)", "setdefault: cannot insert into frozen hash table")
	f("seen = []", "seen += [1]", "local variable seen referenced before assignment")
	f("seen = [[1]]", "seen[0] += [2]", "cannot apply += to frozen list")
	f("seen = {\"a\": {}}", "seen[\"a\"] |= {1: 2}", "cannot apply |= to frozen hash table")
	f("seen = [1]", "seen[0] = 2", "cannot assign to element of frozen list")
	f("seen = [1]", "seen.clear()", "clear: cannot clear frozen list")
	f("seen = {1: 2}", "seen.pop(1)", "pop: cannot delete from frozen hash table")
	f("def make():\n    def f():\n        return g\n    def g():\n        return f\n    l = []\n    f = lambda: (l, g)\n    return f\nf = make()",
		"f()[0].append(1)", "append: cannot append to frozen list")
	f("def add(a, *, l = {}):\n    l[a] = 1", "add(ctx)", "cannot insert into frozen hash table")
	f("add = lambda l = [[]]: l[0].append(1)", "add()", "append: cannot append to frozen list")
	f("", "config[\"regions\"].append(1)", "append: cannot append to frozen list")
	f("", "config[\"nested\"][\"deep\"] = 1", "this map is read-only")
	f("", "candidates[0].labels[\"x\"] = 1", "this map is read-only")
	f("", "principal.claims[\"roles\"][0] = 1", "cannot assign to element of frozen list")
	f("", "candidates[0].name = \"x\"", "candidate.name is read-only")
}

// TestACallThatFailsHalfwayLeavesNothing: what a call had changed of its own values before it failed, its budget ended or it panicked, the
// next call on the same runner does not see.
func TestACallThatFailsHalfwayLeavesNothing(t *testing.T) {
	t.Parallel()
	const src = `
def note(x, seen = None):
    seen = seen or []
    seen.append(x)
    return seen

def filter(ctx, principal, candidates):
    seen = note(ctx.path)
    if len(seen) > 1:
        fail("kept")
    for c in candidates:
        for once in [1, 2]:
            if ctx.path == "/fail":
                fail("halfway")
            if ctx.path == "/panic":
                panic()
            if ctx.path == "/memory":
                seen.append("x" * (1 << 30))
            if ctx.path == "/steps":
                seen += range(1 << 24)
    log("served")
    return candidates
`
	ups := upstreams(2)
	m := manifest(files{"s.star": src}, ups)
	m.Budget = usualLoad
	lines := 0
	m.Log = func(string, int, string) { lines++ }
	f, err := starlark.NewPanicking().InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range []string{"/fail", "/", "/memory", "/", "/steps", "/", "/panic", "/", "/memory", "/fail", "/"} {
		ctx := request()
		ctx.Path = path
		lines = 0
		out, err := f.Filter(ctx, principal(), candidates(ups))
		if served := err == nil; served != (path == "/") || served && (lines != 1 || len(out.KeptUpstreamIDs) != 2) {
			t.Errorf("call %d, %s: %v, %v, %d lines", i, path, summary(out), err, lines)
		}
		if err != nil && strings.Contains(err.Error(), "kept") {
			t.Errorf("call %d, %s: %v", i, path, err)
		}
	}
}

// TestTheSameFilesLoadAlike: two loads of a script see the same, whatever the first one did.
func TestTheSameFilesLoadAlike(t *testing.T) {
	t.Parallel()
	rt, ups := starlark.New(), upstreams(1)
	src := "n = [0]\nn[0] += 1\nload(\"lib.star\", \"seen\")\nkeys = [k for k in {\"b\": 1, \"a\": 2}] + [len(seen)]\n" +
		"def filter(ctx, p, cs):\n    return {\"keep\": cs, \"reason\": str([n, keys, hash(\"x\")])}\n"
	var first string
	for i := range 3 {
		f, err := rt.InstantiateFilter(manifest(files{"s.star": src, "lib.star": "seen = []\nseen.append(1)\n"}, ups))
		if err != nil {
			t.Fatal(err)
		}
		out, err := f.Filter(request(), principal(), candidates(ups))
		if err != nil || i > 0 && out.Reason != first {
			t.Errorf("load %d: %q, %v, want %q", i, out.Reason, err, first)
		}
		first = out.Reason
	}
}

func TestOneInstanceServesManyAtOnce(t *testing.T) {
	t.Parallel()
	src := headroom + "\ndef name(c):\n    return c.name + c.labels[\"tier\"]\n" +
		"def route(ctx, p, cs):\n    d = json.decode(json.encode({\"n\": [name(c) for c in cs], \"m\": ctx.body.get(\"model\")}))\n" +
		"    if d[\"m\"] != ctx.model or len(d[\"n\"]) != len(cs) or not re.test(\"^up\", d[\"n\"][0]):\n        fail(\"mixed up: \" + str(d))\n" +
		"    return cs[int(ctx.session_id) % len(cs)]\n"
	ups := upstreams(10)
	rt := starlark.New()
	m := manifest(files{"s.star": src}, ups)
	filter, err := rt.InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	router, err := rt.InstantiateRouter(m)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			ctx := request()
			ctx.Model = fmt.Sprintf("model-%d", g)
			ctx.Body = fmt.Appendf(nil, `{"model":"model-%d"}`, g)
			ctx.SessionID = fmt.Sprint(g)
			c := candidates(ups[:g+2])
			for range 50 {
				if out, err := filter.Filter(ctx, principal(), c); err != nil || len(out.KeptUpstreamIDs) != min(g+2, 9) {
					t.Errorf("filter %d: %v, %v", g, summary(out), err)
				}
				if out, err := router.Route(ctx, principal(), c); err != nil || out.Upstream != ups[g%(g+2)] {
					t.Errorf("router %d: %v, %v", g, out, err)
				}
			}
		})
	}
	for range 4 {
		all.Go(func() {
			for range 20 {
				if _, err := rt.InstantiateFilter(m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestFreshChangesNothing(t *testing.T) {
	t.Parallel()
	m := manifest(files{"s.star": headroom}, upstreams(4))
	m.Fresh = true
	f, err := starlark.New().InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.Filter(request(), principal(), candidates(m.Upstreams))
	if want := "0 1 2 3 |5h window below 90%|"; err != nil || summary(out) != want {
		t.Errorf("got %s, %v, want %s", summary(out), err, want)
	}
}

func TestAScriptLogsThroughItsManifest(t *testing.T) {
	t.Parallel()
	ups := upstreams(1)
	var lines []string
	m := manifest(files{
		"s.star": "load(\"lib/a.star\", \"say\")\nlog(\"loading\")\n" +
			"def filter(ctx, p, cs):\n    say(ctx.model)\n    print(\"a\", [1], cs[0])\n    return cs\n",
		"lib/a.star": "def say(s):\n    log(\"model\\n\" + s)\n",
	}, ups)
	m.Log = func(file string, line int, message string) {
		lines = append(lines, fmt.Sprintf("%s:%d %s", file, line, message))
	}
	f, err := starlark.New().InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Filter(request(), principal(), candidates(ups)); err != nil {
		t.Fatal(err)
	}
	want := []string{"s.star:2 loading", `lib/a.star:2 model\x0aclaude-sonnet-4-5`, `s.star:5 a [1] <candidate "up-0">`}
	if fmt.Sprint(lines) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

func TestARandomDecisionCanBeReplayed(t *testing.T) {
	t.Parallel()
	src := "def filter(ctx, p, cs):\n    return {\"keep\": cs, \"reason\": \"%s %s\" % (ctx.random(), ctx.random())}\n"
	ups := upstreams(1)
	f := filterOf(t, src)
	run := func(seed uint64) engine.FilterOutput {
		ctx := request()
		ctx.Seed = seed
		out, err := f.Filter(ctx, principal(), candidates(ups))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if a, b := run(7).Reason, run(7).Reason; a != b {
		t.Errorf("the same request gives %s and %s", a, b)
	}
	if a, b := run(7).Reason, run(8).Reason; a == b {
		t.Errorf("two requests give %s", a)
	}
}
