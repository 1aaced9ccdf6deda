package lua_test

import (
	"errors"
	"testing"
	"time"

	"sluice/engine"
)

func TestBudgetsEndACall(t *testing.T) {
	t.Parallel()
	f := func(body, budget, want string) {
		t.Helper()
		m := manifest(files{"s.lua": "function filter(ctx, principal, candidates)\ndo " + body + " end return candidates end"}, nil)
		switch budget {
		case "steps":
			m.Budget = engine.Budget{Steps: 10_000}
		case "time":
			m.Budget = engine.Budget{Time: 5 * time.Millisecond}
		}
		_, err := filterFrom(t, m).Filter(request(), principal(), candidates(upstreams(3)))
		if err == nil {
			t.Fatalf("%s: no error", body)
		}
		var trap *engine.FilterError
		e := scriptError(t, err)
		if !errors.As(err, &trap) || trap.Variant != engine.FilterTrap || e.Budget != budget || e.Message != want || e.Line != 2 {
			t.Errorf("%s: %v, variant %v, budget %q at line %d, want %q", body, err, trap.Variant, e.Budget, e.Line, want)
		}
	}
	const steps, spent = "the call took more steps than budgets.steps: 10000", "the call took longer than budgets.time: 5ms"
	for budget, want := range map[string]string{"steps": steps, "time": spent} {
		f(`while true do end`, budget, want)
		f(`for i = 1, 1e18 do end`, budget, want)
		f(`while true do pcall(function() while true do end end) end`, budget, want)
		f(`pcall(function() while true do end end) return candidates`, budget, want)
		f(`xpcall(function() while true do end end, function() while true do end end)`, budget, want)
		f(`::top:: goto top`, budget, want)
		f(`local function f() return f() end f()`, budget, want)
		f(`table.sort({3, 2, 1}, function() while true do end end)`, budget, want)
		f(`("x"):gsub("x", function() while true do end end)`, budget, want)
		f(`local s = ("x"):rep(1e6) while true do local t = s .. s end`, budget, want)
		f(`local s = ("x"):rep(1e6) while true do local t = s:upper() .. "" end`, budget, want)
		f(`return tostring(setmetatable({}, {__tostring = function() while true do end end}))`, budget, want)
		f(`local t = setmetatable({}, {__index = function() while true do end end}) return t.x`, budget, want)
		f(`for _ in pairs(setmetatable({}, {})) do end while true do local t = {1, 2, 3} table.insert(t, 1, 0) end`, budget, want)
		f(`while true do ctx:random() end`, budget, want)
		f(`local s = ("x"):rep(1e6) while true do s:upper() s:lower() s:reverse() end`, budget, want)
		f(`while true do hash(("x"):rep(1e5)) end`, budget, want)
	}
	f(`local t = {} for i = 1, 1500 do t[i] = i * 7919 % 1500 end table.sort(t)`, "steps", steps)
}

func TestAnOverrunThatIsTheLastThingCountsToo(t *testing.T) {
	t.Parallel()
	m := manifest(files{"s.lua": `function filter(ctx, principal, candidates) return pcall(function() while true do end end) end`}, nil)
	m.Budget = engine.Budget{Steps: 10_000}
	_, err := filterFrom(t, m).Filter(request(), principal(), candidates(upstreams(3)))
	if err == nil || scriptError(t, err).Budget != "steps" {
		t.Errorf("error %v, want an overrun", err)
	}
}

func TestEachCallHasItsOwnBudget(t *testing.T) {
	t.Parallel()
	m := manifest(files{"s.lua": `function filter(ctx, principal, candidates) for i = 1, 2000 do end return candidates end`}, nil)
	m.Budget = engine.Budget{Steps: 5000}
	f := filterFrom(t, m)
	for range 10 {
		if _, err := f.Filter(request(), principal(), candidates(upstreams(3))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDropSharesOneBudgetAmongCandidates(t *testing.T) {
	t.Parallel()
	m := manifest(files{"s.lua": `function drop(ctx, principal, candidate) for i = 1, 2000 do end end`}, nil)
	m.Budget = engine.Budget{Steps: 5000}
	_, err := filterFrom(t, m).Filter(request(), principal(), candidates(upstreams(3)))
	if err == nil || scriptError(t, err).Budget != "steps" {
		t.Errorf("error %v, want an overrun", err)
	}
}

func TestABodyEarnsBudgetWhereTheHookWorksOnIt(t *testing.T) {
	t.Parallel()
	src := `function filter(ctx, principal, candidates)
  if ctx.model == "big" then ctx.body:json() end
  for i = 1, 20000 do end
  return candidates
end`
	m := manifest(files{"s.lua": src}, nil)
	m.Budget = engine.Budget{Steps: 10_000, StepsPerMiB: 10_000_000}
	f := filterFrom(t, m)
	r := request()
	r.Body = append(r.Body, make([]byte, 0)...)
	for len(r.Body) < 64<<10 {
		r.Body = append(r.Body, ' ')
	}
	if _, err := f.Filter(r, principal(), candidates(upstreams(1))); err == nil {
		t.Error("without the body: no overrun")
	}
	r.Model = "big"
	if _, err := f.Filter(r, principal(), candidates(upstreams(1))); err != nil {
		t.Errorf("with the body: %v", err)
	}
}
