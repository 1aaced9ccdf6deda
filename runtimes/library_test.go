package runtimes_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"sluice/runtimes"
)

func TestLibraryFunctions(t *testing.T) {
	c := &runtimes.Call{Patterns: &runtimes.Patterns{}}
	f := func(lib, name, want string, args ...runtimes.Value) {
		t.Helper()
		m := library(t, lib, name)
		bound, err := m.Bind(args, nil)
		var v runtimes.Value
		if err == nil {
			v, err = m.Call(c, nil, bound)
		}
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = jsonOf(t, v)
		}
		if got != want {
			t.Errorf("%s.%s: got %s, want %s", lib, name, got, want)
		}
	}
	f("", "hash", "8418803346717469", str(""))
	f("", "hash", "2333437454471428", str("sluice"))
	f("json", "decode", `{"a":[1,null]}`, str(`{"a":[1,null]}`))
	f("json", "decode", "json.decode: offset 0: expected a value, found end of input", str(""))
	f("json", "encode", `"[1,\"a\"]"`, seq(num(1), str("a")))
	f("json", "encode", "json.encode: a function cannot be written as JSON", seq(runtimes.OfOwn(1)))
	for s, want := range map[string]string{
		`{"ab":"x","x": ["ab\u0062", 1.0],"x":"\n\u00e9 ab"}`: `{"[]":"x","x": ["[]\u0062", 1.0],"x":"\n\u00e9 []"}`, // the bytes of other strings stay
		`{"a":"b", "c":"\u0061\u0063"}`:                       `{"a":"b", "c":"\u0061\u0063"}`,
		`"\u0061b"`:                                           `"[]"`,
		`{"s":"{\"t\":\"\\u0061b\\n\"}"}`:                     `{"s":"{\"t\":\"[]\\n\"}"}`,
		`{"s":"{\"t\":\"\\u0022ab\"}"}`:                       `{"s":"{\"t\":\"\\u0022[]\"}"}`,
		"\ufeff{\"a\":\"ab\"}":                                "\ufeff{\"a\":\"[]\"}",
		`{"a":"cut ab`:                                        `{"a":"cut []`,
		`{"a":"cut \u0061b\u00`:                               `{"a":"cut []\u00`,
		`no "json` + "\n" + `" ab "`:                          `no "json` + "\n" + `" [] "`,
		`<a href="ab">ab</a>`:                                 `<a href="[]">[]</a>`,
		``:                                                    ``,
	} {
		f("json", "replace", jsonOf(t, str(want)), str("ab"), str(s), str("[]"))
		f("json", "replace", jsonOf(t, str(want)), str("(a)[b]"), str(s), str("[]"))
	}
	for expr, inside := range map[string]string{"a/b": `a\/b`, `a"b`: `a\"b`, `a\\b`: `a\\b`, "a\nb": `a\nb`, "ł+": `\u0142`, "é": `\u00e9`, "😀": `\ud83d\ude00`, "a,b": `\u0061,b`} {
		f("json", "replace", jsonOf(t, str(`["[]"]`)), str(expr), str(`["`+inside+`"]`), str("[]"))
		f("json", "replace", jsonOf(t, str(`["[]"]`)), str("(?:"+expr+"|never)"), str(`["`+inside+`"]`), str("[]")) // nothing stands in all matches
	}
	for s, want := range map[string]string{ // what is there of a group, and the escapes around, stay as they were written
		`"\\u00e9ab"`: `"\\u00e9[\\u00e9]"`, `"\\nab"`: `"\\n[\\n]"`, `"\nab"`: `"\n[\n]"`, `"\\\\nab"`: `"\\\\n[\\\\n]"`, `\nab`: `\n[\n]`, `"n\u0061b"`: `"n\u0061b"`,
	} {
		f("json", "replace", jsonOf(t, str(want)), str("([^a-z])ab"), str(s), str("${1}[${1}]"))
	}
	for _, expr := range []string{`x\\n[a-z]+`, `[x]\\[a-z]+`, `x[\\/][a-z]+`} { // what names a backslash finds one
		f("json", "replace", jsonOf(t, str(`"[] [\"]"`)), str(expr), str(`"x\\name [\"]"`), str("[]"))
	}
	f("json", "replace", jsonOf(t, str(`"x\\n[]"`)), str(`[^\[\]\s]+@`), str(`"x\\nab@"`), str("[]")) // what only leaves others out names none
	f("json", "replace", `"b b"`, seq(str("a"), str("c")), str("a a"), seq(str("c"), str("b")))
	f("json", "replace", `"a"`, seq(), str("a"), seq())
	f("json", "replace", "json.replace: p and with are not two strings, nor two lists of one length", seq(str("a")), str("a"), str("b"))
	f("json", "replace", "json.replace: p and with are not two strings, nor two lists of one length", seq(str("a")), str("a"), seq())
	f("json", "replace", "json.replace: a list holds a number, want strings", seq(num(1)), str("a"), seq(str("b")))
	f("json", "replace", "json.replace: a list holds nothing, want strings", seq(str("a")), str("a"), seq(nothing))
	f("json", "replace", "json.replace: the text is longer than 32 MiB", str("a"), str(strings.Repeat("a", 60_000)), str(strings.Repeat("b", 1000)))
	f("json", "replace", "json.replace: an expression of 5000 bytes, want at most 4096", str(strings.Repeat("a", 5000)), str(""), str(""))
	f("re", "test", "true", str("(?i)[x]AB[y]|(?i)k+"), str("\u212a"))
	f("re", "test", "true", str("\ufffd"), str("\xff"))
	f("re", "test", "true", str("a(b|)c*"), str("a"))
	f("re", "find", `["a1","1",null]`, str(`a(\d)(b)?`), str("xa1"))
	f("re", "find", "null", str("b"), str("a"))
	f("re", "find_all", `[["a"],["a"]]`, str("a"), str("aba"))
	f("re", "replace", `"x-1x-2"`, str(`a(\d)`), str("a1a2"), str("x-$1"))
	f("re", "replace", `"[]a[]"`, str(`b*`), str("a"), str("[]"))
	f("re", "test", "re.test: an expression of 5000 bytes, want at most 4096", str(strings.Repeat("a", 5000)), str(""))
	f("re", "find_all", "re.find_all: more than 65536 matches", str("a"), str(strings.Repeat("a", 70_000)))
	f("re", "replace", "re.replace: the text is longer than 32 MiB", str("a"), str(strings.Repeat("a", 60_000)),
		str(strings.Repeat("b", 1000)))
	f("url", "escape", `"a%2Fb"`, str("a/b"))
	f("url", "escape", `"%2E%2E"`, str(".."))
	f("url", "query", `"a=1&b=x%26&c=true&c=0.5"`, obj(key("a", num(1)), key("b", str("x&")), key("n", nothing), key("c",
		seq(runtimes.OfBool(true), runtimes.OfFloat(0.5)))))
	f("url", "query", `url.query: the map has a key that is a bool, want a string`, obj(key(badKey, num(1))))
}

// What takes long looks at the clock in between, and gives up when the call is over.
func TestLongTextsAreEscapedWithLooksAtTheClock(t *testing.T) {
	const size, least = 4 << 20, 100
	looks, last, over := 0, -1, errors.New("over")
	c := &runtimes.Call{Look: func() error {
		if looks++; looks == last {
			return over
		}
		return nil
	}}
	long := strings.Repeat("é", size/2)
	f := func(name string, arg runtimes.Value) {
		t.Helper()
		m := library(t, "url", name)
		looks, last = 0, -1
		v, err := m.Call(c, nil, []runtimes.Value{arg})
		if want := strings.Repeat("%C3%A9", size/2); err != nil || looks < least || strings.TrimPrefix(v.Str, "a=") != want {
			t.Errorf("url.%s: %v after %d looks, want at least %d and the text", name, err, looks, least)
		}
		looks, last = 0, least/2
		if _, err := m.Call(c, nil, []runtimes.Value{arg}); !errors.Is(err, over) || looks != last {
			t.Errorf("url.%s: %v after %d looks, want it to end at look %d", name, err, looks, last)
		}
	}
	f("escape", str(long))
	f("query", obj(key("a", str(long))))
}

func TestNativeWorkIsPaidFor(t *testing.T) {
	var spent int64
	over := errors.New("over")
	c := &runtimes.Call{Request: runtimes.SampleRequest(), Spend: func(n int64) error {
		if spent += n; spent > 1_000_000 {
			return over
		}
		return nil
	}}
	long := str(strings.Repeat("a", 4<<20))
	f := func(lib, name string, args ...runtimes.Value) {
		t.Helper()
		spent = 0
		bound, err := library(t, lib, name).Bind(args, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = library(t, lib, name).Call(c, nil, bound); !errors.Is(err, over) && spent < 1000 {
			t.Errorf("%s.%s took 4 MiB for %d steps: %v", lib, name, spent, err)
		}
	}
	f("", "hash", long)
	f("json", "decode", str(`"`+long.Str+`"`))
	f("json", "encode", long)
	f("re", "test", str("b"), long)
	f("re", "replace", str("b"), long, str("c"))
	f("url", "escape", long)
}

func TestDecodingTheWholeBodyExtendsTheBudgetOnce(t *testing.T) {
	var extended []int
	c := &runtimes.Call{Request: runtimes.SampleRequest(), Extend: func(n int) { extended = append(extended, n) }}
	for range 3 {
		if _, err := call(t, c, runtimes.TypeBody, runtimes.BodyOf(c), "json"); err != nil {
			t.Fatal(err)
		}
	}
	if len(extended) != 1 || extended[0] != len(c.Request.Body) {
		t.Errorf("extended by %v, want once by %d", extended, len(c.Request.Body))
	}
}

func TestPatternsAreSharedAndBounded(t *testing.T) {
	patterns := &runtimes.Patterns{}
	test := library(t, "re", "test")
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			c := &runtimes.Call{Patterns: patterns}
			for i := range 600 {
				v, err := test.Call(c, nil, []runtimes.Value{str(fmt.Sprintf("^a%d$", i)), str(fmt.Sprintf("a%d", i))})
				if err != nil || !v.Bool() {
					t.Errorf("%d: %v, %v", i, v.Bool(), err)
				}
			}
		})
	}
	wait.Wait()
	c := &runtimes.Call{Patterns: patterns}
	args := []runtimes.Value{str("^x+$"), str("xxx")}
	if n := testing.AllocsPerRun(100, func() { _, _ = test.Call(c, nil, args) }); n > 0 {
		t.Errorf("a compiled expression costs %v allocations, want none", n)
	}
}

func TestLoggingIsCappedAndEscaped(t *testing.T) {
	var lines []string
	c := &runtimes.Call{Hook: "filter",
		Log: func(file string, line int, message string) {
			lines = append(lines, fmt.Sprintf("%s:%d %s", file, line, message))
		},
		Position: func() (string, int) { return "x.star", 7 },
	}
	log := library(t, "", "log")
	say := func(v runtimes.Value) {
		t.Helper()
		if _, err := log.Call(c, nil, []runtimes.Value{v}); err != nil {
			t.Fatal(err)
		}
	}
	say(str("a\nb\x1b\x7f\u0085é"))
	say(obj(key("a", seq(num(1), str("x"), nothing)), key("f", runtimes.OfOwn(1))))
	say(runtimes.OfHost(runtimes.TypeCandidate, runtimes.NewUpstream(&runtimes.Call{}, runtimes.SampleUpstreams()[1])))
	say(str(strings.Repeat("\n", 2000)))
	for i := range 10 {
		say(num(int64(i)))
	}
	c.Close()
	if len(lines) != 11 {
		t.Fatalf("%d lines, want 11: %q", len(lines), lines)
	}
	f := func(i int, want string) {
		t.Helper()
		if lines[i] != want {
			t.Errorf("line %d is %q, want %q", i, lines[i], want)
		}
	}
	f(0, `x.star:7 a\x0ab\x1b\x7f\x85é`)
	f(1, `x.star:7 {"a": [1, "x", null], "f": <function>}`)
	f(2, `x.star:7 <candidate "direct">`)
	f(9, `x.star:7 5`)
	f(10, "x.star:0 4 more lines of filter were dropped, a call may log 10")
	if got := len(lines[3]) - len("x.star:7 "); got != runtimes.MaxLogLine {
		t.Errorf("a long line has %d bytes, want %d", got, runtimes.MaxLogLine)
	}
}
