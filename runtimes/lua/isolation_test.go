package lua_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes/lua"
)

// secret is what a first caller brings along, and no other may ever see.
const secret = "only-for-one"

// Each keeps something of a call where a later one could find it: in every place that a script reaches, by every way to fail in between.
// What it leaves at top is what the file has at its top level; look is how the next call would find it.
func TestNothingOfACallIsFoundByTheNext(t *testing.T) {
	t.Parallel()
	ways := []struct{ top, keep, look string }{
		{"", `leak = s`, `return leak`},
		{"", `_G.leak = s`, `return _G.leak`},
		{"", `_G[s] = 1`, `for k in pairs(_G) do if k == "only-for-one" then return k end end`},
		{"", `rawset(_G, "leak", s)`, `return rawget(_G, "leak")`},
		{"", `setmetatable(_G, {__index = function() return s end})`, `return anything`},
		{"shared = {}", `shared.leak = s`, `return shared.leak`},
		{"shared = {inner = {}}", `shared.inner[1] = s`, `return shared.inner[1]`},
		{"shared = {inner = {}}", `rawset(shared.inner, 1, s)`, `return shared.inner[1]`},
		{"shared = {}", `table.insert(shared, s)`, `return shared[1]`},
		{"shared = {3, 2, 1}", `table.sort(shared, function() error(s) end)`, `return shared[1] ~= 3 and s`},
		{"shared = {}", `setmetatable(shared, {__index = {leak = s}})`, `return shared.leak`},
		{"local C = {} C.__index = C object = setmetatable({}, C)", `getmetatable(object).leak = s`, `return object.leak`},
		{"local C = {} C.__index = C object = setmetatable({}, C)", `object.leak = s`, `return object.leak`},
		{"shared = json.array({})", `table.insert(shared, s)`, `return shared[1]`},
		{"shared = json.decode('[[]]')", `shared[1][1] = s`, `return shared[1][1]`},
		{"", `string.leak = s`, `return string.leak`},
		{"", `rawset(string, "leak", s)`, `return string.leak`},
		{"", `getmetatable("").__index.leak = s`, `return ("").leak`},
		{"", `string.upper = function() return s end`, `return ("x"):upper()`},
		{"", `math.floor = function() return s end`, `return math.floor(1)`},
		{"", `json.decode = function() return s end`, `return json.decode("1")`},
		{"", `json.null.leak = s`, `return json.null.leak`},
		{"", `config.leak = s`, `return config.leak`},
		{"", `config.nested.leak = s`, `return config.nested.leak`},
		{"", `setmetatable(config, {__index = {leak = s}})`, `return config.leak`},
		{"", `candidates[1].labels.leak = s`, `return candidates[1].labels.leak`},
		{"", `candidates[1].leak = s`, `return candidates[1].leak`},
		{"", `getmetatable(candidates[1]).leak = s`, `return candidates[1].leak`},
		{"", `ctx.leak = s`, `return ctx.leak`},
		{"", `ctx.headers.leak = s`, `return ctx.headers.leak`},
		{"", `principal.claims.leak = s`, `return principal.claims.leak`},
		{"", `require("lib.x").leak = s`, `return require("lib.x").leak`},
		{"", `require("lib.x").inner.leak = s`, `return require("lib.x").inner.leak`},
		{"", `require("lib.x").set(s)`, `return require("lib.x").get()`},
		{"", `local ok, e = pcall(error, {s}) shared = e`, `return shared[1]`},
		{"", `local ok, e = pcall(function() shared = s end) assert(ok, e)`, `return shared`},
		{"function helper() return 1 end", `helper = function() return s end`, `return helper()`},
		{"", `filter = function() return {keep = {}, reason = s} end`, `return nil`},
		{"", `table.concat({s}) string.format("%s", s) s:rep(9)`, `return table.concat({}, s) .. string.format("")`},
	}
	for _, w := range ways {
		for _, end := range []string{"", "error('half way')", "while true do end", "local t = {} while true do t[#t + 1] = {} end", "return 42"} {
			isolated(t, w.top, w.keep, w.look, end)
		}
	}
}

func isolated(t *testing.T, top, keep, look, end string) {
	t.Helper()
	m := manifest(files{"s.lua": top + `
local function keep(ctx, principal, candidates, s) ` + keep + ` end
local function look(ctx, principal, candidates, s) ` + look + ` end
function filter(ctx, principal, candidates)
  if principal.name == "mallory" then
    pcall(keep, ctx, principal, candidates, principal.claims.secret)
    do ` + end + ` end
    return candidates
  end
  local ok, found = pcall(look, ctx, principal, candidates, "nothing")
  return { keep = candidates, reason = ok and tostring(found) or "" }
end`, "lib/x.lua": "inner = {} local kept function set(s) shared = s end function get() return shared end"}, nil)
	m.Budget = engine.Budget{Steps: 20_000, Memory: 256 << 10}
	f, err := lua.New().InstantiateFilter(m)
	if err != nil {
		t.Fatalf("%s: %v", keep, err)
	}
	ups := upstreams(2)
	mallory := principal()
	mallory.Name = "mallory"
	mallory.Claims.Set("secret", secret)
	for range 2 {
		f.Filter(request(), mallory, candidates(ups))
		out, err := f.Filter(request(), principal(), candidates(ups))
		if err != nil || len(out.KeptUpstreamIDs) != 2 || strings.Contains(fmt.Sprint(out), secret) {
			t.Errorf("%s, then %q, then %s: %v, %v", keep, end, look, out, err)
		}
	}
}

func TestWhatAFileKeepsInALocalIsACacheAndFreshHasNone(t *testing.T) {
	t.Parallel()
	src := files{"s.lua": `local kept = {}
function filter(ctx, principal, candidates)
  local found = kept[1] or "nothing"
  kept[1] = principal.name
  return { keep = candidates, reason = found }
end`}
	f := func(fresh bool, want string) {
		t.Helper()
		m := manifest(src, nil)
		m.Fresh = fresh
		f, err := lua.New().InstantiateFilter(m)
		if err != nil {
			t.Fatal(err)
		}
		mallory := principal()
		mallory.Name = "mallory"
		f.Filter(request(), mallory, candidates(upstreams(1)))
		if out, err := f.Filter(request(), principal(), candidates(upstreams(1))); err != nil || out.Reason != want {
			t.Errorf("fresh %v: %q, %v, want %q", fresh, out.Reason, err, want)
		}
	}
	f(false, "mallory")
	f(true, "nothing")
}

// A cache that only grows is thrown away with its state before it holds more than an eighth of what one call may allocate.
func TestWhatAFileKeepsIsNeverMoreThanAPartOfWhatACallMayAllocate(t *testing.T) {
	t.Parallel()
	m := manifest(files{"s.lua": `local kept = {}
function filter(ctx, principal, candidates)
  kept[#kept + 1] = ("x"):rep(1e6)
  return { keep = candidates, reason = #kept .. "" }
end`}, nil)
	m.Budget = engine.Budget{Memory: 32 << 20}
	f := filterFrom(t, m)
	most := 0
	for range 50 {
		out, err := f.Filter(request(), principal(), candidates(upstreams(1)))
		if err != nil {
			t.Fatal(err)
		}
		kept, _ := strconv.Atoi(out.Reason)
		most = max(most, kept)
	}
	if most < 2 || most > 5 {
		t.Errorf("a state kept %d MB, the budget is 32 MiB", most)
	}
}

// Two loads of the same files are the same: there is nothing that a top level could tell them apart by.
func TestATopLevelCannotTellOneLoadFromAnother(t *testing.T) {
	t.Parallel()
	src := files{"s.lua": `local lib = require("lib.x")
local seen = {}
for k, v in pairs(_G) do seen[#seen + 1] = tostring(k) .. "=" .. tostring(v) end
for k, v in pairs({a = 1, b = 2, [{}] = 3, [function() end] = 4, 5}) do seen[#seen + 1] = tostring(k) .. tostring(v) end
table.sort(seen)
told = table.concat(seen, " ") .. tostring(lib) .. tostring(print) .. tostring({}) .. lib.n .. hash("x")
function filter(ctx, principal, candidates) return { keep = candidates, reason = hash(told) .. "" } end`,
		"lib/x.lua": "n = 0 n = n + 1"}
	first := ""
	for range 5 {
		f, err := lua.New().InstantiateFilter(manifest(src, nil))
		if err != nil {
			t.Fatal(err)
		}
		out, err := f.Filter(request(), principal(), candidates(upstreams(1)))
		if err != nil || first != "" && out.Reason != first {
			t.Errorf("%q, %v, want %q", out.Reason, err, first)
		}
		first = out.Reason
	}
}

func TestWhatAScriptLoadsIsBounded(t *testing.T) {
	t.Parallel()
	f := func(src files, want string) {
		t.Helper()
		_, err := lua.New().InstantiateFilter(manifest(src, nil))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	many := files{"s.lua": `for i = 1, 100 do require("lib.l" .. i) end`}
	large := files{"s.lua": many["s.lua"]}
	for i := 1; i <= 100; i++ {
		many[fmt.Sprintf("lib/l%d.lua", i)] = "x = 1"
		large[fmt.Sprintf("lib/l%d.lua", i)] = "x = 1" + strings.Repeat("\n", 200<<10)
	}
	f(many, "s.lua:1: the script loads more than 64 files")
	f(large, "s.lua:1: the files of the script have more than 1048576 bytes together")
	f(files{"s.lua": `require("lib.a")`, "lib/a.lua": `require("lib.b")`, "lib/b.lua": `require("lib.a")`},
		"the files load each other: lib/a.lua -> lib/b.lua -> lib/a.lua")
}
