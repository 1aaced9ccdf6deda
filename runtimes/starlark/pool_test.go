package starlark_test

import (
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes"
	"sluice/runtimes/starlark"
)

// TestACallSharesTheMemoryOfAllCalls: a call that wants more than all calls may hold together ends, and gives back what it had.
func TestACallSharesTheMemoryOfAllCalls(t *testing.T) {
	t.Parallel()
	rt := starlark.New()
	rt.Memory = new(runtimes.Pool)
	rt.Memory.SetLimit(8 << 20)
	ups := upstreams(1)
	f := func(body, budget string) {
		t.Helper()
		filter, err := rt.InstantiateFilter(manifest(files{"s.star": "def filter(ctx, p, cs):\n    " + body + "\n    return cs\n"}, ups))
		if err != nil {
			t.Fatal(err)
		}
		_, err = filter.Filter(request(), principal(), candidates(ups))
		got := ""
		if err != nil {
			got = scriptError(t, err).Budget
		}
		if got != budget || budget != "" && !strings.Contains(err.Error(), "budgets.total_memory: 8.0 MiB") {
			t.Errorf("%s: got %v, want an overrun of %q", body, err, budget)
		}
		if used := rt.Memory.Used(); used != 0 {
			t.Errorf("%s: %d bytes are still held", body, used)
		}
	}
	f("x = \"a\" * 4000000", "")
	f("x = \"a\" * 40000000", engine.BudgetTotalMemory)
	f("x = [[i] for i in range(1 << 40)]", engine.BudgetTotalMemory)
	f("x = \"a\" * 4000000", "")
}
