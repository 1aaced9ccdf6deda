package engine_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/engine"
)

// scripted is a filter that does what it is told.
type scripted struct {
	engine.Identity
	calls atomic.Int64
	do    func(*engine.RequestContext) error
}

func (s *scripted) Filter(ctx *engine.RequestContext, _ *engine.Principal, in []engine.UpstreamCandidate) (engine.FilterOutput, error) {
	s.calls.Add(1)
	if err := s.do(ctx); err != nil {
		return engine.FilterOutput{}, err
	}
	var out engine.FilterOutput
	for _, c := range in {
		out.KeptUpstreamIDs = append(out.KeptUpstreamIDs, c.ID)
	}
	return out, nil
}

func overrun(budget string) error {
	return &engine.FilterError{Variant: engine.FilterTrap, Cause: &engine.ScriptError{File: "f.star", Line: 1, Message: "over", Budget: budget}}
}

// guarded is a world whose one filter runs under a guard.
type guarded struct {
	*world
	filter    *scripted
	slot      *engine.FilterSlot
	crew      *engine.Crew
	standings *engine.Standings

	mu  sync.Mutex
	log []string // guarded by mu
}

// told is what was logged.
func (g *guarded) told() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.log, ", ")
}

func newGuarded(t *testing.T, do func(*engine.RequestContext) error) *guarded {
	g := &guarded{world: newWorld(t, upstreamNamed("a")), crew: engine.NewCrew(), standings: &engine.Standings{}}
	t.Cleanup(func() {
		if g.crew != nil {
			g.crew.Close()
		}
	})
	g.standings.Log = func(script string, a engine.Aside, back bool) {
		word := " aside "
		if back {
			word = " back "
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.log = append(g.log, script+word+a.Principal)
	}
	g.transport = echo
	g.filter = &scripted{Identity: engine.NewIdentity("", "f"), do: do}
	g.slot = &engine.FilterSlot{Filter: g.filter, Script: "f.star", Meter: &engine.Meter{}}
	g.version("1")
	g.add(g.slot)
	return g
}

// version is what an edit does.
func (g *guarded) version(v string) {
	g.slot.Guard = &engine.Guard{Crew: g.crew, Standing: g.standings.For("f.star", v), Budget: engine.Budget{Time: 50 * time.Millisecond}}
}

// ask serves a request of a principal and reports whether the filter ran.
func (g *guarded) ask(t *testing.T, principal string) bool {
	t.Helper()
	before := g.filter.calls.Load()
	g.principal = &engine.Principal{Name: principal}
	g.serve(t)
	return g.filter.calls.Load() > before
}

// inBubble runs a test under a clock that stands still while anybody runs.
func inBubble(t *testing.T, do func(*engine.RequestContext) error, test func(*testing.T, *guarded)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newGuarded(t, do)) })
}

func TestFiveOverrunsPutAScriptAsideForTheirPrincipalAlone(t *testing.T) {
	for _, budget := range []string{"time", "steps", "memory"} {
		inBubble(t, func(*engine.RequestContext) error { return overrun(budget) }, func(t *testing.T, g *guarded) {
			for i := range 5 {
				if !g.ask(t, "alice") {
					t.Fatalf("overrun %d of budgets.%s was enough to put the script aside", i, budget)
				}
			}
			if g.ask(t, "alice") {
				t.Errorf("the script ran for alice after 5 overruns of budgets.%s", budget)
			}
			if !g.ask(t, "bob") {
				t.Error("the script did not run for bob, who had no part in it")
			}
			if e := g.exchange.Trace.Errors; len(e) != 1 || e[0].Kind != engine.InternalTrap {
				t.Errorf("bob's trace: %+v", e)
			}
			g.ask(t, "alice")
			e := g.exchange.Trace.Errors
			if len(e) != 1 || e[0].Kind != engine.InternalUnavailable || !strings.Contains(e[0].Message,
				`f.star: put aside for principal "alice" until `) || !strings.Contains(e[0].Message, "5 overruns within 10s, the last of budgets."+budget) {
				t.Errorf("alice's trace: %+v", e)
			}
			time.Sleep(31 * time.Second)
			if !g.ask(t, "alice") {
				t.Error("the script is not back after 30 s")
			}
			if got := g.told(); got != "f.star aside alice, f.star back alice" {
				t.Errorf("the log says %q", got)
			}
		})
	}
}

func TestOverrunsOfThreePrincipalsPutAScriptAsideForAll(t *testing.T) {
	inBubble(t, func(*engine.RequestContext) error { return overrun("time") }, func(t *testing.T, g *guarded) {
		for _, who := range []string{"alice", "bob", "alice", "bob", "carol"} {
			g.ask(t, who)
		}
		for _, who := range []string{"alice", "dave"} {
			if g.ask(t, who) {
				t.Errorf("the script ran for %s", who)
			}
		}
		time.Sleep(31 * time.Second)
		if !g.ask(t, "dave") {
			t.Error("the script is not back")
		}
		if got := g.told(); got != "f.star aside __global__, f.star back __global__" {
			t.Errorf("the log says %q", got)
		}
	})
}

// What is put aside for all is not said to run again for one of them.
func TestAnAsideForAllCoversThoseOfPrincipals(t *testing.T) {
	inBubble(t, func(*engine.RequestContext) error { return overrun("time") }, func(t *testing.T, g *guarded) {
		for _, who := range []string{"alice", "alice", "alice", "alice", "alice", "bob"} {
			g.ask(t, who)
		}
		time.Sleep(5 * time.Second)
		g.ask(t, "carol")
		time.Sleep(26 * time.Second)
		if g.ask(t, "alice") {
			t.Error("the script ran for alice while it is aside for all")
		}
		if got := g.told(); got != "f.star aside alice, f.star aside __global__" {
			t.Errorf("the log says %q", got)
		}
		if asides := g.slot.Guard.Standing.Asides(); len(asides) != 1 || asides[0].Principal != engine.GlobalPrincipal {
			t.Errorf("the status says %v", asides)
		}
		time.Sleep(5 * time.Second)
		if got := g.told(); got != "f.star aside alice, f.star aside __global__, f.star back __global__" {
			t.Errorf("the log says %q", got)
		}
	})
}

func TestWhatIsNoOverrunPutsNothingAside(t *testing.T) {
	for name, err := range map[string]error{
		"an ordinary error":    &engine.FilterError{Cause: &engine.ScriptError{File: "f.star", Line: 1, Message: "no such key"}},
		"invalid output":       &engine.FilterError{Cause: &engine.OutputError{Variant: engine.OutputShape, Reason: "1"}},
		"memory others hold":   overrun(engine.BudgetTotalMemory),
		"no error of a script": errors.New("odd"),
	} {
		inBubble(t, func(*engine.RequestContext) error { return err }, func(t *testing.T, g *guarded) {
			for range 50 {
				if !g.ask(t, "alice") {
					t.Fatalf("%s put the script aside", name)
				}
			}
			if m, s := g.slot.Meter.Overruns.Load(), g.slot.Guard.Standing.Overruns.Load(); m != 0 || s != 0 {
				t.Errorf("%s is %d overruns of the slot, %d of the script", name, m, s)
			}
		})
	}
	inBubble(t, func(*engine.RequestContext) error { return overrun("time") }, func(t *testing.T, g *guarded) {
		for range 20 {
			if time.Sleep(2600 * time.Millisecond); !g.ask(t, "alice") {
				t.Fatal("four overruns in 10 s put the script aside")
			}
		}
	})
}

func TestAnAsideOutlivesAReloadAndEndsWithAnEdit(t *testing.T) {
	inBubble(t, func(*engine.RequestContext) error { return overrun("time") }, func(t *testing.T, g *guarded) {
		for range 5 {
			g.ask(t, "alice")
		}
		if g.version("1"); g.ask(t, "alice") {
			t.Error("a reload that changed nothing brought the script back")
		}
		if g.version("2"); !g.ask(t, "alice") {
			t.Error("an edit did not bring the script back")
		}
	})
}

// Calls that were under way when a script was put aside for all put it aside for nobody beside.
func TestAnAsideForAllCoversCallsThatWereUnderWay(t *testing.T) {
	var end chan struct{} // of the bubble
	inBubble(t, func(r *engine.RequestContext) error {
		if r.Path == "/late" {
			<-end
		}
		return overrun("time")
	}, func(t *testing.T, g *guarded) {
		end, g.slot.Guard.Budget.Time = make(chan struct{}), time.Minute
		in := candidates(t, g.world)
		var late sync.WaitGroup
		for range 5 {
			late.Go(func() {
				x := &engine.Exchange{Principal: &engine.Principal{Name: "dave"}, Request: &engine.RequestContext{Path: "/late"}}
				_, _ = g.generation.Filter(x, in)
			})
		}
		synctest.Wait()
		for _, who := range []string{"alice", "bob", "alice", "bob", "carol"} {
			g.ask(t, who)
		}
		time.Sleep(15 * time.Second) // theirs are all the overruns of late then
		close(end)
		late.Wait()
		if got := g.told(); got != "f.star aside __global__" {
			t.Errorf("the log says %q", got)
		}
	})
}

// The log is about the version that serves: one that was edited meanwhile does not run again, and one that comes back aside is told to be.
func TestTheLogIsAboutTheVersionThatServes(t *testing.T) {
	inBubble(t, func(*engine.RequestContext) error { return overrun("time") }, func(t *testing.T, g *guarded) {
		for range 5 {
			g.ask(t, "alice")
		}
		g.version("2")
		time.Sleep(20 * time.Second)
		g.version("1")
		g.version("1")
		if got := g.told(); got != "f.star aside alice, f.star aside alice" {
			t.Errorf("the log says %q", got)
		}
		g.version("3")
		time.Sleep(time.Minute)
		if got := g.told(); got != "f.star aside alice, f.star aside alice" {
			t.Errorf("the log says %q", got)
		}
	})
}

func TestAScriptPutAsideFailsByItsRule(t *testing.T) {
	inBubble(t, func(*engine.RequestContext) error { return overrun("time") }, func(t *testing.T, g *guarded) {
		for range 5 {
			g.ask(t, "alice")
		}
		g.principal = &engine.Principal{Name: "alice"}
		if got := g.serve(t); got != "a" {
			t.Errorf("on_error open answered %q", got)
		}
		g.slot.Policy = engine.FailClosed
		if r := g.refusal(t); r.Code != engine.CodeFilterFailed {
			t.Errorf("on_error closed: %v", r)
		}
		if n, aside := g.slot.Meter.Calls.Load(), g.slot.Meter.Aside.Load(); n != 5 || aside != 2 {
			t.Errorf("%d calls and %d that were not made, want 5 and 2", n, aside)
		}
	})
}

// recalling is a filter that remembers to keep nothing.
type recalling struct{ *scripted }

func (recalling) Recall(*engine.RequestContext, *engine.Principal, []engine.UpstreamCandidate) (engine.FilterOutput, bool) {
	return engine.FilterOutput{Reason: "remembered"}, true
}

func TestAScriptPutAsideIsNotAskedWhatItRemembers(t *testing.T) {
	inBubble(t, func(*engine.RequestContext) error { return overrun("time") }, func(t *testing.T, g *guarded) {
		g.principal = &engine.Principal{Name: "alice"}
		for range 5 {
			g.ask(t, "alice")
		}
		g.slot.Filter = recalling{g.filter}
		if got := g.serve(t); got != "a" {
			t.Errorf("on_error open answered %q", got)
		}
		g.version("2")
		if r := g.refusal(t); r.Code != engine.CodeNoUpstreamAfterFilter {
			t.Errorf("after an edit: %v, want what the filter remembers", r)
		}
	})
}

func TestACallThatDoesNotEndIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var seen engine.RequestContext
		var edited atomic.Bool
		g := newGuarded(t, func(ctx *engine.RequestContext) error {
			if !edited.Load() {
				<-release
				seen = *ctx
			}
			return nil
		})
		start := time.Now()
		if got := g.serve(t); got != "a" {
			t.Errorf("answered %q", got)
		}
		if took := time.Since(start); took > 150*time.Millisecond { // of the bubble's clock
			t.Errorf("the request waited %v for a budget of 50 ms", took)
		}
		if e := g.exchange.Trace.Errors; len(e) != 1 || e[0].Kind != engine.InternalTrap || !strings.Contains(e[0].Message, "was left behind") {
			t.Errorf("trace: %+v", e)
		}
		standing := g.slot.Guard.Standing
		time.Sleep(time.Second)
		for _, when := range []time.Duration{0, time.Minute, 24 * time.Hour} {
			time.Sleep(when)
			if g.ask(t, "bob") {
				t.Errorf("the script was started again after %v", when)
			}
		}
		if standing.Abandoned.Load() != 1 || standing.Stuck.Load() != 1 {
			t.Errorf("%d abandoned, %d stuck", standing.Abandoned.Load(), standing.Stuck.Load())
		}
		edited.Store(true)
		g.version("2")
		if !g.ask(t, "bob") {
			t.Error("an edit did not bring the script back")
		}
		if g.version("1"); g.ask(t, "bob") {
			t.Error("going back to the stuck version started it again")
		}
		close(release)
		synctest.Wait()
		if seen.Attempt != 0 || seen.Vitals != nil {
			t.Errorf("the call that was left behind saw what its request did later: attempt %d", seen.Attempt)
		}
		if standing.Stuck.Load() != 0 || g.ask(t, "bob") {
			t.Error("the script is back, though its call ended a day late")
		}
	})
}

func TestACallThatIsOnlyLateIsAnOverrun(t *testing.T) {
	inBubble(t, func(*engine.RequestContext) error { time.Sleep(400 * time.Millisecond); return nil }, func(t *testing.T, g *guarded) {
		for i, runs := range []bool{true, true, false} {
			if g.ask(t, "alice") != runs {
				t.Errorf("call %d: ran %v, want %v: two may be left behind at once, and no more", i, !runs, runs)
			}
		}
		time.Sleep(time.Second)
		for range 3 {
			if !g.ask(t, "alice") {
				t.Error("the script is not back after its calls ended")
			}
			time.Sleep(time.Second)
		}
		if s := g.slot.Guard.Standing; s.Overruns.Load() != 5 || s.Abandoned.Load() != 0 || s.Stuck.Load() != 0 {
			t.Errorf("%d overruns, %d abandoned, %d stuck, want 5, 0, 0", s.Overruns.Load(), s.Abandoned.Load(), s.Stuck.Load())
		}
		if g.ask(t, "alice") {
			t.Error("five late calls did not put the script aside")
		}
	})
}

// workers is how many goroutines of crews there are, those that other tests left behind among them.
func workers() int {
	stacks := make([]byte, 16<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "engine.(*Crew).work(")
}

func TestWhoWasNeededForManyCallsAtOnceIsLetGo(t *testing.T) {
	const calls = 20
	var all chan struct{} // of the bubble
	inBubble(t, func(*engine.RequestContext) error { <-all; return nil }, func(t *testing.T, g *guarded) {
		all = make(chan struct{})
		in, before := candidates(t, g.world), workers()
		var wait sync.WaitGroup
		for range calls {
			wait.Go(func() {
				x := &engine.Exchange{Principal: &engine.Principal{Name: "alice"}, Request: &engine.RequestContext{Path: "/v1/messages"}}
				_, _ = g.generation.Filter(x, in)
			})
		}
		synctest.Wait()
		close(all)
		wait.Wait()
		if n := workers() - before; n < calls {
			t.Fatalf("%d workers more right after %d calls at once: they did not run at once, or wait for none", n, calls)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := workers() - before; n > 2 {
			t.Errorf("%d workers more after a while without a call, want at most 2", n)
		}
		if !g.ask(t, "alice") {
			t.Error("the next call did not run")
		}
	})
}

// asOf is what is explained where that has been the most as well.
func asOf(explained *atomic.Int64) func() (now, most int64) {
	return func() (now, most int64) { return explained.Load(), explained.Load() }
}

// collected has the process collect all that was let go before.
func collected() {
	for range 4 {
		runtime.GC()
	}
}

func TestTheCallThatRunsLongestIsBlamedForTheProcesssMemory(t *testing.T) {
	var explained atomic.Int64
	do := func(*engine.RequestContext) error {
		for range 4 {
			time.Sleep(60 * time.Millisecond)
			collected()
		}
		return nil
	}
	inBubble(t, do, func(t *testing.T, g *guarded) {
		g.slot.Guard.Budget.Time = time.Minute
		explained.Store(1 << 50)
		holds := func(script string) int64 { return int64(len(script)) }
		g.crew.Heap.Store(&engine.HeapWatch{Explained: asOf(&explained), Holds: holds, Log: func(line string) { t.Error(line) }})
		for range 2 {
			if !g.ask(t, "alice") {
				t.Fatal("the script was put aside though all memory is explained")
			}
		}
		time.AfterFunc(30*time.Millisecond, func() { explained.Store(-1 << 30) })
		g.ask(t, "alice")
		if g.ask(t, "bob") {
			t.Error("the script was not put aside")
		}
		if got := g.told(); got != "f.star aside __global__" {
			t.Errorf("the log says %q", got)
		}
		explained.Store(1 << 50)
		time.Sleep(31 * time.Second)
		if !g.ask(t, "bob") {
			t.Error("the script is not back")
		}
		time.Sleep(31 * time.Second)
	})
}

// blames has one call run while the process holds more than is explained, which nobody saw before, and reports whether it is blamed. What the call
// lets be are collections, with a look after each.
func blames(t *testing.T, call func(let func(collections int))) (blamed bool) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it collects when it is told to
	let := func(collections int) {
		for range collections {
			runtime.GC()
			time.Sleep(60 * time.Millisecond)
		}
	}
	var explained atomic.Int64
	do := func(*engine.RequestContext) error {
		if explained.Load() < 0 {
			time.Sleep(60 * time.Millisecond)
			call(let)
		}
		return nil
	}
	inBubble(t, do, func(t *testing.T, g *guarded) {
		g.slot.Guard.Budget.Time = time.Minute
		g.crew.Heap.Store(&engine.HeapWatch{Explained: asOf(&explained), Holds: func(string) int64 { return 1 }, Log: func(string) {}})
		g.ask(t, "alice")
		time.Sleep(2 * time.Second) // the watch ends
		explained.Store(-1 << 30)
		g.ask(t, "alice")
		blamed = g.told() != ""
		time.Sleep(31 * time.Second)
	})
	return blamed
}

func TestWhoIsBlamedForTheProcesssMemory(t *testing.T) {
	var held []byte
	defer func() { runtime.KeepAlive(held) }()
	for name, test := range map[string]struct {
		before int // MiB that are held when the call begins
		call   func(let func(collections int))
		blamed bool
	}{
		"what came before it began, while nobody looked": {64, func(let func(int)) { let(4) }, false},
		"what came after it began": {0, func(let func(int)) {
			held = make([]byte, 64<<20)
			let(4)
		}, true},
		"what came after more had gone": {128, func(let func(int)) {
			held = nil
			let(1)
			held = make([]byte, 64<<20)
			let(4)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			held = make([]byte, test.before<<20)
			runtime.GC()
			if blamed := blames(t, test.call); blamed != test.blamed {
				t.Errorf("blamed: %v, want %v", blamed, test.blamed)
			}
		})
	}
}

// A call that was left behind, and takes memory still, is blamed before any that runs.
func TestACallThatWasLeftBehindIsBlamed(t *testing.T) {
	var explained atomic.Int64
	do := func(*engine.RequestContext) error {
		time.Sleep(205 * time.Millisecond)
		explained.Store(-1 << 30)
		for range 8 {
			time.Sleep(60 * time.Millisecond)
			runtime.GC()
		}
		return nil
	}
	inBubble(t, do, func(t *testing.T, g *guarded) {
		explained.Store(1 << 50)
		g.crew.Heap.Store(&engine.HeapWatch{Explained: asOf(&explained), Holds: func(string) int64 { return 1 }, Log: func(line string) { t.Error(line) }})
		older := newGuarded(t, func(*engine.RequestContext) error {
			time.Sleep(time.Second)
			return nil
		})
		older.slot.Guard = &engine.Guard{Crew: g.crew, Standing: g.standings.For("older.star", "1"), Budget: engine.Budget{Time: time.Minute}}
		go older.ask(t, "bob")
		synctest.Wait()
		time.Sleep(time.Millisecond)
		if !g.ask(t, "alice") || explained.Load() < 0 {
			t.Fatal("the call was not left behind")
		}
		time.Sleep(450 * time.Millisecond)
		if got := g.told(); got != "f.star aside __global__" {
			t.Errorf("the log says %q", got)
		}
		time.Sleep(time.Minute)
	})
}

// What was explained counts until it is collected: three collections after it was let go, which may be after all those of a moment.
func TestNobodyIsBlamedForWhatMayNotBeCollectedYet(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it collects when it is told to
	var explained atomic.Int64
	const look = 60 * time.Millisecond
	let := func(collections int) {
		for range collections {
			runtime.GC()
			time.Sleep(look)
		}
	}
	for name, test := range map[string]struct {
		call   func()
		blamed bool
	}{
		"after two collections":         {func() { explained.Store(-1 << 30); time.Sleep(look); let(2) }, false},
		"after three":                   {func() { explained.Store(-1 << 30); time.Sleep(look); let(3) }, true},
		"right after those of a moment": {func() { collected(); explained.Store(-1 << 30); time.Sleep(look); let(2) }, false},
		"and after three more":          {func() { collected(); explained.Store(-1 << 30); time.Sleep(look); let(3) }, true},
		"it rose again meanwhile, and fell": {func() {
			explained.Store(-1 << 30)
			let(2)
			explained.Store(1 << 50)
			let(1)
			explained.Store(-1 << 30)
			let(2)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			explained.Store(1 << 50)
			do := func(*engine.RequestContext) error { time.Sleep(look); test.call(); return nil }
			inBubble(t, do, func(t *testing.T, g *guarded) {
				g.slot.Guard.Budget.Time = time.Minute
				g.crew.Heap.Store(&engine.HeapWatch{Explained: asOf(&explained), Holds: func(string) int64 { return 1 }, Log: func(string) {}})
				collected()
				g.ask(t, "alice")
				if blamed := strings.Contains(g.told(), "aside"); blamed != test.blamed {
					t.Errorf("blamed: %v, want %v", blamed, test.blamed)
				}
				time.Sleep(31 * time.Second)
			})
		})
	}
}

// What the process came to hold while no call ran is no call's.
func TestACallIsNotBlamedForWhatWasThereBefore(t *testing.T) {
	inBubble(t, func(*engine.RequestContext) error { time.Sleep(200 * time.Millisecond); return nil }, func(t *testing.T, g *guarded) {
		g.slot.Guard.Budget.Time = time.Minute
		var told, explained atomic.Int64
		g.crew.Heap.Store(&engine.HeapWatch{Explained: asOf(&explained), Holds: func(string) int64 { return 1 },
			Log: func(string) { told.Add(1) }})
		g.ask(t, "alice")
		explained.Store(-1 << 30)
		g.ask(t, "alice")
		collected()
		for range 3 {
			if !g.ask(t, "alice") {
				t.Fatal("the script was put aside")
			}
		}
		if n := told.Load(); n != 1 {
			t.Errorf("the log tells %d times that nobody is to blame, want once", n)
		}
	})
}

// A call that takes long and holds nothing is not what the process waits for.
func TestAScriptThatHoldsNothingIsNotBlamedForTheProcesssMemory(t *testing.T) {
	inBubble(t, func(*engine.RequestContext) error { time.Sleep(200 * time.Millisecond); return nil }, func(t *testing.T, g *guarded) {
		g.slot.Guard.Budget.Time = time.Minute
		var told atomic.Int64
		var explained atomic.Int64
		g.crew.Heap.Store(&engine.HeapWatch{Explained: asOf(&explained), Holds: func(string) int64 { return 0 }, Log: func(line string) {
			told.Add(1)
			if !strings.Contains(line, "no script that runs and holds any began before: none is put aside") {
				t.Errorf("the log says %q", line)
			}
		}})
		g.ask(t, "alice")
		explained.Store(-1 << 30)
		g.ask(t, "alice")
		collected()
		for range 3 {
			if !g.ask(t, "alice") {
				t.Fatal("the script was put aside though it holds nothing")
			}
		}
		if n := told.Load(); n != 1 {
			t.Errorf("the log tells %d times that nobody is to blame, want once", n)
		}
		explained.Store(1 << 50)
		g.ask(t, "alice")
		explained.Store(-1 << 30)
		g.ask(t, "alice")
		collected()
		g.ask(t, "alice")
		if n := told.Load(); n != 2 {
			t.Errorf("the log tells %d times, want once more after all was explained", n)
		}
	})
}

// Whoever writes more memory than there is where no bound is meant has no script blamed for it.
func TestNobodyIsBlamedWhereAllMemoryIsAllowed(t *testing.T) {
	inBubble(t, func(*engine.RequestContext) error { time.Sleep(100 * time.Millisecond); return nil }, func(t *testing.T, g *guarded) {
		g.slot.Guard.Budget.Time = time.Minute
		g.crew.Heap.Store(&engine.HeapWatch{Explained: func() (now, most int64) { return 1 << 62, 1 << 62 }})
		for range 2 {
			if !g.ask(t, "alice") {
				t.Fatal("the script was put aside")
			}
		}
	})
}

// A call that may take for ever by its budget, and a long body, is not left behind at once.
func TestABudgetOfYearsIsNoShortOne(t *testing.T) {
	inBubble(t, func(*engine.RequestContext) error { time.Sleep(time.Second); return nil }, func(t *testing.T, g *guarded) {
		g.slot.Guard.Budget = engine.Budget{Time: math.MaxInt64}
		g.ask(t, "alice")
		if e := g.exchange.Trace.Errors; len(e) != 0 {
			t.Errorf("the trace tells of %+v", e)
		}
	})
}

func TestACallThatRunsWhenItsCrewClosesLeavesNoGoroutine(t *testing.T) {
	inBubble(t, func(*engine.RequestContext) error { time.Sleep(10 * time.Millisecond); return nil }, func(t *testing.T, g *guarded) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			g.ask(t, "alice")
		}()
		synctest.Wait()
		crew := g.crew
		g.crew = nil
		crew.Close()
		<-done
	})
}

// An edit within the moment in which a call may still end does not make that version a new one.
func TestGoingBackToWhatCouldNotBeStoppedDoesNotStartIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		g := newGuarded(t, func(*engine.RequestContext) error { <-release; return nil })
		if !g.ask(t, "alice") {
			t.Fatal("the script did not run")
		}
		g.version("2")
		time.Sleep(time.Second)
		if g.version("1"); g.ask(t, "alice") {
			t.Error("a version whose call could not be stopped runs again")
		}
		close(release)
		time.Sleep(time.Second)
	})
}

// observing is an observer that does what it is told.
type observing func() error

func (f observing) Observe(engine.ObserveEvent) error { return f() }

func TestAnObserverThatDoesNotEndHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, meter, crew := make(chan struct{}), &engine.Meter{}, engine.NewCrew()
		defer crew.Close()
		standing := new(engine.Standings).For("o.lua", "1")
		feed := engine.NewFeed([]*engine.ObserverSlot{{Observer: observing(func() error { <-release; return nil }), Meter: meter,
			Guard: &engine.Guard{Crew: crew, Standing: standing, Budget: engine.Budget{Time: 50 * time.Millisecond}}}})
		for range 100 {
			feed.Emit(engine.RequestStarted{})
		}
		feed.Close() // which the end of a process waits for
		if n := meter.Dropped.Load(); n != 100 {
			t.Errorf("%d events were missed, want all", n)
		}
		if calls, aside := meter.Calls.Load(), meter.Aside.Load(); calls != 2 || aside != 98 {
			t.Errorf("%d calls and %d that were not made", calls, aside)
		}
		close(release)
		synctest.Wait()
	})
}

// erring is a dialect that never gets to an end.
type erring struct{ engine.Passthrough }

func (erring) NormalizeError(_ int, _ engine.Headers, body []byte) (*engine.NormalizedError, error) {
	time.Sleep(time.Second)
	return &engine.NormalizedError{Body: body}, nil
}

// A stream may have any number of error events, and each may be one that the dialect fails on.
func TestARowTellsOfSoManyFailuresOnly(t *testing.T) {
	w := newWorld(t, upstreamNamed("a"))
	w.generation.Upstreams[0].Dialect = &engine.DialectSlot{Dialect: declining{}, Script: "d.star", Meter: &engine.Meter{}}
	w.transport = func(context.Context, engine.Signed) (*engine.Response, error) { return answer(200, "whole"), nil }
	a, err := w.try()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	for i := range 1000 {
		if got := a.NormalizeEvent(w.exchange, []byte(strconv.Itoa(i))); got != nil {
			t.Fatalf("event %d became %q", i, got)
		}
	}
	all := w.exchange.Trace.Errors
	if len(all) > 100 || !strings.HasSuffix(all[0].Message, "no 0") || !strings.HasSuffix(all[len(all)-1].Message, "no 999") {
		t.Errorf("%d failures, from %q to %q, want a few of the first and the last", len(all), all[0].Message, all[len(all)-1].Message)
	}
}

// declining is a dialect that takes no error.
type declining struct{ engine.Passthrough }

func (declining) NormalizeError(_ int, _ engine.Headers, body []byte) (*engine.NormalizedError, error) {
	return nil, &engine.DialectError{Variant: engine.DialectUnsupportedRequest, Reason: "no " + string(body)}
}

func TestAnErrorThatIsNotNormalizedInTimePassesAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, crew := newWorld(t, upstreamNamed("a")), engine.NewCrew()
		defer crew.Close()
		w.generation.Upstreams[0].Dialect = &engine.DialectSlot{Dialect: erring{}, Script: "d.star", Meter: &engine.Meter{},
			Guard: &engine.Guard{Crew: crew, Standing: new(engine.Standings).For("d.star", "1"), Budget: engine.Budget{Time: 50 * time.Millisecond}}}
		w.transport = func(context.Context, engine.Signed) (*engine.Response, error) { return answer(400, "original"), nil }
		if got := w.serve(t); got != "original" {
			t.Errorf("answered %q", got)
		}
		time.Sleep(2 * time.Second)
	})
}

func TestAPanicOfAPluginIsATrap(t *testing.T) {
	inBubble(t, func(*engine.RequestContext) error { panic("planted-secret") }, func(t *testing.T, g *guarded) {
		g.ask(t, "alice")
		e := g.exchange.Trace.Errors
		if len(e) != 1 || e[0].Kind != engine.InternalTrap || strings.Contains(e[0].Message+strings.Join(e[0].Stack, ""), "planted") {
			t.Errorf("trace: %+v", e)
		}
		for range 4 {
			g.ask(t, "alice")
		}
		if g.ask(t, "alice") {
			t.Error("five panics did not put the script aside")
		}
	})
}

func TestAGuardedCallAllocatesNothing(t *testing.T) {
	g := newGuarded(t, func(*engine.RequestContext) error { return nil })
	x := &engine.Exchange{Principal: g.principal, Request: &engine.RequestContext{Path: "/v1/messages", Now: time.Now()}}
	candidates, err := g.generation.Candidates(x)
	if err != nil {
		t.Fatal(err)
	}
	measure := func() float64 {
		return testing.AllocsPerRun(500, func() {
			x.Trace.Stages = x.Trace.Stages[:0]
			g.generation.Filter(x, candidates)
		})
	}
	guarded := measure()
	g.slot.Guard = nil
	if bare := measure(); guarded > bare+0.5 { // a collection may empty a pool
		t.Errorf("%v allocations with a guard, %v without", guarded, bare)
	}
}
