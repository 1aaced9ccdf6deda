package lua_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"

	"sluice/engine"
	"sluice/runtimes/lua"
)

// heap is what is in use, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What a file keeps from call to call lies idle in as many states as calls were busy at once.
func TestIdleStatesHoldNoMoreThanOneCallMay(t *testing.T) {
	const budget = 8 << 20
	busy := 2 * runtime.GOMAXPROCS(0)
	f := func(top, body string) {
		t.Helper()
		m := manifest(files{"s.lua": top + "\nfunction filter(ctx, principal, candidates) log('x') " + body + " return candidates end"}, nil)
		m.Budget = engine.Budget{Memory: budget}
		var all *sync.WaitGroup // of those that have a state each
		m.Log = func(string, int, string) { all.Done(); all.Wait() }
		before := heap()
		filter, err := lua.New().InstantiateFilter(m)
		if err != nil {
			t.Fatal(err)
		}
		for range 70 {
			all = new(sync.WaitGroup)
			all.Add(busy)
			var asked sync.WaitGroup
			for range busy {
				asked.Go(func() { _, _ = filter.Filter(request(), principal(), candidates(upstreams(3))) })
			}
			asked.Wait()
		}
		if held := heap() - before; held > budget+slack {
			t.Errorf("%s %s: idle states hold %d bytes, want at most %d", top, body, held, budget)
		}
		runtime.KeepAlive(filter)
	}
	f(`local kept = {}`, `kept[#kept + 1] = ("x"):rep(1e5)`)
	f(`local kept = ("x"):rep(6e6)`, `local n = #kept`)
}

// The texts of a request lie in one piece of memory, so that who keeps one of them keeps all.
func TestATextOfARequestIsCountedAsAllOfThem(t *testing.T) {
	const budget = 8 << 20
	m := manifest(files{"s.lua": `local kept = {}
function filter(ctx, principal, candidates)
  kept[#kept + 1] = ctx.headers["x-a"]
  return candidates
end`}, nil)
	m.Budget = engine.Budget{Memory: budget}
	filter := filterFrom(t, m)
	before := heap()
	for range 400 {
		r, text := request(), strings.Repeat("x", 1e5)
		r.Headers = engine.Headers{{Name: "x-a", Value: text[:1]}, {Name: "x-b", Value: text[1:]}}
		if _, err := filter.Filter(r, principal(), candidates(upstreams(3))); err != nil {
			t.Fatal(err)
		}
	}
	if held := heap() - before; held > budget {
		t.Errorf("a state holds %d bytes, want at most %d", held, budget)
	}
	runtime.KeepAlive(filter)
}
