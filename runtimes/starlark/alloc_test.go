//go:build !race

package starlark_test

import "testing"

func TestFiltersStayWithinTheirAllocations(t *testing.T) {
	f := func(name, src string, most float64) {
		t.Helper()
		call := ten(t, src)
		if got := testing.AllocsPerRun(200, func() { call() }); got > most {
			t.Errorf("%s: %v allocations a call over ten candidates, want at most %v", name, got, most)
		}
	}
	f("empty", keepAll, 7)
	f("headroom", headroom, 45)
	f("short", short, 44)
	f("explained", explained, 66)
}
