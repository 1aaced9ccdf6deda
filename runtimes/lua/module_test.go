package lua_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes"
	"sluice/runtimes/lua"
)

func load(t testing.TB, f files, config *engine.Object) runtimes.Module {
	t.Helper()
	m, err := lua.New().Load(f.snapshot(), "s.lua", config, engine.Budget{Time: 10 * time.Second, Steps: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAModuleTellsWhatItDefines(t *testing.T) {
	t.Parallel()
	m := load(t, files{
		"s.lua": `local lib = require("lib.x")
plugin = { name = "p", events = {"chunk"} }
test_config = { max = 5, list = {1, 2} }
zeta = lib.borrowed

function filter(ctx, principal, candidates) end
local function hidden() end
function drop(ctx, ...) end
function alpha() end
alias = ipairs
function alpha(a) end
later = 5
`,
		"lib/x.lua": "require('lib.y')\nfunction borrowed(a, b) end",
		"lib/y.lua": "",
	}, nil)
	if got, want := fmt.Sprint(m.Functions()), "[{zeta 2 4 0} {filter 3 6 0} {drop 2 8 0} {alpha 1 11 0}]"; got != want {
		t.Errorf("functions %s, want %s", got, want)
	}
	if got := strings.Join(m.Files(), " "); got != "s.lua lib/x.lua lib/y.lua" {
		t.Errorf("files %s", got)
	}
	for name, want := range map[string]runtimes.Kind{"plugin": runtimes.Map, "later": runtimes.Int, "filter": runtimes.Own} {
		if v, ok := m.Global(name); !ok || v.Kind != want {
			t.Errorf("global %s is %v, %v", name, v.Kind, ok)
		}
	}
	for _, name := range []string{"nope", "hidden", "ipairs", "config", "_G", "$concat"} {
		if _, ok := m.Global(name); ok {
			t.Errorf("global %s is there", name)
		}
	}
	v, _ := m.Global("test_config")
	o, err := runtimes.ToObject(v)
	if err != nil || o.Len() != 2 {
		t.Errorf("test_config %v, %v", o, err)
	}
}

func TestTestsRun(t *testing.T) {
	t.Parallel()
	config := &engine.Object{}
	config.Set("max_utilization", 0.5)
	m := load(t, files{"s.lua": headroom + `
function test_keeps_all_when_none_has_room(t)
  local full = t:candidate("a", { quotas = { ["5h"] = 0.99 } })
  t:eq(#filter(t:ctx(), t:principal(), { full }).keep, 1)
end
function test_drops(t)
  local a, b = t:candidate("a", { quotas = { ["5h"] = 0.6 } }), t:candidate("b", { quotas = { ["5h"] = 0.1 } })
  local out = filter(t:ctx{ model = "m" }, t:principal(), { a, b })
  t:eq(out.keep, { b })
  t:eq(out.reason, "5h window below 50%")
  t:ok(out.keep[1] == b)
  t:fails(function() error("boom") end, "boom")
  t:fails(function() return b.nope end, "has no field")
  t:eq(t:ctx{ model = "m" }.model, "m")
end
function test_fails(t)
  t:eq(1, 1)
  t:eq({1, {a = 2}}, {1, {a = 3}})
end
function test_unfailing(t)
  t:fails(function() end)
end
function test_dot(t)
  t.eq(1, 1)
end
function test_loops(t)
  t:fails(function() while true do end end)
end
`}, config)
	f := func(name, want string) {
		t.Helper()
		err := m.Test(name)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	f("test_keeps_all_when_none_has_room", "")
	f("test_drops", "")
	f("test_fails", `s.lua:26: eq: [1, {"a": 2}] is not [1, {"a": 3}]`)
	f("test_drops", "")
	f("test_unfailing", `s.lua:29: fails: the function returned, want an error`)
	f("test_dot", `s.lua:32: eq is a method, want t:eq(…)`)
	f("test_loops", `s.lua:35: the call took more steps than budgets.steps: 1000000`)
	f("test_none", `s.lua: defines no function "test_none"`)
}

func TestLoadIsBounded(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		_, err := lua.New().Load(files{"s.lua": src}.snapshot(), "s.lua", nil, engine.Budget{Steps: 10_000})
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %q", src, err, want)
		}
	}
	f(`while true do end`, "load failed: s.lua:1: the call took more steps than budgets.steps: 10000")
	f(`pcall(function() while true do end end)`, "load failed: s.lua:1: the call took more steps than budgets.steps: 10000")
	f("\nctx.model = 1", "load failed: s.lua:2: attempt to index a non-table object(nil) with key 'model'; undefined: ctx")
}

func TestAdmissionTakesLuaScripts(t *testing.T) {
	t.Parallel()
	src := files{"s.lua": headroom + "\nfunction test_one(t) t:eq(1, 1) end\n"}
	a := &runtimes.Admission{Language: lua.New(), Files: src.snapshot(), Path: "s.lua", Budget: engine.Budget{Time: time.Second, Steps: 1_000_000},
		Bindings: []runtimes.Binding{{Slot: engine.SlotFilter, Manifest: manifest(src, upstreams(2))}}}
	if got := a.Admit(); len(got.Errors) > 0 || got.Tests != 1 {
		t.Errorf("%d tests, errors %v", got.Tests, got.Errors)
	}
}
