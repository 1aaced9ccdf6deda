package lua_test

import (
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes/lua"
)

func TestScriptsReachOnlyWhatIsListed(t *testing.T) {
	t.Parallel()
	got, err := eval(t, `
		local out = {}
		for _, name in ipairs{"load", "loadstring", "loadfile", "dofile", "setfenv", "getfenv", "collectgarbage", "newproxy", "_printregs",
			"module", "os", "io", "package", "debug", "coroutine", "channel"} do
			if _G[name] ~= nil then out[#out + 1] = name end
		end
		for _, name in ipairs{"dump", "gfind"} do if string[name] then out[#out + 1] = "string." .. name end end
		if math.randomseed then out[#out + 1] = "math.randomseed" end
		return table.concat(out, " ")`)
	if err != nil || got != "" {
		t.Errorf("reachable: %q, error %v", got, err)
	}
	_, err = eval(t, `return math.random()`)
	if err == nil || !strings.Contains(err.Error(), "want ctx:random()") {
		t.Errorf("math.random: %v", err)
	}
}

func TestNothingThatIsSharedCanBeChanged(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		_, err := eval(t, body)
		if err == nil {
			t.Fatalf("%s: no error", body)
		}
		if got := scriptError(t, err); got.Line != 1 || !strings.Contains(got.Message, want) {
			t.Errorf("%s: line %d %q, want line 1 and %q", body, got.Line, got.Message, want)
		}
	}
	f(`leaked = 1`, `assignment to global "leaked"`)
	f(`_G.leaked = 1`, `assignment to global "leaked"`)
	f(`filter = nil`, `assignment to global "filter"`)
	f(`rawset(_G, "leaked", 1)`, `read-only`)
	f(`rawset(string, "upper", nil)`, `read-only`)
	f(`string.upper = nil`, `string is read-only`)
	f(`math.floor = nil`, `math is read-only`)
	f(`json.decode = nil`, `json is read-only`)
	f(`local _, t = pairs(string) t.upper = nil`, `string is read-only`)
	f(`local _, t = pairs(_G) t.filter = nil`, `assignment to global "filter"`)
	f(`local _, t = pairs(config) t.max_utilization = 1`, `attempt to index`)
	f(`table.insert(string, 1)`, `read-only`)
	f(`table.insert(_G, 1)`, `read-only`)
	f(`table.sort(candidates)`, `read-only`)
	f(`table.remove(ctx.headers:all("anthropic-beta"))`, `read-only`)
	f(`getmetatable("").__index.upper = nil`, `attempt to index`)
	f(`setmetatable(_G, {})`, `protected`)
	f(`setmetatable(string, {})`, `protected`)
	f(`setmetatable("", {})`, `table expected`)
	f(`setmetatable(1, {})`, `table expected`)
	f(`setmetatable(print, {})`, `table expected`)
	f(`setmetatable(ctx, {})`, `table expected`)
	f(`setmetatable(json.decode("[]"), {})`, `protected`)
	f(`getmetatable(json.decode("[]")).x = 1`, `attempt to index`)
	f(`json.null.x = 1`, `attempt to index`)
	f(`config.max_utilization = 1`, `this map is read-only`)
	f(`config.nested.deep[1] = 1`, `this list is read-only`)
	f(`candidates[1] = nil`, `this list is read-only`)
	f(`candidates[1].name = "x"`, `candidate.name is read-only`)
	f(`candidates[1].labels.team = "x"`, `this map is read-only`)
	f(`candidates[1].nmae = "x"`, `candidate has no field "nmae", want name`)
	f(`rawset(ctx, "x", 1)`, `table expected`)
	f(`rawset(candidates[1], "x", 1)`, `table expected`)
}

func TestLibrariesAreWalkedInTheSameOrderInEveryState(t *testing.T) {
	t.Parallel()
	const walk = `local names = {} for _, library in ipairs({string, table, math, json}) do
		for name in pairs(library) do names[#names + 1] = name end end return hash(table.concat(names, " "))`
	first, err := eval(t, walk)
	for range 8 {
		if again, errAgain := eval(t, walk); err != nil || errAgain != nil || again != first {
			t.Fatalf("%q and %q (%v, %v), want the same", first, again, err, errAgain)
		}
	}
}

func TestMetatablesOfTheSandboxAreHidden(t *testing.T) {
	t.Parallel()
	f := func(of, want string) {
		t.Helper()
		got, err := eval(t, "return getmetatable("+of+")")
		if err != nil || got != want {
			t.Errorf("getmetatable(%s) = %q, %v, want %q", of, got, err, want)
		}
	}
	f(`""`, "false")
	f(`_G`, "false")
	f(`string`, "false")
	f(`ctx`, "false")
	f(`candidates`, "false")
	f(`candidates[1]`, "false")
	f(`config`, "false")
	f(`json.null`, "false")
	f(`json.decode("9007199254740993")`, "false")
	f(`json.decode("[]")`, "list")
	f(`{}`, "nil")
	f(`1`, "nil")
}

func TestTopLevelDefinesGlobalsAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	f := filterOf(t, `
limit = 1
limit = limit + 1
local function helper() return limit end
function shown() return tostring(helper()) end
function filter(ctx, principal, candidates) return { keep = candidates, reason = shown() } end
`)
	out, err := f.Filter(request(), principal(), candidates(upstreams(2)))
	if err != nil || out.Reason != "2" {
		t.Fatalf("reason %q, %v", out.Reason, err)
	}
	f = filterOf(t, "function filter(ctx, principal, candidates)\n  local x = 1\n  leaked = principal.name\n  return candidates\nend")
	_, err = f.Filter(request(), principal(), candidates(upstreams(2)))
	want := `s.lua:3: assignment to global "leaked" in a call, want a local`
	if err == nil || scriptError(t, err).Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestOneScriptCannotReachTheGlobalsOfAnother(t *testing.T) {
	t.Parallel()
	m := manifest(files{
		"s.lua": `local x = require("lib.x")
secret = "of s"
function filter(ctx, principal, candidates)
  return { keep = candidates, reason = tostring(x.peek()) .. " " .. tostring(hidden) .. " " .. tostring(rawget(_G, "secret")) }
end`,
		"lib/x.lua": `hidden = 1
local M = {}
function M.peek() return secret end
return M`,
	}, nil)
	f, err := lua.New().InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.Filter(request(), principal(), candidates(upstreams(1)))
	if err != nil || out.Reason != "nil nil of s" {
		t.Errorf("reason %q, %v", out.Reason, err)
	}
}

func TestFileLocalsPersistPerStateAndFreshHasNone(t *testing.T) {
	t.Parallel()
	src := files{
		"s.lua": `local count = 0
local lib = require("lib.count")
function filter(ctx, principal, candidates)
  count = count + 1
  return { keep = candidates, reason = count .. " " .. lib.next() }
end`,
		"lib/count.lua": `local n = 0
function next() n = n + 1 return n end`,
	}
	f := func(fresh bool, want ...string) {
		t.Helper()
		m := manifest(src, nil)
		m.Fresh = fresh
		f, err := lua.New().InstantiateFilter(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			out, err := f.Filter(request(), principal(), candidates(upstreams(1)))
			if err != nil || out.Reason != w {
				t.Errorf("fresh %v: reason %q, %v, want %q", fresh, out.Reason, err, w)
			}
		}
	}
	f(false, "1 1", "2 2", "3 3")
	f(true, "1 1", "1 1", "1 1")
}

func TestAStateIsThrownAwayAfterAnError(t *testing.T) {
	t.Parallel()
	f := filterOf(t, `local count = 0
function filter(ctx, principal, candidates)
  count = count + 1
  if ctx.model == "boom" then error("boom") end
  return { keep = candidates, reason = tostring(count) }
end`)
	ask := func(model string) (engine.FilterOutput, error) {
		r := request()
		r.Model = model
		return f.Filter(r, principal(), candidates(upstreams(1)))
	}
	for _, want := range []string{"1", "2"} {
		if out, err := ask("m"); err != nil || out.Reason != want {
			t.Fatalf("reason %q, %v, want %q", out.Reason, err, want)
		}
	}
	if _, err := ask("boom"); err == nil {
		t.Fatal("no error")
	}
	if out, err := ask("m"); err != nil || out.Reason != "1" {
		t.Errorf("after an error: reason %q, %v, want a new state's 1", out.Reason, err)
	}
}

func TestHostValuesKeptBeyondTheirCallAnswerNothing(t *testing.T) {
	t.Parallel()
	f := func(keep, use, want string) {
		t.Helper()
		f := filterOf(t, `local kept
function filter(ctx, principal, candidates)
  if kept == nil then kept = `+keep+` return candidates end
  do `+use+` end
  return { keep = candidates, reason = "answered" }
end`)
		ups := upstreams(3)
		if _, err := f.Filter(request(), principal(), candidates(ups[:1])); err != nil {
			t.Fatalf("%s: %v", keep, err)
		}
		out, err := f.Filter(request(), principal(), candidates(ups[1:]))
		if err == nil {
			t.Fatalf("%s, then %s: answered %q", keep, use, out.Reason)
		}
		if got := scriptError(t, err); !strings.Contains(got.Message, want) || got.Line != 4 {
			t.Errorf("%s, then %s: line %d %q, want line 4 and %q", keep, use, got.Line, got.Message, want)
		}
	}
	f("ctx", "return kept.model", "ctx was kept from an earlier call")
	f("ctx", "return kept:random()", "ctx was kept from an earlier call")
	f("ctx.random", "return kept(1)", "random is a method, want ctx:random(…)")
	f("ctx.headers", `return kept["user-agent"]`, "headers was kept")
	f("ctx.body", `return kept:get("model")`, "body was kept")
	f("ctx.query", `return kept.beta`, "this map was kept")
	f("ctx.query", `for k in pairs(kept) do return k end`, "this map was kept")
	f("pairs(ctx.query)", "return kept()", "this map was kept")
	f("pairs(ctx.headers)", "return kept()", "headers was kept")
	f("principal", "return kept.name", "principal was kept")
	f("principal.claims", "return kept.team", "this map was kept")
	f("principal.claims.roles", "return kept[1]", "this list was kept")
	f("principal.claims.roles", "return #kept", "this list was kept")
	f("candidates", "return kept[1]", "this list was kept")
	f("candidates", "for _, c in ipairs(kept) do return c end", "this list was kept")
	f("candidates", "return unpack(kept)", "this list was kept")
	f("candidates[1]", "return kept.in_flight", "candidate was kept")
	f("candidates[1]", `return kept:utilization("5h")`, "candidate was kept")
	f("candidates[1].quotas", "return kept[1]", "this list was kept")
	f("candidates[1].quotas[1]", "return kept.status", "quota was kept")
	f("ipairs(candidates)", "return kept(candidates, 0).in_flight", "attempt to index")
}

func TestAKeptCandidateIsNoDecision(t *testing.T) {
	t.Parallel()
	f := filterOf(t, `local kept
function filter(ctx, principal, candidates)
  if not kept then kept = candidates[1] return candidates end
  return { kept }
end`)
	ups := upstreams(2)
	if _, err := f.Filter(request(), principal(), candidates(ups[:1])); err != nil {
		t.Fatal(err)
	}
	if out, err := f.Filter(request(), principal(), candidates(ups[1:])); err == nil {
		t.Errorf("kept %v", out.KeptUpstreamIDs)
	}
}

func TestFreezingWhatTheTopLevelMadeIsChargedForIt(t *testing.T) {
	f := func(src, want string) {
		t.Helper()
		m := manifest(files{"s.lua": src + "\nfunction filter(ctx) return {} end", "lib/a.lua": "return {string.byte(string.rep('x', 7000), 1, -1)}"}, nil)
		m.Budget = engine.Budget{Steps: 5000}
		_, err := lua.New().InstantiateFilter(m)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", src, err, want)
		}
	}
	f(`t = {string.byte(string.rep("x", 7000), 1, -1)}`, "s.lua: the call took more steps than budgets.steps: 5000")
	f(`local t = require("lib.a")`, "s.lua:1: the call took more steps than budgets.steps: 5000")
}
