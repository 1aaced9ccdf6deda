package lua_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	const calls = 30
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
		r.RequestID, r.Watch = fmt.Sprintf("r%d", n), &inLine{waits: make(chan struct{})}
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

// inLine is the watch of a call for a principal. It tells when the call waits.
type inLine struct {
	principal string
	once      sync.Once
	waits     chan struct{}
}

func (w *inLine) Pause() bool          { w.once.Do(func() { close(w.waits) }); return true }
func (w *inLine) Resume(time.Duration) {}
func (w *inLine) Principal() string    { return w.principal }
func (w *inLine) Beside() int          { return 0 }

// Principals take turns in the line for a state, however many calls of others came first.
func TestPrincipalsTakeTurnsForAState(t *testing.T) {
	m := manifest(files{"s.lua": `local rows = {}
for i = 1, 20000 do rows[i] = {i, {i}, {a = i}} end
function filter(ctx, principal, candidates)
  log(ctx.request_id)
  return candidates
end`}, nil)
	m.Budget = engine.Budget{Memory: 40 << 20}
	var mu sync.Mutex
	var served []string
	over := make(chan struct{})
	began := make(chan struct{})
	m.Log = func(_ string, _ int, who string) {
		if who == "first" {
			close(began)
			<-over
			return
		}
		mu.Lock()
		defer mu.Unlock()
		served = append(served, who)
	}
	filter := filterFrom(t, m)
	ask := func(who string) *inLine {
		w := &inLine{principal: who, waits: make(chan struct{})}
		r := request()
		r.RequestID, r.Watch = who, w
		go func() { _, _ = filter.Filter(r, principal(), candidates(upstreams(3))) }()
		return w
	}
	ask("first")
	<-began
	const each = 30
	for range each {
		<-ask("alice").waits
		<-ask("bob").waits
	}
	<-ask("carol").waits
	close(over)
	for {
		mu.Lock()
		n := slices.Index(served, "carol")
		mu.Unlock()
		if n > each {
			t.Errorf("%d calls of others went before, want few", n)
		}
		if n >= 0 {
			return
		}
		runtime.Gosched()
	}
}
