package lua_test

import (
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes/lua"
)

// Whatever a file holds, loading it ends, within its budget and without a panic.
func FuzzLoad(f *testing.F) {
	for _, src := range []string{headroom, explained, short, keepAll, "x = = 1", "for k, v in next, {1} do x = k .. v end", "return ('a'):gsub('%w', {})",
		"local t = setmetatable({}, {__index = string}) return t.format('%5.1f', 1)", "goto a ::a::", "x = #'' == -1 and nil or {...}",
		"pcall(error, {}) xpcall(error, print)", "x = json.decode('[1,{\"a\":null}]') json.encode(x)", "return unpack({1, 2}, -1, 3)"} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		m, err := lua.New().Load(files{"s.lua": src}.snapshot(), "s.lua", nil, engine.Budget{Steps: 20_000, Time: time.Second})
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
