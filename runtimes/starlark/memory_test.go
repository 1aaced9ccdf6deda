//go:build !race

package starlark_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes/starlark"
)

// TestTheBudgetOfMemoryIsWhatIsAllocated runs scripts that allocate until they are ended: what they really allocated is at most twice the
// budget, and not less than half of it where the steps themselves allocate.
func TestTheBudgetOfMemoryIsWhatIsAllocated(t *testing.T) {
	const budget = 16 << 20
	f := func(name, top, body string, least float64) {
		t.Helper()
		src := top + "\ndef filter(ctx, p, cs):\n    " + strings.ReplaceAll(body, "; ", "\n    ") + "\n    return cs\n"
		ups := upstreams(2)
		m := manifest(files{"s.star": src}, ups)
		m.Budget = engine.Budget{Memory: budget}
		filter, err := starlark.New().InstantiateFilter(m)
		if err != nil {
			t.Fatal(err)
		}
		ctx := request()
		ctx.Body = []byte(`{"text":"` + strings.Repeat("x", 100_000) + `","list":[` + strings.Repeat(`{"a":[1,2]},`, 1000) + `{}]}`)
		spent := allocated(func() { _, err = filter.Filter(ctx, principal(), candidates(ups)) })
		if err == nil || scriptError(t, err).Budget != "memory" {
			t.Errorf("%s: got %v, want an overrun of memory", name, err)
		}
		if share := float64(spent) / budget; share > 2 || share < least {
			t.Errorf("%s: allocated %.2f of the budget, want %.2f to 2", name, share, least)
		}
	}
	const half = 0.5
	f("appending texts", "", `l = []; [l.append("line %d of many that are kept" % i) for i in range(1 << 30)]`, half)
	f("appending lists", "", `l = []; [l.append([i]) for i in range(1 << 30)]`, half)
	f("lists in lists", "", `l = [[i, [], []] for i in range(1 << 30)]`, 0.4)
	f("dicts", "", `l = [{} for i in range(1 << 30)]`, half)
	f("dicts with entries", "", `l = [{"a": i, "b": [i]} for i in range(1 << 30)]`, half)
	f("a large dict", "", "d = {}; for i in range(1 << 30): d[i] = i", 0.4)
	f("a large dict of texts", "", "d = {}; for i in range(1 << 30): d[\"key %d\" % i] = [i]", half)
	f("a large set", "", "s = set(); for i in range(1 << 30): s.add(i)", half)
	f("a dict comprehension", "", "d = {i: i for i in range(1 << 30)}", half)
	f("tuples", "", "l = [(i, i, i) for i in range(1 << 30)]", half)
	f("closures", "", "l = [lambda a: a + i for i in range(1 << 30)]", 0.4)
	f("calls", "def g(a, b, c):\n    return a", "for i in range(1 << 30): g(i, i, i)", 0.2)
	f("frames", "def g(x):\n    if x:\n        return x\n    return ["+strings.Repeat("x,", 5000)+"]", "for i in range(1 << 30): g(1)", half)
	f("variables", "def g(x):\n    if x:\n        return x\n"+variables(2000), "for i in range(1 << 30): g(1)", half)
	f("slices", "big = list(range(1000))", "for i in range(1 << 30): big[1:]", half)
	f("slices by steps", "big = \"x\" * 1000", "for i in range(1 << 30): big[::-1]", 0.2)
	f("joined texts", "parts = [\"part %d\" % i for i in range(100)]", "for i in range(1 << 30): \",\".join(parts)", half)
	f("replaced texts", "text = \"abc\" * 1000", "for i in range(1 << 30): text.replace(\"b\", \"xyz\")", half)
	f("split texts", "text = \"a,b\" * 1000", "for i in range(1 << 30): text.split(\",\")", half)
	f("shown lists", "l = list(range(1000))", "for i in range(1 << 30): str(l)", half)
	f("formatted texts", "text = \"x\" * 1000", "for i in range(1 << 30): \"%s and %s\" % (text, text)", half)
	f("texts of format", "text = \"x\" * 1000", "for i in range(1 << 30): \"{} and {}\".format(text, text)", 0.4)
	f("texts that a format names again", "text = \"x\" * 1000", "for i in range(1 << 30): \"{0}, {0} and {0}\".format(text, \"y\")", 0.4)
	f("texts that a mapping has", "texts = {\"a\": \"x\" * 1000, \"b\": \"y\"}", "for i in range(1 << 30): \"%(a)s, %(a)s and %(b)s\" % texts", 0.4)
	f("formats of braces", "text = \"{{\" * 8000", "for i in range(1 << 30): text.format()", 0.4)
	f("sorted lists", "l = list(range(1000))", "for i in range(1 << 30): sorted(l, reverse = True)", half)
	f("pairs", "l = list(range(1000))", "for i in range(1 << 30): zip(l, l)", half)
	f("items", "d = {i: i for i in range(1000)}", "for i in range(1 << 30): d.items()", half)
	f("copies of dicts", "d = {i: i for i in range(1000)}", "for i in range(1 << 30): dict(d)", half)
	f("unions of sets", "s = set(range(1000))", "for i in range(1 << 30): s | s", 0.3)
	f("wide integers", "x = (1 << 500) << 500", "l = [x - i for i in range(1 << 30)]", half)
	f("JSON that is read", "", "for i in range(1 << 30): ctx.body.json()", 0.4)
	f("JSON that is written", "l = [{\"a\": [1, 2]} for i in range(1000)]", "for i in range(1 << 30): json.encode(l)", half)
	f("texts of the body", "", "for i in range(1 << 30): ctx.body.get(\"text\")", half)
	f("the body", "", "for i in range(1 << 30): ctx.body.raw()", half)
	f("matches", "text = \"ab\" * 1000", "for i in range(1 << 30): re.find_all(\"(a)b\", text)", 0.4)
	f("replaced matches", "text = \"ab\" * 1000", "for i in range(1 << 30): re.replace(\"(a)b\", text, \"$1$1\")", 0.3)
}

// TestAnHonestScriptHasItsBudget: what a call is charged without being near a bomb is not much more than what it allocates.
func TestAnHonestScriptHasItsBudget(t *testing.T) {
	for name, src := range map[string]string{"headroom": headroom, "explained": explained, "short": short} {
		ups := upstreams(10)
		m := manifest(files{"s.star": src}, ups)
		rt := starlark.New()
		run := func(memory int64) error {
			m.Budget = engine.Budget{Memory: memory}
			f, err := rt.InstantiateFilter(m)
			if err != nil {
				return nil // the top level has overrun it
			}
			_, err = f.Filter(request(), principal(), candidates(ups))
			return err
		}
		call := ten(t, src)
		call()
		spent := allocated(func() { call() })
		if err := run(3*spent + 4096); err != nil {
			t.Errorf("%s: allocates %d bytes and fails with three times as many: %v", name, spent, err)
		}
	}
}

// variables is so many statements that give a variable its value.
func variables(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "    v%d = 1\n", i)
	}
	return b.String()
}
