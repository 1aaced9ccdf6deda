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

// Whatever a file holds, loading it ends, within its budget and without a panic.
func FuzzLoad(f *testing.F) {
	for _, src := range []string{headroom, explained, short, keepAll, "x = = 1", "for k, v in next, {1} do x = k .. v end", "return ('a'):gsub('%w', {})",
		"local t = setmetatable({}, {__index = string}) return t.format('%5.1f', 1)", "goto a ::a::", "\r\"0\r", "x = #'' == -1 and nil or {...}",
		"pcall(error, {}) xpcall(error, print)", "local t = {} t[131071] = 1 t = #t", "local function f(...) return select('#', ...), {...} end f(1, 2)",
		"local k = ('x'):rep(2e6) local t = {[k] = k < k}", "x = setmetatable({}, {__newindex = {}, __index = string}) x.a = 1",
		"for i = 3, 1, -1 do local f = function() return i end f() end", "x = {1, 2, n = 3, [0.5] = -'0x10' + 1}",
		"table.sort({3, 1, 2}, function(a, b) return a end) table.insert({}, 1, 2)", "x = json.decode('[1,{\"a\":null}]') json.encode(x)", "return unpack({1, 2}, -1, 3)"} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		m, err := lua.New().Load(files{"s.lua": src}.snapshot(), "s.lua", nil, engine.Budget{Steps: 20_000, Time: time.Second, Memory: 4 << 20})
		if err != nil {
			if scriptError(t, err).Trap {
				t.Errorf("%q panicked: %v", src, err)
			}
			return
		}
		for _, function := range m.Functions() {
			if function.Name == "" {
				t.Errorf("%q defines a function without a name", src)
			}
		}
	})
}

// Whatever a pattern and a text are, matching ends without a panic.
func FuzzPatterns(f *testing.F) {
	for _, pattern := range []string{"", "%", "(%w+)%s*=%s*(%w*)", "^%s*(.-)%s*$", "%b()", "%f[%w]%w+", "[%a-z]", "[]]", "[^", "()", "(()", "%1", "a-?b*c+$"} {
		f.Add(pattern, "key = value (a b)", "%1 %0")
	}
	const src = `function filter(ctx, principal, candidates)
  local p, text, with = ctx.body:get("p"), ctx.body:get("text"), ctx.body:get("with")
  pcall(string.find, text, p, 1)
  pcall(string.match, text, p, -3)
  pcall(string.gsub, text, p, with)
  pcall(string.format, p, text, 1)
  pcall(function() for a in text:gmatch(p) do end end)
  return candidates
end`
	m := manifest(files{"s.lua": src}, nil)
	m.Budget = engine.Budget{Steps: 200_000}
	made, err := lua.New().InstantiateFilter(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, p, text, with string) {
		r := request()
		r.Body = object(map[string]string{"p": p, "text": text, "with": with})
		if _, err := made.Filter(r, principal(), candidates(upstreams(1))); err != nil && scriptError(t, err).Trap {
			t.Errorf("pattern %q, text %q, replacement %q: %v", p, text, with, err)
		}
	})
}

// What a script decodes and encodes again is the same to a second reader.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,2.5,null,{}],"b":[]}`, `[12345678901234567890]`, `"é"`, `-0`, `{"a":1,"a":2}`, `[[[]]]`} {
		f.Add(text)
	}
	made, err := lua.New().InstantiateFilter(manifest(files{"s.lua": `function filter(ctx, principal, candidates)
  local once = json.encode(json.decode(ctx.body:raw()))
  assert(json.encode(json.decode(once)) == once, once)
  return candidates
end`}, nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := request()
		r.Body = []byte(text)
		_, err := made.Filter(r, principal(), candidates(upstreams(1)))
		if err == nil {
			return
		}
		if e := scriptError(t, err); e.Trap || e.Line != 2 {
			t.Errorf("%q: %v", text, e)
		}
	})
}

// mostChoices is how long what FuzzReturns makes its values of is at most, in bytes.
const mostChoices = 256

// Whatever a hook returns, and however large, it is taken or refused with an error that says so, without a panic.
func FuzzReturns(f *testing.F) {
	for _, choices := range []string{"", "a", "bcd", "kkkk", "llllll", "mmmmm", "nopqr", "kmkmkmlalalb", "zyxwvutsrqponmlkjihgfedcba", "l\x00l\x01l\x02"} {
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices string) {
		if len(choices) > mostChoices {
			return // a longer one says nothing more, and takes a minute to be made short again
		}
		v := (&writer{choices: choices}).value(0)
		src := files{"d.lua": made(v, "drop"), "s.lua": made(v, "filter") + `
function route(a, b, c) return made(a, b, c) end
function shape(a, b, c, d) return made(a, b, d) end
function normalize_error(a, b, c) return made(a, b, c) end
function transform_response(a, b) return made(a, b, {b}) end
function transform_event(a, b, c) return made(c, b, {b}) end
function observe(a) return made(a, a, a) end`}
		for hook, err := range returns(t, src) {
			if err != nil && (strings.Contains(err.Error(), "panic") || err.Error() == "") {
				t.Errorf("%s returns %s: %v", hook, v, err)
			}
		}
	})
}

func made(v, hook string) string {
	return "local function made(a, b, c) local t = {} t.t, t[1] = t, t return " + v + " end\n" +
		"function " + hook + "(a, b, c) return made(a, b, c) end"
}

// returns calls each hook once.
func returns(t *testing.T, src files) map[string]error {
	m := manifest(src, nil)
	m.Budget = engine.Budget{Steps: 100_000, Memory: 4 << 20}
	out, rt, c := make(map[string]error), lua.New(), candidates(upstreams(3))
	_, out["filter"] = filterFrom(t, m).Filter(request(), principal(), c)
	router, err := rt.InstantiateRouter(m)
	if err != nil {
		t.Fatal(err)
	}
	_, out["route"] = router.Route(request(), principal(), c)
	dialect, err := rt.InstantiateDialect(m)
	if err != nil {
		t.Fatal(err)
	}
	_, out["shape"] = runtimes.Shape(dialect, request(), principal(), c[0])
	_, out["normalize_error"] = dialect.NormalizeError(400, nil, []byte(`{"error":{}}`))
	answers := dialect.(engine.AnswerDialect)
	_, out["transform_response"] = answers.TransformResponse(request(), &engine.State{}, &engine.Reply{Status: 200, Body: []byte(`{"a":[1]}`)})
	_, out["transform_event"] = answers.TransformEvent(request(), &engine.State{}, engine.StreamEvent{Name: "e", Data: []byte(`{"a":[1]}`)})
	observer, err := rt.InstantiateObservability(m)
	if err != nil {
		t.Fatal(err)
	}
	out["observe"] = observer.Observe(engine.ErrorEvent{Message: "bad"})
	m.Artifact = "d.lua"
	_, out["drop"] = filterFrom(t, m).Filter(request(), principal(), c)
	return out
}

// writer makes an expression of a value out of bytes, each of which is a choice.
type writer struct{ choices string }

func (w *writer) choose(n int) int {
	if w.choices == "" {
		return 0
	}
	c := w.choices[0]
	w.choices = w.choices[1:]
	return int(c) % n
}

var simple = []string{"nil", "true", "false", "0", "-1", "0/0", "1/0", "2^53+2", "1.5", `""`, `"up-1"`, `"x\r\ny"`, `("\255"):rep(5000)`, "t", "a", "b", "c",
	"c[1]", "c[1].id", "print", "json.null", "json.array({})", `json.decode('[1,{"a":null},12345678901234567890]')`, "string", "_G", "made", "config",
	"{}", "{t}", "setmetatable({}, {__index = c})"}

var fields = []string{"keep", "reason", "reasons", "deny", "status", "body", "headers", "name", "data", "x", "1", "-1"}

func (w *writer) value(depth int) string {
	switch w.choose(4) {
	case 0:
		return simple[w.choose(len(simple))]
	case 1:
		if depth < 6 {
			var b strings.Builder
			for range w.choose(4) {
				fmt.Fprintf(&b, "%s, ", w.value(depth+1))
			}
			return "{" + b.String() + "}"
		}
	case 2:
		if depth < 6 {
			var b strings.Builder
			for range w.choose(4) {
				fmt.Fprintf(&b, "[%q] = %s, ", fields[w.choose(len(fields))], w.value(depth+1))
			}
			return "{" + b.String() + "}"
		}
	}
	return fmt.Sprintf("%q", strings.Repeat("r", w.choose(256)))
}
