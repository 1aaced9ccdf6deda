package lua_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes/lua"
)

// pieces is how often work is called by a top level and by a call of slow, each time with a look at the clock behind it.
const pieces = 9

// slow is a filter whose top level and whose calls do work, in pieces, which is told of what.
func slow(t *testing.T, m *engine.PluginManifest, work func(of string)) func(id string, w engine.Watch) error {
	t.Helper()
	m.Files = files{"s.lua": `local function work(of)
  for i = 1, 9 do
    log(of)
    for j = 1, 300 do end
  end
end
work("top level")
function filter(ctx, principal, candidates)
  if ctx.request_id == "error" then error("as asked") end
  work("call")
  return candidates
end`}.snapshot()
	m.Log = func(_ string, _ int, of string) { work(of) }
	f := filterFrom(t, m)
	return func(id string, w engine.Watch) error {
		r := request()
		r.RequestID, r.Watch = id, w
		_, err := f.Filter(r, principal(), candidates(upstreams(3)))
		return err
	}
}

func spin(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

// An error ends a state, and the next call starts one. Its own time begins when that is done.
func TestACallThatStartsAStateHasAllOfItsTime(t *testing.T) {
	const budget = 600 * time.Millisecond
	m := manifest(nil, nil)
	m.Budget = engine.Budget{Time: budget}
	ask := slow(t, m, func(string) { spin(budget * 7 / 10 / pieces) })
	if err := ask("error", nil); err == nil || !strings.Contains(err.Error(), "as asked") {
		t.Fatalf("got %v, want the error that it asks for", err)
	}
	if err := ask("r1", nil); err != nil {
		t.Error(err)
	}
}

// lending is a watch that adds up how much later a call may end.
type lending struct {
	inLine
	lent time.Duration
}

func (w *lending) Resume(later time.Duration) { w.lent += later }

func (w *lending) Pause() bool { return true }

// Who watches the call gives it the time of the top level beside its own, and no more.
func TestAWatchWaitsForAStateToBeStarted(t *testing.T) {
	const budget = time.Minute
	var w *lending
	lent := make(map[string]time.Duration)
	m := manifest(nil, nil)
	m.Budget = engine.Budget{Time: budget}
	ask := slow(t, m, func(of string) {
		if w != nil {
			lent[of] = w.lent
		}
	})
	_ = ask("error", nil)
	w = new(lending)
	if err := ask("r1", w); err != nil {
		t.Fatal(err)
	}
	if top, call := lent["top level"], lent["call"]; top < budget || call >= budget {
		t.Errorf("the top level has %v, the call is left %v, want %v and less", top, call, budget)
	}
}

// A process that starts gives the top level of what has served more time than a call. So does a call that has to start a state then.
func TestAStateIsStartedThoughThatTakesLongerThanACallMay(t *testing.T) {
	m := manifest(files{"s.lua": `local n = 0
for i = 1, 100000 do n = n + i % 7 end
function filter(ctx, principal, candidates)
  if ctx.request_id == "error" then error("as asked") end
  return candidates
end`}, nil)
	m.Budget = engine.Budget{}
	began := time.Now()
	filterFrom(t, m)
	m.Budget.Time, m.Restart = time.Since(began)/3, true
	f := filterFrom(t, m)
	r := request()
	r.RequestID = "error"
	_, _ = f.Filter(r, principal(), candidates(upstreams(3)))
	if _, err := f.Filter(request(), principal(), candidates(upstreams(3))); err != nil {
		t.Error(err)
	}
}

// With isolation: call each call runs the top level, once.
func TestAFreshCallRunsTheTopLevelOnce(t *testing.T) {
	runs := 0
	m := manifest(nil, nil)
	m.Fresh = true
	ask := slow(t, m, func(of string) {
		if of == "top level" {
			runs++
		}
	})
	_ = ask("r1", nil)
	_ = ask("error", nil)
	runs = 0
	for _, when := range []string{"after an error", "then"} {
		if err := ask("r1", nil); err != nil || runs != pieces {
			t.Errorf("%s: %v, the top level ran %d times, want once", when, err, runs/pieces)
		}
		runs = 0
	}
}

// An observer, and a dialect that normalizes an error, get no context that tells who watches them. They wait for a state as others do.
func TestObserversAndErrorsWaitForAStateAsWell(t *testing.T) {
	const each = 20
	var mu sync.Mutex
	var held sync.WaitGroup
	loads := 0
	m := manifest(files{"s.lua": `local rows = {}
for i = 1, 20000 do rows[i] = {i, {i}, {a = i}} end
log("top level")
function observe(event) log("call") end
function normalize_error(status, body, headers) log("call") end`}, nil)
	m.Budget = engine.Budget{Memory: 40 << 20}
	m.Log = func(_ string, _ int, of string) {
		mu.Lock()
		defer mu.Unlock()
		if of == "top level" {
			loads++
		}
	}
	rt := lua.New()
	observe, err := rt.InstantiateObservability(m)
	if err != nil {
		t.Fatal(err)
	}
	normalize, err := rt.InstantiateDialect(m)
	if err != nil {
		t.Fatal(err)
	}
	for range each {
		held.Go(func() {
			o := observe.(engine.WatchedObserver).WatchedBy(&inLine{waits: make(chan struct{})})
			if err := o.Observe(engine.RequestStarted{}); err != nil {
				t.Error(err)
			}
		})
		held.Go(func() {
			d := normalize.(engine.WatchedDialect).WatchedBy(&inLine{waits: make(chan struct{})})
			if _, err := d.NormalizeError(500, nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	held.Wait()
	if loads > each/2 {
		t.Errorf("the top level ran %d times for %d calls, want them to wait", loads, 2*each)
	}
}
