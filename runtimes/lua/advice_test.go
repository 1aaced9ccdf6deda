package lua_test

import "testing"

func TestErrorsOfTheInterpreterSayWhatToDo(t *testing.T) {
	t.Parallel()
	f := failures(t)
	const call = "attempt to call a non-function object: "
	f(`return ctx.model:startswith("x")`, call+`a string has no method "startswith", want a function of string`)
	f(`return ctx.model:startswith(#candidates == 1 and ctx.model:sub(1) or "x")`, call+`a string has no method "startswith", want a function of string`)
	f(`return config:get("a", {b = 1})`, call+`a map has no method "get", want ["key"] for what is in it`)
	f(`return json.decode("{}"):get("a") == 1`, call+`a map has no method "get", want ["key"] for what is in it`)
	f(`return string.startswith(ctx.model)`, call+`"startswith" is nothing`)
	f(`return 1 + config.regions()`, call+`"regions" is a list`)
	f(`return 1 + ctx()`, call+`it is a ctx`)
	f(`local t = setmetatable({}, {__unm = function() local x = nil return x() end}) return -t`, call+`it is nothing`)
	f(`for _, c in candidates do return c end`, call+`for … in got a list, want ipairs(x) or pairs(x)`)
	f(`return (nil)()`, call+`it is nothing`)
	const index = "attempt to index a non-table object(nil) with key "
	f(`return candidates[0].name`, index+`'name': lists count from 1`)
	f(`local first = candidates[0] return first:utilization("5h")`, index+`'utilization': lists count from 1`)
	f(`local i = 0 return candidates[i].name`, index+`'name': lists count from 1`)
	f(`local l = {{}} l[0].name = "b"`, index+`'name': lists count from 1`)
	f(`local t local l = {1} t[l[0]] = 1`, index+`'nil'`)
	f(`local map = json.decode('{"a":{"b":1}}') return map.a[0].max`, index+`'max'`)
	f(`return candidates[99].name`, index+`'name'`)
	f(`return config.none.name`, index+`'name'`)
	f(`local function f() return f() + 1 end return f()`, "stack overflow: calls go 128 deep, want a loop")
	f(`return "a" + "b"`, "cannot perform add operation between string and string, want .. to join texts")
	f(`return 1 + "b"`, "cannot perform add operation between number and string, want .. to join texts")
	f(`return "a" - "b"`, "cannot perform sub operation between string and string")
	f(`error("stack overflow", 0)`, "stack overflow")
	f(`error("attempt to call a non-function object", 0)`, "attempt to call a non-function object")
}

func TestAShortNameIsNotTakenForAnother(t *testing.T) {
	t.Parallel()
	f := failures(t)
	f(`local cat = 1 return dig(cat)`, "attempt to call a non-function object; undefined: dig")
	f(`local cat = 1 return cut(cat)`, "attempt to call a non-function object; undefined: cut, want cat")
	f(`return fltr(ctx)`, "attempt to call a non-function object; undefined: fltr")
}

func TestAFileThatIsRequiredIsRefusedForANameOfAnotherLanguage(t *testing.T) {
	t.Parallel()
	_, err := ask(t, files{"s.lua": `local lib = require("lib.x") function filter(ctx, principal, candidates) return candidates end`,
		"lib/x.lua": "local M = {}\nfunction M.f(x) return x ~= False end\nreturn M"})
	const want = "lib/x.lua:2: undefined: False, want false"
	if err == nil || scriptError(t, err).Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
