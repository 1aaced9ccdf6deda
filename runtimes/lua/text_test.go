package lua_test

import (
	"strings"
	"testing"
)

// values checks what expressions of a filter give, as tostring prints it.
func values(t *testing.T) func(expression, want string) {
	return func(expression, want string) {
		t.Helper()
		got, err := eval(t, "local out = {"+expression+"} for i = 1, select('#', "+expression+") do out[i] = tostring(out[i]) end return table.concat(out, ' ')")
		if err != nil {
			t.Errorf("%s: %v", expression, err)
		} else if got != want {
			t.Errorf("%s = %q, want %q", expression, got, want)
		}
	}
}

// failures checks the messages that bodies of a filter fail with, without their place.
func failures(t *testing.T) func(body, want string) {
	return func(body, want string) {
		t.Helper()
		got, err := eval(t, body)
		if err == nil {
			t.Errorf("%s = %q, want the error %q", body, got, want)
		} else if e := scriptError(t, err); e.Message != want || e.File != "s.lua" || e.Line != 1 {
			t.Errorf("%s: %s, want s.lua:1: %s", body, e, want)
		}
	}
}

func TestLongTextsAreFoundAndReversed(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`(("a"):rep(1e5) .. "b" .. ("c"):rep(1e5)):find(("a"):rep(7e4) .. "b" .. ("c"):rep(7e4), 1, true)`, "30001 170001")
	f(`(("a"):rep(1e5) .. "b" .. ("c"):rep(1e5)):find(("a"):rep(7e4) .. "c", 1, true)`, "nil")
	f(`(("ab"):rep(1e5)):find(("ab"):rep(5e4) .. "b", 1, true)`, "nil")
	f(`(("ab"):rep(1e5)):find(("ab"):rep(1e5), 1, true)`, "1 200000")
	f(`(("ab"):rep(1e5)):find(("ab"):rep(1e5) .. "a", 1, true)`, "nil")
	f(`("x" .. ("ab"):rep(1e5)):find("", 7e4, true)`, "70000 69999")
	f(`#((("a"):rep(1e5) .. ("a"):rep(1e5) .. "b"):match("^(a+)%1b$"))`, "100000")
	f(`(("a"):rep(1e5) .. "b"):reverse() == "b" .. ("a"):rep(1e5)`, "true")
	f(`(("abc"):rep(5e4)):reverse() == ("cba"):rep(5e4)`, "true")
	f(`(("abc"):rep(5e4)):gsub("^x", "") == ("abc"):rep(5e4)`, "true")
}

func TestLongTextsAreOrderedByWhatTheyBeginWith(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`("a"):rep(5e6) < ("b"):rep(5e6)`, "true")
	f(`("a"):rep(5e6) >= ("b"):rep(5e6)`, "false")
	f(`("a"):rep(2e5) < ("a"):rep(200001)`, "true")
	f(`("a"):rep(2e5) .. "c" < ("a"):rep(2e5) .. "b"`, "false")
	refused := failures(t)
	refused(`local a = ("x"):rep(3e5) return a < a`, "texts of 300000 bytes are not ordered that begin with the same 256 KiB")
	refused(`local a = ("x"):rep(3e5) return a <= a .. "x"`, "texts of 300000 bytes are not ordered that begin with the same 256 KiB")
	refused(`local a = ("x"):rep(3e5) table.sort({a, a})`, "table.sort: texts of 300000 bytes are not ordered that begin with the same 256 KiB")
}

func TestPatternsMatchAsInTheReference(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`("hello"):find("l")`, "3 3")
	f(`("hello"):find("l", 4)`, "4 4")
	f(`("hello"):find("l", -2)`, "4 4")
	f(`("hello"):find("x")`, "nil")
	f(`("hello"):find("")`, "1 0")
	f(`("hello"):find("", 6)`, "6 5")
	f(`("hello"):find("", 60)`, "6 5")
	f(`("a.b"):find(".", 1, true)`, "2 2")
	f(`("a+b"):find("+", 1, true)`, "2 2")
	f(`("key = value"):find("(%w+)%s*=%s*(%w+)")`, "1 11 key value")
	f(`("claude-cli/2.0.31 (external)"):match("claude%-cli/(%d+)%.(%d+)%.(%d+)")`, "2 0 31")
	f(`("  trim me  "):match("^%s*(.-)%s*$")`, "trim me")
	f(`("hello"):match("()ll()")`, "3 5")
	f(`("f(a(b)c)d"):match("%b()")`, "(a(b)c)")
	f(`("THE (quick) fox"):find("%((%a+)%)")`, "5 11 quick")
	f(`("THE (quick) fox"):match("%f[%a]%a+%f[%A]", 5)`, "quick")
	f(`("hello hello"):match("(%w+) %1")`, "hello")
	f(`("abc"):match("[a-b]+")`, "ab")
	f(`("abc"):match("[^a-b]+")`, "c")
	f(`("a]b"):match("[]]")`, "]")
	f(`("a-b"):match("[a-]+")`, "a-")
	f(`("a^b"):match("[b^]+")`, "^b")
	f(`("x%y"):match("%%")`, "%")
	f(`("a$"):match("a$")`, "nil")
	f(`("a$b"):match("a$b")`, "a$b")
	f(`("aaa"):match("a-")`, "")
	f(`("aaab"):match("a-b")`, "aaab")
	f(`("ab"):match("a?b?c?")`, "ab")
	f(`("0xFF g"):match("%x+", 3)`, "FF")
	f(`("aé"):match("[\128-\255]+")`, "é")
	f(`("tab\t!"):match("%c")`, "\t")
	f(`("A_b"):match("%u%p%l")`, "A_b")
	f(`("a\0b"):match("%z")`, "\x00")
	f(`("abc"):match("%D%S%W")`, "nil")
	f(`("abc"):match(".", 10)`, "nil")
	f(`("x"):match("(x)(y?)")`, "x ")
	f(`("héllo"):len()`, "6")
}

func TestGmatchWalksOverAllMatches(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		got, err := eval(t, `local out = {} for a, b in `+body+` do out[#out + 1] = tostring(a) .. (b and "=" .. b or "") end return table.concat(out, "|")`)
		if err != nil || got != want {
			t.Errorf("%s = %q, %v, want %q", body, got, err, want)
		}
	}
	f(`("one two  three"):gmatch("%a+")`, "one|two|three")
	f(`("a=1, b=2"):gmatch("(%w+)=(%w+)")`, "a=1|b=2")
	f(`("abc"):gmatch("")`, "|||")
	f(`("abc"):gmatch("()")`, "1|2|3|4")
	f(`("abc"):gmatch("x*")`, "|||")
	f(`("abc"):gmatch("x")`, "")
}

func TestGsubReplaces(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`("hello world"):gsub("o", "0")`, "hell0 w0rld 2")
	f(`("hello world"):gsub("o", "0", 1)`, "hell0 world 1")
	f(`("hello"):gsub("", "-")`, "-h-e-l-l-o- 6")
	f(`("hello world"):gsub("(%w+)", "<%1>")`, "<hello> <world> 2")
	f(`("hello"):gsub("l", "%0%0")`, "hellllo 2")
	f(`("hello world"):gsub("(%w+) (%w+)", "%2 %1")`, "world hello 1")
	f(`("$name is $age"):gsub("%$(%w+)", {name = "x", age = 3})`, "x is 3 2")
	f(`("$name is $age"):gsub("%$(%w+)", {name = "x"})`, "x is $age 2")
	f(`("abc"):gsub("%w", function(c) if c ~= "b" then return c:upper() end end)`, "AbC 3")
	f(`("abc"):gsub("^a", "x")`, "xbc 1")
	f(`("aaa"):gsub("^a", "x")`, "xaa 1")
	f(`("abc"):gsub("b*", "-")`, "-a--c- 4")
	f(`("abc"):gsub("x", "y")`, "abc 0")
	f(`("abc"):gsub("b", "%%")`, "a%c 1")
	f(`("abc"):gsub("b", 5)`, "a5c 1")
	f(`("abc"):gsub("b", "x", 0)`, "abc 0")
}

func TestMalformedPatternsAreErrors(t *testing.T) {
	t.Parallel()
	f := failures(t)
	f(`("a"):find("%")`, "malformed pattern: it ends in %")
	f(`("a"):find("[a")`, `malformed pattern: "[" is not closed`)
	f(`("a"):find("[a%")`, `malformed pattern: "[" is not closed`)
	f(`("a"):find("(a")`, "malformed pattern: a capture is not closed")
	f(`("a"):match("a)")`, `malformed pattern: ")" closes nothing`)
	f(`("a"):find("%1")`, "the pattern has no capture %1")
	f(`("a"):find("%b(")`, "malformed pattern: %b wants two characters")
	f(`("a"):find("%fa")`, "malformed pattern: %f wants a set")
	f(`("a"):gsub("a", "%2")`, "the pattern has no capture %2")
	f(`("a"):gsub("a", true)`, "string.gsub: the replacement is a bool, want a string, a table or a function")
	f(`("a"):gsub("a", {a = {}})`, "string.gsub: a replacement is a map, want a string")
	f(`("a"):match(("()"):rep(33))`, "the pattern has more than 32 captures")
	f(`("a"):match(("a?"):rep(300))`, "the pattern is too complex")
}

func TestFormatWritesWhatLuaDoes(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`string.format("%d%%", 90.5)`, "90%")
	f(`string.format("%5d|%-5d|%05d", 42, 42, 42)`, "   42|42   |00042")
	f(`string.format("%.2f %5.1f", 3.14159, 2)`, "3.14   2.0")
	f(`string.format("%g %g %g", 0.1, 1e20, 1/3)`, "0.1 1e+20 0.333333")
	f(`string.format("%e", 12345.678)`, "1.234568e+04")
	f(`string.format("%x %X %o", 255, 255, 8)`, "ff FF 10")
	f(`string.format("%s %s %s", "a", 1, nil)`, "a 1 nil")
	f(`string.format("%s", candidates[1])`, "<candidate>")
	f(`string.format("%10s|%-10s|%.2s", "abc", "abc", "abc")`, "       abc|abc       |ab")
	f(`string.format("%q", 'a "b"\n\\')`, `"a \"b\"\`+"\n"+`\\"`)
	f(`string.format("%c%c", 72, 105)`, "Hi")
	f(`string.format("%i", -3)`, "-3")
	f(`("%s=%s"):format("a", true)`, "a=true")
	f(`string.format("100%%")`, "100%")
	g := failures(t)
	g(`return string.format("%d", "x")`, "bad argument #2 to format (number expected, got string)")
	g(`return string.format("%d")`, "string.format: %d has no argument")
	g(`return string.format("%y", 1)`, "string.format: unknown directive %y")
	g(`return string.format("%")`, `string.format: bad directive "%"`)
	g(`return string.format("%999d", 1)`, `string.format: bad directive "%999d"`)
}

func TestTextsJoin(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`"a" .. "b" .. "c"`, "abc")
	f(`1 .. 2`, "12")
	f(`"a" .. 1.5 .. "b" .. 100`, "a1.5b100")
	f(`("a" .. "b"):upper() .. "c"`, "ABc")
	f(`("@az[ {AZ\0é"):upper()`, "@AZ[ {AZ\x00É")
	f(`("@az[ {AZ\0É"):lower()`, "@az[ {az\x00é")
	f("('@az[`{AZ~'):upper()", "@AZ[`{AZ~")
	f(`("@az[{AZ~"):lower()`, "@az[{az~")
	f(`"n" .. #candidates`, "n4")
	f(`"a" .. (function() return "b", "c" end)()`, "ab")
	f(`"a" .. json.decode("12345678901234567890")`, "a12345678901234567890")
	f(`setmetatable({}, {__concat = function(a, b) return "joined " .. tostring(b) end}) .. "x" .. "y"`, "joined xy")
	f(`"x" .. setmetatable({}, {__concat = function(a, b) return a .. "!" end})`, "x!")
	f(`table.concat({1, 2, 3}, "-")`, "1-2-3")
	f(`table.concat({"a", "b", "c"}, ",", 2, 3)`, "b,c")
	f(`table.concat({})`, "")
	f(`table.concat(config.regions, "+")`, "eu+us")
	g := failures(t)
	g(`return "a" .. nil`, "cannot join a string and nothing")
	g(`return {} .. "a"`, "cannot join a map and a string")
	g(`return "a" .. candidates[1]`, "cannot join a string and a candidate")
	g(`return table.concat({1, {}, 3})`, "table.concat: element 2 is a map, want a string or a number")
	g(`return table.concat(candidates)`, "table.concat: element 1 is a candidate, want a string or a number")
	g(`return table.concat(5)`, "table.concat takes a list, got a number")
}

func TestTextsBecomeNumbers(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`tonumber("12"), tonumber(" -1.5\n"), tonumber(".5"), tonumber("5."), tonumber("010"), tonumber("+1")`, "12 -1.5 0.5 5 10 1")
	f(`tonumber("1e1"), tonumber("1E-2"), tonumber("12345678901234567890") == 12345678901234567890, tonumber("1e999") == math.huge`, "10 0.01 true true")
	f(`tonumber("0x1F"), tonumber("ff", 16), tonumber("1e1", 16), tonumber("10", 2)`, "31 255 481 2")
	f(`tonumber(""), tonumber(" "), tonumber("1e"), tonumber("- 1"), tonumber("--1"), tonumber("1 2"), tonumber("1_000"), tonumber("a")`,
		"nil nil nil nil nil nil nil nil")
}

func TestPrintedValuesHaveNoAddresses(t *testing.T) {
	t.Parallel()
	f := values(t)
	f(`tostring({})`, "table")
	f(`tostring(print)`, "function")
	f(`tostring(nil)`, "nil")
	f(`tostring(ctx)`, "<ctx>")
	f(`tostring(candidates)`, "<list>")
	f(`tostring(config)`, "<map>")
	f(`tostring(json.null)`, "null")
	f(`tostring(1e15)`, "1000000000000000")
	f(`tostring(0.1)`, "0.1")
	f(`tostring(setmetatable({}, {__tostring = function() return "own" end}))`, "own")
}

func TestOneOperationCannotTakeAllMemory(t *testing.T) {
	t.Parallel()
	f := failures(t)
	f(`return ("x"):rep(1e9)`, "string.rep: the text is longer than 16 MiB")
	f(`return ("x"):rep(8e18)`, "string.rep: the text is longer than 16 MiB")
	f(`local s = ("x"):rep(1e6) local t = {} for i = 1, 100 do t[i] = s end return table.concat(t)`, "table.concat: the text is longer than 16 MiB")
	f(`local s = ("x"):rep(1e6) local t = {} for i = 1, 100 do t[i] = "" end return table.concat(t, s)`, "table.concat: the text is longer than 16 MiB")
	f(`local s = ("x"):rep(1e5) return s:gsub("x", s)`, "string.gsub: the text is longer than 16 MiB")
	f(`local s = ("x"):rep(1e5) return s:gsub("x", function() return s end)`, "string.gsub: the text is longer than 16 MiB")
	f(`local s = ("x"):rep(1e6) return string.format(("%s"):rep(100), unpack((function() local t = {} for i = 1, 100 do t[i] = s end return t end)()))`,
		"string.format: the text is longer than 16 MiB")
	f(`local s = "x" while true do s = s .. s end`, "..: the text is longer than 16 MiB")
	f(`local s = "x" while true do s = s .. s .. s .. s .. s .. s end`, "..: the text is longer than 16 MiB")
	f(`return unpack({}, 1, 1e8)`, "unpack gives at most 8000 values")
	f(`return string.byte(("x"):rep(1e6), 1, -1)`, "string.byte gives at most 8000 values")
	f(`local function f() return f() + 1 end return f()`, "stack overflow: calls go 128 deep, want a loop")
	f(`local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x`, "stack overflow: calls go 128 deep, want a loop")
	got, err := eval(t, `local t = {} t[60000000] = 1 t[1e15] = 2 return #t .. t[60000000] .. t[1e15]`)
	if err != nil || got != "012" {
		t.Errorf("a far position: %q, %v", got, err)
	}
}

func TestAWidePatternEndsByTheBudget(t *testing.T) {
	t.Parallel()
	f := func(body string) {
		t.Helper()
		_, err := eval(t, body)
		if err == nil {
			t.Fatalf("%s: no error", body)
		}
		if e := scriptError(t, err); e.Budget != "steps" || !strings.Contains(e.Message, "budgets.steps: 2000000") {
			t.Errorf("%s: %v", body, err)
		}
	}
	f(`return ("a"):rep(28):find(("a?"):rep(28) .. ("a"):rep(28))`)
	f(`return ("a"):rep(400):find((".-"):rep(6) .. "b")`)
	f(`return ("a"):rep(1e6):find(".-b")`)
	f(`return ("a"):rep(1e5):gsub("a*b", "")`)
	f(`for _ in ("a"):rep(1e5):gmatch("a*b") do end`)
	f(`return pcall(string.find, ("a"):rep(400), (".-"):rep(6) .. "b")`)
}
