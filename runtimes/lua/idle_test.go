package lua_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
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

// Calls that wait for a state go on when one comes back, and when none will: errors end states, and so does what a file may not keep. While a call
// has its state for long, another one is started.
func TestWhoWaitsForAStateGoesOn(t *testing.T) {
	const calls = 90
	m := manifest(files{"s.lua": `local rows = {}
for i = 1, 2000 do rows[i] = {i, {i}, {a = i}} end
local kept
function filter(ctx, principal, candidates)
  local n = tonumber(string.sub(ctx.request_id, 2))
  if n % 3 == 1 then error("as asked") end
  if n % 3 == 2 then kept = string.rep("x", 1000000) end
  if n == 0 then log("waits") end
  return candidates
end`}, nil)
	m.Budget = engine.Budget{Memory: 4 << 20}
	waits, over := make(chan struct{}), make(chan struct{})
	m.Log = func(string, int, string) {
		close(waits)
		<-over
	}
	filter := filterFrom(t, m)
	var failed atomic.Int64
	ask := func(n int) {
		r := request()
		r.RequestID = fmt.Sprintf("r%d", n)
		if _, err := filter.Filter(r, principal(), candidates(upstreams(3))); err != nil {
			failed.Add(1)
		}
	}
	var first, others sync.WaitGroup
	first.Go(func() { ask(0) })
	<-waits
	for n := range calls {
		others.Go(func() { ask(n + 1) })
	}
	others.Wait() // while the first one has its state
	close(over)
	first.Wait()
	if n := failed.Load(); n != calls/3 {
		t.Errorf("%d of %d calls failed, want those that ask for it, which are %d", n, calls, calls/3)
	}
}
