package lua_test

import (
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes"
	"sluice/runtimes/lua"
)

func TestACallWaitsForWhatAllCallsShareAndThenFails(t *testing.T) {
	pool := new(runtimes.Pool)
	pool.SetLimit(2 << 20)
	rt := lua.New()
	rt.Memory = pool
	m := manifest(files{"s.lua": "function filter(ctx, principal, candidates)\n  local s = string.rep('x', 1000000)\n  return candidates\nend"}, nil)
	m.Budget = engine.Budget{Time: 100 * time.Millisecond, Memory: 64 << 20}
	filter, err := rt.InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	call := func() error {
		_, err := filter.Filter(request(), principal(), candidates(upstreams(1)))
		return err
	}
	others := runtimes.Share{Pool: pool}
	if err := others.Cover(2<<20, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if e := scriptError(t, call()); e.Budget != engine.BudgetTotalMemory || e.Line != 2 || e.Message != runtimes.TotalOver(2<<20) {
		t.Errorf("%v, budget %q", e, e.Budget)
	}
	others.Free()
	if err := call(); err != nil {
		t.Error(err)
	}
	if held := pool.Used(); held != 0 {
		t.Errorf("%d bytes are held by calls that ended", held)
	}
}
