package lua_test

import (
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes/lua"
)

// Each leaves a way to what is kept of an attempt where a later call finds it: held leads there, or held.found does, or held.call() gives it.
// What that call writes there is not in the attempt's state, which another interpreter may be working on.
func TestNoWayLeadsToWhatIsKept(t *testing.T) {
	t.Parallel()
	for _, leave := range []string{
		`held = s`,
		`held.found = s`,
		`held["fo" .. "und"] = s`,
		`held = { found = s }`,
		`held = { found = s.inner }`,
		`held = { s } held = { found = held[1] }`,
		`held[1] = s`,
		`held[s] = true`,
		`held[s.inner] = 1`,
		`held = { s, s.inner }`,
		`held = { { { s } } }`,
		`held = { unpack({ s.list[1], s }) }`,
		`(function(...) held = { ... } end)(1, s)`,
		`held = { call = function() return s end }`,
		`local inner = s.inner held.call = function() return inner end`,
		`held = function() return s end`,
		`held = { function() return s end }`,
		`table.insert(held, s)`,
		`table.insert(held, 1, s.list[1])`,
		`pcall(table.insert, held, s)`,
		`rawset(held, "found", s)`,
		`pcall(rawset, held, s, 1)`,
		`setmetatable(held, s)`,
		`setmetatable(held, { __index = s })`,
		`pcall(setmetatable, held, { found = s })`,
		`local proxy = setmetatable({}, { __newindex = held }) proxy.found = s`,
		`local proxy = setmetatable({}, { __newindex = function(_, _, v) held = v end }) proxy.found = s`,
		`held = { n = 1 } s.inner = held`,
		`held = { n = 1 } s.list[1] = held`,
		`held = { n = 1 } table.insert(s.list, held)`,
		`held = { n = 1 } rawset(s, "inner", held)`,
		`local new = { n = 1 } held = { found = new } s.inner = { n = 1, new }`,
		`local new = { n = 1 } s.inner = new held = new`,
		`held = setmetatable(s, nil)`,
		`for _, v in pairs({ s }) do held = v end`,
		`for _, v in pairs(s) do if type(v) == "table" then held[#held + 1] = v end end`,
		`held.found = table.remove(s.list)`,
		`held = select(2, 1, s)`,
		`local _, e = pcall(error, s) held = e`,
		`xpcall(function() error(s) end, function(e) held = e end)`,
	} {
		if told := afterLeaving(t, leave); told != "own inner listed" && told != "own 1 listed" && told != "own inner 1" && told != "own inner nil" {
			t.Errorf("%s: the attempt's state is %q", leave, told)
		}
	}
}

// afterLeaving is what state holds in the third call, after the second has left a way to it.
func afterLeaving(t *testing.T, leave string) string {
	t.Helper()
	d, err := lua.New().InstantiateDialect(manifest(files{"s.lua": `
local held, seen = {}, {}
local function spoil(v)
  if type(v) == "function" then return spoil(v()) end
  if type(v) ~= "table" or seen[v] then return end
  seen[v] = true
  local mt = getmetatable(v)
  if type(mt) == "table" then spoil(mt) end
  for k, inner in pairs(v) do spoil(k) spoil(inner) end
  v.n = "spoilt"
end
local function leave(s) ` + leave + ` end
function transform_event(ctx, event, state)
  if not state.inner then state.n, state.inner, state.list = "own", { n = "inner" }, { { n = "listed" } } end
  if event.data == "leave" then leave(state) end
  if event.data == "spoil" then
    spoil(held)
    local first = state.list[1] or {}
    return { { data = tostring(state.n) .. " " .. tostring(state.inner.n) .. " " .. tostring(first.n) } }
  end
  return {}
end`}, nil))
	if err != nil {
		t.Fatalf("%s: %v", leave, err)
	}
	state, told := &engine.State{}, ""
	for _, data := range []string{"begin", "go on", "leave", "spoil"} {
		out, err := d.(engine.AnswerDialect).TransformEvent(request(), state, engine.StreamEvent{Data: []byte(data)})
		if err != nil {
			t.Fatalf("%s: %v", leave, err)
		}
		for _, e := range out {
			told += strings.TrimSpace(string(e.Data))
		}
	}
	return told
}

// A call whose outcome does not count leaves the attempt's state as it is, and no way to it either: not to the calls of another attempt.
func TestNoWayLeadsToWhatAFailedCallHad(t *testing.T) {
	t.Parallel()
	for _, outcome := range []string{`error("no")`, `return 5`, `return { { data = print } }`, `return { {} }`, `state.f = print return {}`,
		`state.of = ctx return {}`, `while true do end`} {
		d, err := lua.New().InstantiateDialect(manifest(files{"s.lua": `
local held
function transform_event(ctx, event, state)
  state.inner = state.inner or { n = "own" }
  if event.data == "leave" then held = state.inner ` + outcome + ` end
  if event.data == "spoil" and held then held.n = "spoilt" end
  return { { data = state.inner.n } }
end`}, nil))
		if err != nil {
			t.Fatalf("%s: %v", outcome, err)
		}
		mine, other, told := &engine.State{}, &engine.State{}, ""
		for _, e := range []struct {
			of   *engine.State
			data string
		}{{mine, "begin"}, {mine, "go on"}, {other, "begin"}, {mine, "leave"}, {other, "spoil"}, {mine, "tell"}} {
			out, err := d.(engine.AnswerDialect).TransformEvent(request(), e.of, engine.StreamEvent{Data: []byte(e.data)})
			if (err != nil) != (e.data == "leave") {
				t.Errorf("%s: %s: got error %v", outcome, e.data, err)
			}
			for _, event := range out {
				told = string(event.Data)
			}
		}
		if told != "own" {
			t.Errorf("%s: the attempt's state is %q", outcome, told)
		}
	}
}
