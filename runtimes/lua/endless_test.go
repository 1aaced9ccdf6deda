package lua_test

import (
	"testing"

	"sluice/engine"
)

// endless work without end in operations that are large by themselves.
var endless = []string{
	`local t = {} while true do t[1000000] = 1 t[1000000] = nil local n = #t end`,
	`local t = {} while true do rawset(t, 1000000, 1) rawset(t, 1000000, nil) table.getn(t) end`,
	`local l = {1} for i = 1, 40 do l = {l, l} end while true do pcall(error, l) end`,
	`local l = {1} for i = 1, 40 do l = {l, l} end while true do hash(json.encode(l)) end`,
	`local t = {} for i = 1, 1e5 do t["k" .. i] = 1 t["k" .. i] = nil end local l = {} for i = 1, 100 do l[i] = t end while true do json.encode(l) end`,
	`local t = {} for i = 1, 1e5 do t["k" .. i] = 1 t["k" .. i] = nil end while true do for k in pairs(t) do end end`,
	`local t = {} for i = 1, 1e5 do t["k" .. i] = 1 end while true do for k, v in pairs(t) do end end`,
	`local s = ("%s"):rep(200) local a = {} for i = 1, 200 do a[i] = ("x"):rep(1e4) end while true do string.format(s, unpack(a)) end`,
	`local t = {} for i = 1, 8000 do t[i] = i end while true do math.max(unpack(t)) end`,
	`local t = {} for i = 1, 8000 do t[i] = i end while true do select(-1, unpack(t)) end`,
	`local t = {} for i = 1, 8000 do t[i] = "x" end while true do string.char(unpack({string.byte(table.concat(t), 1, 8000)})) end`,
	`while true do string.format("%q", ("\0"):rep(1e6)) end`,
	`while true do ("x"):rep(1e6):find(("x"):rep(5e5) .. "y", 1, true) end`,
	`while true do ("xy"):rep(1e6):find("yyyyyyyy", 1, true) end`,
	`while true do ("x"):rep(1e6):match("^(x*)%1$") end`,
	`while true do ("x"):rep(1e6):gsub("[%a%d%s%p]-y", "") end`,
	`while true do ("x"):rep(1e6):find("[^" .. ("a"):rep(8000) .. "]*y") end`,
	`while true do re.find("(x+x+)+y", ("x"):rep(1e5)) end`,
	`while true do re.replace("x", ("x"):rep(1e6), "yyyyyyyyyyyyyyyy") end`,
	`while true do re.find_all("x", ("x"):rep(1e6)) end`,
	`while true do hash(("x"):rep(1e7)) end`,
	`while true do ctx.body:json() end`,
	`while true do ctx.body:raw() end`,
	`while true do ctx.body:get("messages") end`,
	`while true do json.decode('{"a":' .. ("["):rep(200) .. ("]"):rep(200) .. '}') end`,
	`local s = '"' .. ("\\u00e9"):rep(1e6) .. '"' while true do json.decode(s) end`,
	`local s = "{" .. ("\"k\":1,"):rep(1e6) .. "\"k\":1}" while true do json.decode(s) end`,
	`local p = {} for i = 1, 2e4 do p[i] = '"k' .. i .. '":1' end local s = "{" .. table.concat(p, ",") .. "}" while true do json.decode(s) end`,
	`local function f(a, ...) if a then return f(...) end end while true do f(unpack({}, 1, 8000)) end`,
	`local t = setmetatable({}, {__index = function(t, k) return k end}) while true do local x = t[("x"):rep(1e5)] end`,
	`local t = {} for i = 1, 99 do t = setmetatable({}, {__index = t}) end local k = ("x"):rep(1e6) while true do local x = t[k] end`,
	`local t = {} for i = 1, 2e4 do t[i] = ("x"):rep(100) .. i end while true do table.sort(t) end`,
	`local a, b = ("x"):rep(2.5e5), ("x"):rep(2.5e5) while true do local c = a < b end`,
	`local t = {} for i = 1, 100 do t[i] = ("x"):rep(1e5) end while true do table.sort(t) end`,
	`while true do tostring(setmetatable({}, {__tostring = function() return ("x"):rep(1e6) end})) end`,
	`while true do pcall(string.rep) pcall(("x").bad) pcall(function() return ctx.nope end) end`,
	`while true do pcall(require, ("x"):rep(1e6)) end`,
	`while true do pcall(ctx.headers.all, ctx.headers, ("x"):rep(1e6)) end`,
	`while true do local x = ctx.headers[("x"):rep(1e5)] end`,
	`while true do pcall(function() return candidates[1][("x"):rep(1e5)] end) end`,
	`while true do pcall(function() return string[("x"):rep(1e5)]() end) end`,
	`while true do pcall(function() return json[("x"):rep(1e5)] end) end`,
	`while true do pcall(json.decode, ("x"):rep(1e6)) end`,
	`while true do pcall(json.decode, "[" .. ("1,"):rep(1e5)) end`,
	`while true do pcall(re.test, ("("):rep(1e5), "x") end`,
	`while true do pcall(string.format, ("x"):rep(1e6) .. "%y") end`,
	`while true do pcall(setmetatable, string, {}) pcall(candidates[1].utilization, candidates[1], ("x"):rep(1e6)) end`,
	`local t = {} for i = 1, 3000 do t[i] = function() return t end end while true do local u = {} for i = 1, 3000 do u[t[i]] = i end end`,
}

func TestLargeOperationsEndByABudget(t *testing.T) {
	for _, body := range endless {
		m := manifest(files{"s.lua": "function filter(ctx, principal, candidates)\n" + body + "\nreturn candidates end"}, nil)
		m.Budget = engine.Budget{Steps: 300_000, Memory: 16 << 20}
		f := filterFrom(t, m)
		var err error
		took := allocated(func() { _, err = f.Filter(request(), principal(), candidates(upstreams(3))) })
		if err == nil {
			t.Errorf("%s: no error", body)
			continue
		}
		if e := scriptError(t, err); e.Budget == "" || e.Trap || e.Line != 2 {
			t.Errorf("%s: line %d: %v", body, e.Line, e.Message)
		}
		if took > 2*m.Budget.Memory+slack {
			t.Errorf("%s: took %d bytes, the budget is %d", body, took, m.Budget.Memory)
		}
	}
}
