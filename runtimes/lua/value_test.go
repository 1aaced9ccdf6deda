package lua_test

import (
	"testing"
)

func TestHostValuesReadLikeTables(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`ctx.model`, "claude-sonnet-4-5")
	f(`ctx.now_ms`, "1772366400000")
	f(`ctx.stream`, "true")
	f(`ctx:random() < 1, ctx:random() ~= ctx:random()`, "true true")
	f(`ctx.query.x, ctx.query.none`, "a b nil")
	f(`ctx.headers["ANTHROPIC-version"], ctx.headers["x-api-key"], ctx.headers.none`, "2023-06-01 nil nil")
	f(`ctx.headers:all("anthropic-beta")[2]`, "b")
	f(`principal.name, principal.claims.team, principal.claims.none, #principal.claims.roles`, "alice core nil 2")
	f(`ctx.body:get("messages.0.role"), ctx.body:get("none", "d"), ctx.body:get("half")`, "user d 0.5")
	f(`ctx.body:has("none"), ctx.body:type("messages"), ctx.body:raw("half")`, "true list 0.5")
	f(`config.max_utilization, config.none, config.regions[1], config.nested.deep[3]`, "0.9 nil eu x")
	f(`#config, #config.regions, #ctx.query, #ctx.headers`, "4 2 2 2")
	f(`type(candidates), type(ctx), type(config)`, "userdata userdata userdata")
}

func TestCandidatesHaveFixedAndMovingFields(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`candidates[2].name, candidates[2].region, candidates[2].project, candidates[2].priority`, "up-1 us-east-1 nil 1")
	f(`candidates[1].id`, "00000000-0000-0000-0000-000000000001")
	f(`candidates[3].healthy, candidates[3].in_flight, candidates[3].concurrency, candidates[3].ttfb_ms`, "false 2 102 800")
	f(`candidates[1].labels.tier, candidates[2].labels.tier, candidates[2].labels.none`, "gold silver nil")
	f(`candidates[4]:utilization("5h"), candidates[4]:utilization("1h"), candidates[4]:utilization("1h", 0.5)`, "0.3 0 0.5")
	f(`candidates[1]:model("claude-sonnet-4-5"), candidates[1]:model("other")`, "own-sonnet other")
	f(`candidates[1].quotas[1].window, candidates[1].quotas[2].state, #candidates[1].quotas`, "5h fresh 2")
	f(`candidates[1].rate_limits[1].remaining`, "900")
	f(`candidates[1] == candidates[1], candidates[1] == candidates[2], candidates[1] ~= ctx`, "true false true")
	f(`ctx.headers == ctx.headers, ctx.body == ctx.body, ctx == principal`, "true true false")
}

func TestVitalsAreThoseOfTheCall(t *testing.T) {
	t.Parallel()
	f := filterOf(t, `function filter(ctx, principal, candidates)
  return { keep = candidates, reason = candidates[1].in_flight .. " " .. candidates[1]:utilization("5h") }
end`)
	ups := upstreams(1)
	for i, want := range []string{"0 0", "1 0.1", "2 0.2"} {
		c := candidates(ups)
		c[0].InFlight, c[0].Quotas[0].Utilization = i, float64(i)/10
		out, err := f.Filter(request(), principal(), c)
		if err != nil || out.Reason != want {
			t.Errorf("reason %q, %v, want %q", out.Reason, err, want)
		}
	}
}

func TestListsAndMapsAreWalkedOver(t *testing.T) {
	t.Parallel()
	f := func(loop, want string) {
		t.Helper()
		got, err := eval(t, `local out = {} for k, v in `+loop+` do out[#out + 1] = tostring(k) .. "=" .. tostring(v) end return table.concat(out, " ")`)
		if err != nil || got != want {
			t.Errorf("for k, v in %s: %q, %v, want %q", loop, got, err, want)
		}
	}
	f(`ipairs(config.regions)`, "1=eu 2=us")
	f(`pairs(config.regions)`, "1=eu 2=us")
	f(`ipairs{"a", "b"}`, "1=a 2=b")
	f(`ipairs{1, nil, 3}`, "1=1")
	f(`ipairs{}`, "")
	f(`pairs{}`, "")
	f(`pairs{"a", x = 1}`, "1=a x=1")
	f(`pairs(candidates[1].labels)`, "team=core tier=gold")
	f(`pairs(ctx.query)`, "beta=true x=a b")
	f(`pairs(ctx.headers)`, "anthropic-version=2023-06-01 anthropic-beta=a")
	f(`pairs(config)`, "max_utilization=0.9 regions=<list> nested=<map> big=123456789012345678901234567890")
	f(`next, {"a"}`, "1=a")
	f(`next, {x = 1}`, "x=1")
	f(`next, {x = 1}, nil`, "x=1")
	f(`ipairs(json.decode("[null,1]"))`, "1=null 2=1")
	f(`pairs(ctx.body:get("messages.0"))`, "role=user content=hi")
	f(`pairs(setmetatable({x = 1}, {__index = {y = 2}}))`, "x=1")
	g := values(t)
	g(`unpack(config.regions)`, "eu us")
	g(`unpack({1, 2, 3}, 2)`, "2 3")
	g(`unpack({1, 2}, 1, 3)`, "1 2 nil")
	g(`select("#", unpack(candidates))`, "4")
	g(`candidates[0], candidates[5], candidates[-1]`, "nil nil nil")
	g(`next({})`, "nil")
	g(`next({x = 1})`, "x 1")
	g(`rawget({x = 1}, "x"), rawequal(ctx, ctx)`, "1 true")
}

func TestLoopsMayChangeTheTableTheyWalkOver(t *testing.T) {
	t.Parallel()
	got, err := eval(t, `local t = {a = 1, b = 2, c = 3}
		for k in pairs(t) do t[k] = nil end
		local u = {} for i = 1, 5 do u[i] = i end
		while #u > 0 do table.remove(u, 1) end
		table.insert(u, 1) table.insert(u, 1, 0) table.insert(u, 3)
		return tostring(next(t)) .. " " .. table.concat(u, ",")`)
	if err != nil || got != "nil 0,1,3" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRemoveTakesAnElementOfTheList(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		got, err := eval(t, `local t = {"a", "b", "c"} `+body+` .. " " .. table.concat(t)`)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", body, got, err, want)
		}
	}
	f(`return table.remove(t)`, "c ab")
	f(`return table.remove(t, 1)`, "a bc")
	f(`return table.remove(t, 3)`, "c ab")
	f(`t[#t] = nil return table.remove(t)`, "b a")
	f(`t[3] = nil return table.remove(t, 1)`, "a b")
	f(`return tostring(table.remove(t, 0))`, "nil abc")
	f(`return tostring(table.remove(t, 4))`, "nil abc")
	f(`return tostring(table.remove(t, -1))`, "nil abc")
	f(`return tostring(table.remove({}))`, "nil abc")
}

func TestSortOrdersTables(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		got, err := eval(t, body+` return table.concat(t, " ")`)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", body, got, err, want)
		}
	}
	f(`local t = {3, 1, 2} table.sort(t)`, "1 2 3")
	f(`local t = {"b", "a"} table.sort(t, function(a, b) return a > b end)`, "b a")
	f(`local t = {3, 1, 2} t[3] = nil table.sort(t)`, "1 3")
	f(`local t = {} for _, c in ipairs(candidates) do t[#t + 1] = c end
		table.sort(t, function(a, b) return a.in_flight > b.in_flight end)
		for i, c in ipairs(t) do t[i] = c.name end`, "up-3 up-2 up-1 up-0")
	f(`local t = {} for i = 1, 100 do t[i] = i % 7 end table.sort(t, function() return true end) t = {#t}`, "100")
	g := failures(t)
	g(`table.sort({1, "a"})`, "attempt to compare string with number")
	g(`table.sort({1, nil, 2})`, "table.sort: the list has nothing at position 2")
	g(`table.sort(candidates)`, "table.sort changes its list, and this list is read-only: want a copy")
	g(`table.insert(candidates, 1)`, "table.insert changes its list, and this list is read-only: want a copy")
	g(`table.insert({})`, "table.insert takes a table, a position if wanted, and a value")
}

func TestMisuseOfHostValuesSaysWhatIsWanted(t *testing.T) {
	t.Parallel()
	f := failures(t)
	f(`return candidates[1].utilization("5h")`, "utilization is a method, want candidate:utilization(…)")
	f(`return candidates[1].utilization(candidates, "5h")`, "utilization is a method, want candidate:utilization(…)")
	f(`return ctx.random()`, "random is a method, want ctx:random(…)")
	f(`return ctx.body.get("model")`, "get is a method, want body:get(…)")
	f(`return json:encode({})`, "encode is a function, want json.encode(…)")
	f(`return candidates[1].nmae`, `candidate has no field "nmae", want name`)
	f(`return candidates[1][1]`, `candidate has no field "1"`)
	f(`return ctx.modle`, `ctx has no field "modle", want model`)
	f(`return candidates.name`, `a list has no field "name", want a position from 1`)
	f(`return candidates[1.5]`, `a list has no field "1.5", want a position from 1`)
	f(`return candidates[1]:utilization()`, `utilization: missing argument "window"`)
	f(`return candidates[1]:utilization(5)`, "utilization: window is a number, want a string")
	f(`return candidates[1]:utilization("5h", 1, 2)`, "utilization takes at most 2 arguments, got 3")
	f(`return candidates[1]:utilization{windw = "5h"}`, `utilization: unknown argument "windw", want window`)
	f(`return json.decod("1")`, `json has no function "decod", want decode`)
	f(`return re.nope`, `re has no function "nope", want test, find, find_all, replace`)
	f(`return #ctx`, "a ctx has no length")
	f(`return ctx .. "x"`, "cannot join a ctx and a string")
	f(`return ctx + 1`, "cannot perform add operation between userdata and number")
	f(`return ctx()`, "attempt to call a non-function object: it is a ctx")
	f(`for _ in ipairs(config) do end`, "ipairs takes a list, got a map")
	f(`return ipairs({})(nil, 0)`, "ipairs takes a list, got nothing")
	f(`return ipairs({})(ctx, 0)`, "ipairs takes a list, got a ctx")
	f(`for _ in ipairs(nil) do end`, "ipairs takes a list, got nothing")
	f(`for _ in pairs(ctx) do end`, "pairs takes a table, got a ctx")
	f(`for _ in pairs("x") do end`, "pairs takes a table, got a string")
	f(`return unpack(config)`, "unpack takes a list, got a map")
	f(`ctx.model = "x"`, "ctx.model is read-only")
	f(`ctx.headers:set("a", "b")`, "set: these headers are read-only, want request.headers")
	f(`ctx.headers["a"] = "b"`, `headers cannot be assigned to by key, want set(name, value)`)
	f(`ctx.body:set("a", 1)`, "set: this body is read-only, want request.body")
}

func TestMethodsTakeNamedArgumentsInATrailingTable(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`candidates[4]:utilization("1h", {default = 0.7})`, "0.7")
	f(`candidates[4]:utilization{window = "5h"}`, "0.3")
	f(`candidates[4]:utilization("5h", {})`, "0.3")
	f(`candidates[4]:utilization("1h", nil)`, "0")
	f(`json.encode(ctx.body:get("nope", {default = 1}))`, `{"default":1}`)
}

func TestLibrariesOfBothLanguagesAreThere(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`re.test("^claude-", ctx.model), re.find("(\\w+)-(\\d)", ctx.model)[2]`, "true sonnet")
	f(`#re.find_all("[aeiou]", ctx.model), re.replace("-", ctx.model, "_"), re.find("x", "y")`, "5 claude_sonnet_4_5 nil")
	f(`url.escape("a/b"), url.query({a = 1, b = "x y"})`, "a%2Fb a=1&b=x+y")
	f(`hash("alice") == hash("alice"), hash("alice") < 2^53`, "true true")
	f(`math.huge > 1e308, math.floor(2.5), math.pi > 3`, "true 2 true")
	f(`tonumber("0x10"), tonumber("12"), tonumber("x")`, "16 12 nil")
	f(`pcall(error, "x", 0)`, "false x")
	f(`select(2, xpcall(function() error({code = 5}) end, function(e) return e.code end))`, "5")
	f(`select(2, pcall(function() return ctx.nope end))`, `s.lua:1: ctx has no field "nope"`)
}

func TestLogLinesCarryTheirPlace(t *testing.T) {
	t.Parallel()
	m := manifest(files{"s.lua": "function filter(ctx, principal, candidates)\n  log(\"one\")\n  print(\"two\", 3, candidates[1])\n  return candidates\nend"}, nil)
	got := ""
	m.Log = func(file string, line int, message string) {
		got += file + ":" + string(rune('0'+line)) + ": " + message + "\n"
	}
	f := filterFrom(t, m)
	if _, err := f.Filter(request(), principal(), candidates(upstreams(1))); err != nil {
		t.Fatal(err)
	}
	if want := "s.lua:2: one\ns.lua:3: two 3 <candidate>\n"; got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
}
