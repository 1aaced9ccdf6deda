package lua_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes/lua"
)

// allocated is what f takes from the heap, in bytes. Nothing else may run meanwhile.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// filterWith is a filter whose body is given, with a budget of so many bytes and none of time or steps.
func filterWith(t *testing.T, body string, memory int64) engine.Filter {
	t.Helper()
	m := manifest(files{"s.lua": "function filter(ctx, principal, candidates)\n" + body + "\nreturn candidates end"}, nil)
	m.Budget = engine.Budget{Memory: memory}
	f, err := lua.New().InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// slack is what a call allocates beyond what its script asks for: an error with its stack, registers.
const slack = 512 << 10

func TestMemoryEndsACallBeforeItIsTaken(t *testing.T) {
	const budget = 2 << 20
	f := func(body string) {
		t.Helper()
		filter := filterWith(t, body, budget)
		var err error
		took := allocated(func() { _, err = filter.Filter(request(), principal(), candidates(upstreams(3))) })
		if err == nil {
			t.Errorf("%s: no error, took %d", body, took)
			return
		}
		e := scriptError(t, err)
		if e.Budget != "memory" || e.Message != "the call allocated more than budgets.memory: 2.0 MiB" || e.Line != 2 {
			t.Errorf("%s: %v, budget %q at line %d", body, e.Message, e.Budget, e.Line)
		}
		if took > 2*budget+slack {
			t.Errorf("%s: took %d bytes, the budget is %d", body, took, budget)
		}
	}
	for _, body := range bombs {
		f(body)
		f(fmt.Sprintf("pcall(function() %s end) pcall(function() %s end)", body, body))
	}
}

// What a client sends may be long, and is read as often as a script likes.
func TestWhatIsReadOfALongRequestIsPaidFor(t *testing.T) {
	const budget = 4 << 20
	for _, read := range []string{`ctx.headers:all("x-a")`, `ctx.query.a`, `ctx.body:raw("system")`} {
		r := request()
		r.Query = "a=" + strings.Repeat("%41", 4000)
		r.Body = []byte(`{"system":"` + strings.Repeat("x", 10_000) + `"}`)
		r.Index = nil
		for range 3000 {
			r.Headers = append(r.Headers, engine.Header{Name: "x-a", Value: "b"})
		}
		filter := filterWith(t, "local t = {} for i = 1, 3000 do t[i] = "+read+" end", budget)
		var err error
		took := allocated(func() { _, err = filter.Filter(r, principal(), candidates(upstreams(1))) })
		if err == nil || took > 2*budget+slack {
			t.Errorf("3000 times %s: %v, took %d bytes, the budget is %d", read, err, took, budget)
		}
	}
}

// bombs allocate without end, each in its own way.
var bombs = []string{
	`while true do local t = {} end`,
	`while true do local t = {x = 1} end`,
	`while true do local t = {} t.x = nil end`,
	`while true do local t = {1, 2, 3} end`,
	`local t = {} while true do t[#t + 1] = 1 end`,
	`local t = {} while true do t[#t + 1] = {} end`,
	`local t, i = {}, 0 while true do i = i + 1 t["k" .. i] = i end`,
	`local t, i = {}, 0 while true do i = i + 1 t[i + 0.5] = i end`,
	`local t, i = {}, 0 while true do i = i + 1 t["k" .. i] = i t["k" .. i] = nil end`,
	`local t = {} while true do t[{}] = true end`,
	`local t = {} while true do t[function() end] = true end`,
	`local t = {} t[131071] = 1`,
	`local t, store = nil, {} t = setmetatable({}, {__newindex = store}) for i = 1, 1e9 do t[i] = i end`,
	`local t = {} for i = 1, 1e9 do table.insert(t, i) end`,
	`local t = {} for i = 1, 1e9 do table.insert(t, math.max(1, i - 1), {}) end`,
	`local t = {} for i = 1, 1e9 do rawset(t, i, i) end`,
	`local x = 0.5 while true do x = x + 1 end`,
	`for i = 1, 1e9 do end`,
	`while true do local x = 3 local f = function() return x end end`,
	`local s = "x" while true do s = s .. s end`,
	`while true do local s = ("x"):rep(1e5) end`,
	`while true do local s = ("x"):rep(1e5):upper() end`,
	`while true do local s = ("x"):rep(1e5):reverse() end`,
	`while true do local s = ("xy"):rep(1e4):gsub("x", "yy") end`,
	`local s = ("x"):rep(1e5) while true do s:gsub("x", s) end`,
	`while true do string.format("%s%99d", ("x"):rep(1e4), 1) end`,
	`while true do string.format("%q", ("\n"):rep(1e4)) end`,
	`while true do string.char(1, 2, 3, 4) end`,
	`local t = {} for i = 1, 1e3 do t[i] = "xxxxxxxxxx" end while true do table.concat(t, ",") end`,
	`local t = {} for i = 1, 1e3 do t[i] = i end while true do table.sort(t, function(a, b) return a > b end) end`,
	`local function f(...) local t = {...} return f(1, ...) end f()`,
	`local t = {} for i = 1, 4000 do t[i] = i end while true do local u = {unpack(t)} end`,
	`for w in ("x y "):rep(1e6):gmatch("%w") do end`,
	`while true do ("k=v"):match("(%w)=(%w)") end`,
	`while true do pcall(error, {}) end`,
	`while true do pcall(error, ("x"):rep(1e5)) end`,
	`while true do pcall(assert, false, ("x"):rep(1e5)) end`,
	`local k = ("x"):rep(1e5) while true do pcall(function() return (nil)[k] end) end`,
	`local function f(n) if n == 0 then error("x") end return f(n - 1) end while true do pcall(f, 1e4) end`,
	`while true do json.decode('{"a":[1,2,3],"b":{"c":"text"}}') end`,
	`local s = "[" .. ("1,"):rep(5e5) .. "1]" while true do json.decode(s) end`,
	`local s = "[" .. ("[],"):rep(5e5) .. "1]" json.decode(s)`,
	`local s = "[" .. ('{"a":1},'):rep(5e5) .. "1]" json.decode(s)`,
	`local l = {1} for i = 1, 40 do l = {l, l} end json.encode(l)`,
	`while true do json.encode({1, 2, 3, {a = "b"}}) end`,
	`while true do local h = ctx.headers end`,
	`while true do local h = ctx.model end`,
	`while true do for k, v in pairs(ctx.headers) do end end`,
	`while true do local c = principal.claims end`,
	`while true do ctx:random() end`,
	`while true do tostring(1.5) end`,
	`while true do print(("x"):rep(1e5)) end`,
	`local s = ("x"):rep(1e6) while true do print(s, s, s, s) end`,
}

// Each does what scripts do. Twice of what it takes is enough, and half of it is not.
func TestAnHonestScriptIsChargedWhatItTakes(t *testing.T) {
	f := func(name, body string) {
		t.Helper()
		ask := func(memory int64) (took int64, err error) {
			filter := filterWith(t, body, memory)
			r, p, c := request(), principal(), candidates(upstreams(10))
			if _, err := filter.Filter(r, p, c); err != nil { // what a state makes once
				return 0, err
			}
			took = allocated(func() { _, err = filter.Filter(r, p, c) })
			return took, err
		}
		took, err := ask(1 << 40)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		const small = 6 << 10 // the call itself, numbers that come thirty at once
		if _, err := ask(2*took + small); err != nil {
			t.Errorf("%s takes %d bytes, with a budget of twice of it: %v", name, took, err)
		}
		if half := took/2 - small; half > 0 {
			if _, err := ask(half); err == nil {
				t.Errorf("%s takes %d bytes, with a budget of half of it: no error", name, took)
			}
		}
	}
	f("headroom", `local kept = {} for _, c in ipairs(candidates) do if c:utilization("5h") < 0.9 then kept[#kept + 1] = c end end`)
	f("reasons", `local out = {} for i = 1, 300 do for _, c in ipairs(candidates) do out[c.id .. i] = c.name .. " is not gold" end end`)
	f("list", `local t = {} for i = 1, 20000 do t[i] = i end`)
	f("points", `local t = {} for i = 1, 5000 do t[i] = {x = i, y = i} end`)
	f("keys", `local t = {} for i = 1, 20000 do t["key" .. i] = true end`)
	f("counts", `local t = {} for i = 1, 20000 do local k = i % 100 t[k] = (t[k] or 0) + 1 end`)
	f("words", `local n = {} for w in (("one two three "):rep(2000)):gmatch("%a+") do n[w] = (n[w] or 0) + 1 end`)
	f("join", `local t = {} for i = 1, 10000 do t[#t + 1] = "line " .. i end local s = table.concat(t, "\n")`)
	f("sums", `local x = 0 for i = 1, 50000 do x = x + i * 2 end`)
	f("closures", `local t = {} for i = 1, 5000 do t[i] = function() return i end end`)
	f("objects", `local C = {} C.__index = C function C.new(x) return setmetatable({x = x}, C) end for i = 1, 5000 do C.new(i) end`)
	f("decode", `local v = json.decode("[" .. ('{"role":"user","content":"some text here"},'):rep(2000) .. "1]")`)
	f("decode numbers", `local v = json.decode("[" .. ('1,2.5,'):rep(20000) .. "1]")`)
	f("encode", `local t = {} for i = 1, 2000 do t[i] = {role = "user", content = "some text here"} end local s = json.encode(t)`)
	f("gsub", `local s = ("a=b&c=d "):rep(5000):gsub("%w=", "k: ")`)
	f("upper", `local s = ("some text "):rep(5000):upper():lower():reverse()`)
	f("format", `for i = 1, 3000 do local s = string.format("%s is %d of %5.2f", "x", i, i / 3) end`)
	f("sort", `local t = {} for i = 1, 5000 do t[i] = i * 7919 % 5000 end table.sort(t) table.sort(t, function(a, b) return a > b end)`)
	f("errors", `for i = 1, 500 do pcall(function() error("no " .. i) end) end`)
	f("texts", strings.Repeat(`do local s = ("x"):rep(10000) end `, 20))
}

// The interpreter would let the array grow five times over, in one step that nobody else runs beside.
func TestAPlaceFarBeyondTheEndOfAnArrayMakesRoomOnce(t *testing.T) {
	const most = 3 << 20
	for _, set := range []string{"t[131071] = 1", "rawset(t, 131071, 1)", "table.insert(t, 131071, 1)"} {
		filter := filterWith(t, "local t = {1} "+set+" assert(t[1] == 1 and t[2] == nil and t[131071] == 1 and #t == 131071)", most)
		var err error
		took := allocated(func() { _, err = filter.Filter(request(), principal(), candidates(upstreams(3))) })
		if err != nil || took > most {
			t.Errorf("%s: %v, took %d bytes, want at most %d", set, err, took, most)
		}
	}
}
