package lua_test

import (
	"fmt"
	"runtime"
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

// A call that has to run the top level of its script first holds what that allocates as long as it runs.
func TestACallHoldsWhatItsTopLevelAllocates(t *testing.T) {
	const hoard = 3 << 20
	rt := lua.New()
	rt.Memory = new(runtimes.Pool)
	m := manifest(files{"s.lua": fmt.Sprintf("local hoard = string.rep('x', %d)\nfunction filter(ctx, principal, candidates)\n"+
		"  log(#hoard)\n  return candidates\nend", hoard)}, nil)
	logging, goOn := make(chan struct{}), make(chan struct{})
	m.Log = func(string, int, string) {
		logging <- struct{}{}
		<-goOn
	}
	filter, err := rt.InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	for range cap(done) { // the first finds a state that waits, the second one starts one
		go func() {
			_, err := filter.Filter(request(), principal(), candidates(upstreams(1)))
			done <- err
		}()
		<-logging
	}
	if held := rt.Memory.Used(); held < hoard-64<<10 || held > 2*hoard {
		t.Errorf("%d bytes are held, want those of one top level", held)
	}
	close(goOn)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if held := rt.Memory.Used(); held < 2*hoard-128<<10 || held > 2*hoard {
		t.Errorf("%d bytes are held, want those of two idle states", held)
	}
	runtime.KeepAlive(filter)
}
