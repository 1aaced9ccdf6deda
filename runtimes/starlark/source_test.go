package starlark_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/runtimes/starlark"
)

// TestALargeSourceIsCompiledOrRefused: files of the largest size that are allowed, each of one construct, end in bounded memory.
func TestALargeSourceIsCompiledOrRefused(t *testing.T) {
	f := func(name, head, unit, tail, want string) {
		t.Helper()
		src := head + strings.Repeat(unit, (256<<10-len(head)-len(tail)-1)/len(unit)) + tail + "\n"
		var err error
		spent := allocated(func() {
			_, err = starlark.New().Load(files{"s.star": src}.snapshot(), "s.star", nil, usualLoad)
		})
		got := ""
		if err != nil {
			got = scriptError(t, err).Message
		}
		if got != want && !(want != "" && strings.HasPrefix(got, want)) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		if most := int64(256 << 20); spent > most && !raced {
			t.Errorf("%s: allocated %d MiB, want at most %d", name, spent>>20, most>>20)
		}
	}
	const deep, nested = "the source is nested deeper than 500", "excessive nesting"
	f("a sum", "x = 1", "+1", "", deep)
	f("a sum of texts", "x = 'a'", "+'a'", "", deep)
	f("an index of an index", "def f(x):\n return x", "[0]", "", deep)
	f("a call of a call", "def f(x):\n return x", "()", "", deep)
	f("a field of a field", "def f(x):\n return x", ".a", "", deep)
	f("a slice of a slice", "def f(x):\n return x", "[:]", "", deep)
	f("and", "def f(x):\n return x", " and x", "", deep)
	f("elif", "def f(x):\n  if x: pass\n", "  elif x: pass\n", "", deep)
	f("not", "x = ", "not ", "1", nested)
	f("minus", "x = ", "-", "1", nested)
	f("parentheses", "x = ", "(", "", nested)
	f("brackets", "x = ", "[", "", nested)
	f("dicts in dicts", "x = ", "{1:", "", nested)
	f("lambda", "x = ", "lambda: ", "1", nested)
	f("if else", "x = ", "1 if 1 else ", "1", nested)
	f("lists", "x = [", "[],", "]", "")
	f("numbers", "x = [", "1,", "]", "")
	f("clauses", "x = [1 ", " for i in [1]", "]", "a comprehension of ")
	f("conditions", "x = [1 for i in [1]", " if 1", "]", "a comprehension of ")
	f("statements", "", "1;", "", "")
	f("lines", "", "\n", "", "")
	f("a number", "x = ", "9", "", "an integer of 870")
	f("arguments", "def f(x):\n return f(", "a=1,", ")", `keyword argument "a" is repeated`)
	f("targets", "", "a,", "b = 1", "cannot reassign global a declared at s.star:1:1")
	var params strings.Builder
	for i := range 300 {
		fmt.Fprintf(&params, "a%d,", i)
	}
	f("parameters", "def f("+params.String(), "b,", "): pass", "a function of ")
	var names strings.Builder
	for i := range 25_000 {
		fmt.Fprintf(&names, "u%d,", i)
	}
	f("unknown names", "def f(): return ["+names.String(), "a,", "]", "undefined: u0")
	f("unknown names among many", strings.ReplaceAll(names.String(), ",", "=1\n")+"def f(): return [", "a,", "]", "undefined: a")
}

func TestWhatAScriptLoadsIsBounded(t *testing.T) {
	t.Parallel()
	f := func(files files, want string) {
		t.Helper()
		if got := loadError(t, files).Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	half := strings.Repeat("#", 150<<10) + "\nx = 1\n"
	f(files{"s.star": "load(\"a.star\", \"x\")\nload(\"b.star\", y = \"x\")\n", "a.star": half, "b.star": half},
		`s.star:2:1: cannot load b.star: with file "b.star" the script has 307258 bytes, want at most 262144`)
	many := files{"s.star": "load(\"lib/0.star\", \"x\")\n"}
	for i := range 100 {
		many[fmt.Sprintf("lib/%d.star", i)] = fmt.Sprintf("load(\"lib/%d.star\", \"x\")\n", i+1)
	}
	f(many, `lib/62.star:1:1: cannot load lib/63.star: with file "lib/63.star" the script has more than 64 files`)
}

// A chain of thousands of calls is told by its ends.
func TestAnErrorTellsOfFewCalls(t *testing.T) {
	t.Parallel()
	var src strings.Builder
	src.WriteString("def f0():\n    fail(\"no\")\n")
	for i := range 100 {
		fmt.Fprintf(&src, "def f%d(): f%d()\n", i+1, i)
	}
	src.WriteString("def filter(ctx, principal, candidates): f100()\n")
	stack := scriptError(t, attack(src.String(), usual)).Stack
	if n := len(stack); n != 32 || stack[0] != "s.star:2:9: in f0" || stack[15] != "(71 more calls)" || stack[n-1] != "s.star:103:45: in filter" {
		t.Errorf("%d frames: %q", n, stack)
	}
}
