package lua_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes/lua"
)

// ask makes a filter of files and calls it once.
func ask(t testing.TB, f files) (engine.FilterOutput, error) {
	t.Helper()
	made, err := lua.New().InstantiateFilter(manifest(f, nil))
	if err != nil {
		return engine.FilterOutput{}, err
	}
	return made.Filter(request(), principal(), candidates(upstreams(2)))
}

func TestErrorsCarryTheirPlace(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		_, err := ask(t, files{"s.lua": "-- a comment\nfunction filter(ctx, principal, candidates)\n" + body + "\nend"})
		if err == nil {
			t.Fatalf("%s: no error", body)
		}
		if got := scriptError(t, err).Error(); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	f(`error("boom")`, `s.lua:3: boom`)
	f("\n\nerror('boom: 100%d')", `s.lua:5: boom: 100%d`)
	f(`error("boom", 0)`, `s.lua:3: boom`)
	f(`error("")`, `s.lua:3: `)
	f(`error("s.lua:7: not here")`, `s.lua:7: not here`)
	f(`error("other.lua:7: x")`, `s.lua:3: other.lua:7: x`)
	f(`error()`, `s.lua:3: bad argument #1 to error (value expected)`)
	f(`error(nil)`, `s.lua:3: the script raised null`)
	f(`error({code = 5})`, `s.lua:3: the script raised {"code":5}`)
	f(`error({message = "boom", f = print})`, `s.lua:3: the script raised a table: boom`)
	f(`error(ctx)`, `s.lua:3: the script raised a ctx`)
	f(`error(42)`, `s.lua:3: the script raised 42`)
	f(`local x = nil; return x.y`, `s.lua:3: attempt to index a non-table object(nil) with key 'y'`)
	f(`local x = 5; x[{}] = 1`, `s.lua:3: attempt to index a non-table object(number) with key 'table'`)
	f(`return ctx[print]`, `s.lua:3: ctx has no field "function"`)
	long := strings.Repeat("x", 200)
	f(`return candidates[("x"):rep(1e6)]`, `s.lua:3: a list has no field "`+long+`", want a position from 1`)
	f(`return re[("x"):rep(1e6)]`, `s.lua:3: re has no function "`+long+`", want test, find, find_all, replace`)
	f(`return json.null[("x"):rep(1e6)]`, `s.lua:3: json.null has no field "`+long+`"`)
	f(`return json.decode("9007199254740993")[("x"):rep(1e6)]`, `s.lua:3: a number has no field "`+long+`"`)
	f(`local _, e = pcall(function() return candidates[{}] end) error(e:upper())`, `s.lua:3: S.LUA:3: A LIST HAS NO FIELD "TABLE", WANT A POSITION FROM 1`)
	f(`return #candidates[1].in_flight`, `s.lua:3: a number has no length`)
	f(`return #candidate`, `s.lua:3: nothing has no length; undefined: candidate, want candidates`)
	f(`return 1 + {}`, `s.lua:3: cannot perform add operation between number and table`)
	f(`return (nil)()`, `s.lua:3: attempt to call a non-function object: it is nothing`)
	f(`return undefined()`, `s.lua:3: attempt to call a non-function object; undefined: undefined`)
	f(`return fitler(ctx, principal, candidates)`, `s.lua:3: attempt to call a non-function object; undefined: fitler, want filter`)
	f(`for _ in ipairs(candidate) do end`, `s.lua:3: ipairs takes a list, got nothing; undefined: candidate, want candidates`)
	f(`for _ in paris(candidates) do end`, `s.lua:3: attempt to call a non-function object; undefined: paris, want pairs`)
	f(`return candidate.name`, `s.lua:3: attempt to index a non-table object(nil) with key 'name'; undefined: candidate, want candidates`)
	f("local limit = 1\nif limt > 1 then end", `s.lua:4: attempt to compare number with nil; undefined: limt, want limit`)
	f("local ok, e = pcall(function()\nerror('inner') end)\nerror(e)", `s.lua:4: inner`)
	f("local ok, e = pcall(function()\nerror('inner') end)\nerror(e, 0)", `s.lua:4: inner`)
	f("return candidates[1]:utilization(\n5)", `s.lua:3: utilization: window is a number, want a string`)
	f("for _, c in ipairs(candidates) do\n  local x = c.nmae\nend", `s.lua:4: candidate has no field "nmae", want name`)
	f(`assert(false, "not so")`, `s.lua:3: not so`)
	f(`assert(nil)`, `s.lua:3: assertion failed!`)
}

func TestErrorsCarryTheStack(t *testing.T) {
	t.Parallel()
	_, err := ask(t, files{
		"s.lua": "local lib = require('lib.x')\nlocal function inner(v)\n  return 1 + lib.fail(v)\nend\n" +
			"function filter(ctx, principal, candidates)\n  local kept = inner(1)\n  return kept\nend",
		"lib/x.lua": "local M = {}\nfunction M.fail(v)\n  error('no ' .. v)\nend\nreturn M",
	})
	if err == nil {
		t.Fatal("no error")
	}
	e := scriptError(t, err)
	want := "lib/x.lua:3: in fail\ns.lua:3: in inner\ns.lua:6: in filter"
	if got := strings.Join(e.Stack, "\n"); e.Error() != "lib/x.lua:3: no 1" || got != want {
		t.Errorf("%v with the stack\n%s\nwant\n%s", e, got, want)
	}
	_, err = ask(t, files{"s.lua": "local function f(n) if n == 0 then error('deep') end return 1 + f(n - 1) end\nfunction filter(ctx) return 1 + f(100) end"})
	if e := scriptError(t, err); len(e.Stack) > 20 || e.Line != 1 {
		t.Errorf("a deep stack has %d lines at line %d", len(e.Stack), e.Line)
	}
	_, err = ask(t, files{"s.lua": "local function f(n) if n == 0 then error('tail') end return f(n - 1) end\nfunction filter(ctx) return 1 + f(100000) end"})
	if e := scriptError(t, err); e.Error() != "s.lua:1: tail" || len(e.Stack) > 20 {
		t.Errorf("%v with %d lines of stack", e, len(e.Stack))
	}
}

func TestScriptsThatDoNotCompileTellWhere(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		_, err := ask(t, files{"s.lua": src})
		if err == nil {
			t.Fatalf("%.80s: no error", src)
		}
		if got := scriptError(t, err).Error(); !strings.Contains(got, want) {
			t.Errorf("%.80s: %q, want %q", src, got, want)
		}
		if !strings.HasPrefix(err.Error(), "load failed: s.lua:") {
			t.Errorf("%.80s: %q, want load failed", src, err)
		}
	}
	f("function filter(", `s.lua:1:16: "(" is not closed, want ")"`)
	f("x = 1\n--[[ a note\nfunction filter()\nend\n", `s.lua:2:1: "--[[" is not closed, want "]]"`)
	f("x = [==[ a ]] text\ny = 2\n", `s.lua:1:5: "[==[" is not closed, want "]==]"`)
	f("function filter()\n  for _ = 1, 2 do\n    goto done\n  end\nend\n", `s.lua:3:5: no visible label 'done' for goto`)
	f("x = '東京' )\n", `s.lua:1:10: `)
	f("x = {'東京'}}\n", `s.lua:1:11: `)
	f("goto out\nlocal x = 1\n::out::\nx = 2\n", `s.lua:1:1: goto out jumps into the scope of local 'x'`)
	f("x = 1\nfunction filter()\n\n", `s.lua:2:1: "function" is not closed, want "end"`)
	f("function filter()\n  for i = 1, 2 do\n    x = 'end' -- end\n  return i\nend\n\nfunction g()\nend\n",
		`s.lua:2:3: "for" is not closed, want "end"`)
	f("if a -- then\n  and b\n\n  return\nend", `s.lua:2:8: want "then" for the "if" of line 1`)
	f("if a then\nelseif b\n  x = 1\nend", `s.lua:2:9: want "then" for the "if" of line 1`)
	f("while a\n  x = [==[\n]]]==] end", `s.lua:1:8: want "do" for the "while" of line 1`)
	f("x =\nlocal y = 2", `s.lua:1:4: the line ends too early, before the "local" of line 2`)
	f("function f()\n  x =\nend", `s.lua:2:6: the line ends too early, before the "end" of line 3`)
	f("function f()\nend\nend", `s.lua:3:1: syntax error near "end"`)
	f("x = {\n  a = 1\n  b = 2 }", `s.lua:3:3: syntax error near "b"; the "{" of 1:5 is open`)
	f("x = {1, \"\\\"}\"\nlocal y", `s.lua:1:5: "{" is not closed before the "local" of line 2`)
	f("\r\"0\r", `s.lua:2:1: unterminated string`)
	f("f(\r\n  1\r\rlocal y", `s.lua:1:2: "(" is not closed before the "local" of line 4`)
	f("x =\n", `s.lua:1: syntax error at the end of the file`)
	f("if a then return end end", `s.lua:1:22: syntax error near "end"`)
	f("x = = 2", `s.lua:1:5: syntax error near "="`)
	f("local a\nlocal end", `s.lua:2:7: syntax error near "end"`)
	f("x = 'abc", `s.lua:1:`)
	f("\r\"0\r", `s.lua:2:1: unterminated string`)
	f("\n\r  'abc\r\n", `s.lua:2:3: unterminated string`)
	f("x = [[abc", `s.lua:1:5: "[[" is not closed, want "]]"`)
	f("x = 1 ~ 2", `Invalid '~' token`)
	f("break", `s.lua:1: no loop to break`)
	f("goto nowhere", `no visible label 'nowhere'`)
	f("error('at load')", `s.lua:1: at load`)
	f("x = nil + 1", `s.lua:1: cannot perform add operation between nil and number`)
	f("while true do end", `s.lua:1: the call took more steps than budgets.steps: 2000000`)
	f("x = "+strings.Repeat("(", 600)+"1"+strings.Repeat(")", 600)+strings.Repeat(" + 1", 600), `the source is nested deeper than 500`)
	f("x = "+strings.Repeat("not ", 60000)+"1", `the source is nested deeper than 500`)
	f("x = 1"+strings.Repeat("+1", 100000), `the source is nested deeper than 500`)
	f("x = a"+strings.Repeat("..a", 80000), `the source joins more than 500 texts at once`)
	f("x = a"+strings.Repeat("[0]", 80000), `the source is nested deeper than 500`)
	f("x = "+strings.Repeat("{", 10000)+strings.Repeat("}", 10000), `the source is nested deeper than 500`)
	f("x =\n"+strings.Repeat("{", 100000)+strings.Repeat("}", 100000), `s.lua:2: the source has more than 20000 open brackets`)
	f("x = "+strings.Repeat("(", 200000), `the source has more than 20000 open brackets`)
	f("local a local x = {a"+strings.Repeat(",a", 26000)+"}", `the source has a table of 26001 elements, want at most 25550`)
	f("x = {"+strings.Repeat("1,", 100)+"f()}", `the source has a table of 100 elements and one that gives several, want parentheses round that`)
	f(strings.Repeat("function f() end ", 2100), `the source defines more than 2000 functions`)
	f(outer(2, 150), `the source has a function that uses 300 variables of others, want at most 255`)
	f("x = a"+strings.Repeat("..a", 300), `register overflow`)
	f("x = a"+strings.Repeat(" or a", 50000), `the source is nested deeper than 500`)
	for _, lookups := range []string{
		numbered(30000), numbered(4000) + numbered(4000), named("a:m%d() ", 5000), named("function a:m%d() end ", 1900) + named("a:m%d() ", 5000),
		named("x = %d * 0.37 ", 5000), named("::l%d:: ", 10000), strings.Repeat("x = a"+strings.Repeat("+1", 450)+" ", 50), deep(100, 50, 10000),
	} {
		f(lookups, `the source has too many names and constants`)
	}
	f(strings.Repeat("-", 256<<10+1), `the file has 262145 bytes, want at most 262144`)
}

// outer is a source whose innermost function uses n variables of each of those around it.
func outer(functions, n int) string {
	var b, use strings.Builder
	for level := range functions {
		for i := range n {
			fmt.Fprintf(&b, "local v%d_%d ", level, i)
			fmt.Fprintf(&use, "v%d_%d = 1 ", level, i)
		}
		b.WriteString("local function f() ")
	}
	return b.String() + use.String() + strings.Repeat("end ", functions)
}

// deep is a source of functions in each other, each with n variables, that looks for a global as often as it says.
func deep(functions, n, often int) string {
	inner := strings.Repeat("g() ", often)
	for range functions {
		inner = "return function() " + named("local v%d ", n) + inner + " end"
	}
	return inner
}

// named is n statements, each with its number.
func named(statement string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, statement, i)
	}
	return b.String()
}

// numbered is a source with n constants, which the compiler looks up one by one.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "x=%d ", i)
	}
	return b.String()
}

func TestRequireGivesTheTableOrTheGlobals(t *testing.T) {
	t.Parallel()
	f := func(src string, lib files, want string) {
		t.Helper()
		lib["s.lua"] = src + "\nfunction filter(ctx, principal, candidates) return { keep = candidates, reason = tostring(result) } end"
		out, err := ask(t, lib)
		if err != nil || out.Reason != want {
			t.Errorf("%s: %q, %v, want %q", src, out.Reason, err, want)
		}
	}
	f(`result = require("lib.x").v`, files{"lib/x.lua": `return {v = 1}`}, "1")
	f(`result = require("lib.x").f(2)`, files{"lib/x.lua": `function f(n) return n + 1 end`}, "3")
	f(`result = require("lib.x") == require("lib.x")`, files{"lib/x.lua": ``}, "true")
	f(`result = require("lib.x")`, files{"lib/x.lua": `return "text"`}, "text")
	f(`result = require("lib.deep-er.x_1").v`, files{"lib/deep-er/x_1.lua": `v = 5`}, "5")
	f(`local n = 0 for k in pairs(require("lib.x")) do n = n .. k end result = n`, files{"lib/x.lua": `a = 1 function b() end`}, "0ab")
	f(`result = pcall(function() require("lib.x").a = 2 end)`, files{"lib/x.lua": `a = 1`}, "false")
	f(`result = require("lib.x").ipairs`, files{"lib/x.lua": `a = 1`}, "nil")
	f(`pcall(require, "lib.x") result = select(2, pcall(require, "lib.x"))`, files{"lib/x.lua": `error("twice")`}, "lib/x.lua:1: twice")
	f(`result = select(2, pcall(require, "lib.x")).b`, files{"lib/x.lua": `pcall(require, "lib.none") b = 3`}, "3")
	f(`result = require("lib.a").b.v`, files{"lib/a.lua": `b = require("lib.b")`, "lib/b.lua": `v = 7`}, "7")
}

func TestRequireReachesOnlyTheSnapshot(t *testing.T) {
	t.Parallel()
	f := func(name, want string) {
		t.Helper()
		_, err := ask(t, files{"s.lua": "\nlocal x = require(" + name + ")", "lib/helpers.lua": "", "lib/a.lua": "require('lib.b')",
			"lib/b.lua": "\n\nrequire('lib.c')", "lib/c.lua": "require('lib.a')", "lib/broken.lua": "x = = 1", "lib/fails.lua": "\nerror('at load')"})
		if err == nil {
			t.Fatalf("require(%s): no error", name)
		}
		if got := scriptError(t, err).Error(); got != want {
			t.Errorf("require(%s): %q, want %q", name, got, want)
		}
	}
	f(`"nowhere.x"`, `s.lua:2: there is no file "nowhere/x.lua"`)
	f(`"lib.helper"`, `s.lua:2: there is no file "lib/helper.lua", want lib/helpers.lua`)
	f(`"../secret"`, `s.lua:2: require: bad name "../secret", want names joined by dots, such as lib.x`)
	f(`"lib..x"`, `s.lua:2: require: bad name "lib..x", want names joined by dots, such as lib.x`)
	f(`"/etc/passwd"`, `s.lua:2: require: bad name "/etc/passwd", want names joined by dots, such as lib.x`)
	f(`"lib/x"`, `s.lua:2: require: bad name "lib/x", want names joined by dots, such as lib.x`)
	f(`"lib.é"`, `s.lua:2: require: bad name "lib.é", want names joined by dots, such as lib.x`)
	f(`""`, `s.lua:2: require: bad name "", want names joined by dots, such as lib.x`)
	f(`{}`, `s.lua:2: bad argument #1 to require (string expected, got table)`)
	f(`"s"`, `s.lua:2: the files load each other: s.lua -> s.lua`)
	f(`"lib.a"`, `lib/c.lua:1: the files load each other: lib/a.lua -> lib/b.lua -> lib/c.lua -> lib/a.lua`)
	f(`"lib.broken"`, `lib/broken.lua:1:5: syntax error near "="`)
	f(`"lib.fails"`, `lib/fails.lua:2: at load`)
}

// What a function requires by a name that is written out is loaded with the script, and what is wrong with it is told then. A call gets nothing
// else: nobody would have admitted it, and an edit of it would not be seen.
func TestWhatAFunctionRequiresIsLoadedWithTheScript(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		src := files{"s.lua": "function filter(ctx, principal, candidates)\n  if ctx.model == 'rare' then\n    " + body + "\n  end\n  return candidates\nend",
			"lib/x.lua": "n = 0 n = n + 1 function more() return require('lib.y').v end", "lib/y.lua": "v = require('lib.x').n", "lib/broken.lua": "x = = 1",
			"lib/fails.lua": "\nerror('at load')"}
		for _, fresh := range []bool{false, true} {
			m := manifest(src, nil)
			m.Fresh = fresh
			got := ""
			filter, err := lua.New().InstantiateFilter(m)
			if err == nil {
				r := request()
				r.Model = "rare"
				var out engine.FilterOutput
				out, err = filter.Filter(r, principal(), candidates(upstreams(1)))
				got = out.Reason
			}
			if err != nil {
				got = scriptError(t, err).Error()
			}
			if got != want {
				t.Errorf("%s: %q, want %q", body, got, want)
			}
		}
	}
	f(`return { keep = candidates, reason = require("lib.x").more() .. "" }`, "1")
	f(`return { keep = candidates, reason = require "lib.y".v .. "" }`, "1")
	f(`require("lib.none")`, `s.lua:3: there is no file "lib/none.lua", want lib/broken.lua`)
	f(`require("lib.broken")`, `lib/broken.lua:1:5: syntax error near "="`)
	f(`require("lib.fails")`, `lib/fails.lua:2: at load`)
	f(`require("lib/x")`, `s.lua:3: require: bad name "lib/x", want names joined by dots, such as lib.x`)
	f(`require("lib." .. "x")`, `s.lua:3: require: "lib.x" was not loaded with the script, want its name written out, or a require at the top level`)
}

func TestWhatACompilerOnceMadeIsMadeAgainOnlyWhenItChanges(t *testing.T) {
	t.Parallel()
	rt := lua.New()
	f := func(reason string) {
		t.Helper()
		src := `function filter(ctx, principal, candidates) return { keep = candidates, reason = "` + reason + `" } end`
		made, err := rt.InstantiateFilter(manifest(files{"s.lua": src}, nil))
		if err != nil {
			t.Fatal(err)
		}
		out, err := made.Filter(request(), principal(), candidates(upstreams(1)))
		if err != nil || out.Reason != reason {
			t.Errorf("reason %q, %v, want %q", out.Reason, err, reason)
		}
	}
	f("one")
	f("two")
	f("one")
}

// A principal that is not there makes a field panic, as any mistake in Go code would.
func TestAPanicIsATrapThatNoScriptCatches(t *testing.T) {
	t.Parallel()
	f := func(body string) {
		t.Helper()
		made := filterOf(t, "local count = 0\nfunction filter(ctx, principal, candidates)\ncount = count + 1 "+body+"\nend")
		for range 2 {
			_, err := made.Filter(request(), nil, candidates(upstreams(1)))
			var outer *engine.FilterError
			if !errors.As(err, &outer) || outer.Variant != engine.FilterTrap {
				t.Fatalf("%s: %v, want a trap", body, err)
			}
			if e := scriptError(t, err); !e.Trap || e.Budget != "" || e.Line != 3 || !strings.HasPrefix(e.Message, "filter panicked: ") {
				t.Errorf("%s: %+v, want a panic at line 3", body, e)
			}
		}
		out, err := made.Filter(request(), principal(), candidates(upstreams(1)))
		if err != nil || out.Reason != "1" {
			t.Errorf("%s: afterwards reason %q, %v, want a new state's 1", body, out.Reason, err)
		}
	}
	f(`local name = principal.name return { keep = candidates, reason = tostring(count) }`)
	f(`pcall(function() return principal.name end) return { keep = candidates, reason = tostring(count) }`)
	f(`xpcall(function() return principal.name end, print) return { keep = candidates, reason = tostring(count) }`)
}

func TestALongMessageHasThePlaceOfAShortOne(t *testing.T) {
	t.Parallel()
	for _, raise := range []string{`pcall(error, s)`, `pcall(function() error(s) end)`, `pcall(function()
  local function f() error(s, 2) end
  f()
end)`, `pcall(error, s, 0)`,
		`pcall(error, s, 100)`, `pcall(assert, false, s)`} {
		got, err := eval(t, `local function raised(s)
			local _, message = `+strings.ReplaceAll(raise, `\n`, "\n")+`
			return message
		end
		local s = ("x"):rep(1000000)
		return tostring(raised(s) == raised("") .. s)`)
		if err != nil || got != "true" {
			t.Errorf("%s: %q, %v", raise, got, err)
		}
	}
}

func TestALongMessageIsCut(t *testing.T) {
	t.Parallel()
	_, err := ask(t, files{"s.lua": `function filter(ctx) error(("x"):rep(1e6)) end`})
	if e := scriptError(t, err); len(e.Message) != engine.MaxErrorMessage {
		t.Errorf("the message has %d bytes", len(e.Message))
	}
}
