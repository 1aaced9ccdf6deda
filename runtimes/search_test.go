package runtimes

import (
	"errors"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// What is found one match after the other, by a machine as well, is what the library finds.
func FuzzSearch(f *testing.F) {
	for _, expr := range []string{"a", "a*", "", "b|", "(a)(b)?", "é+", "(?i)k", `\b`, "^a", "(?m)^.", "a$", "(?m)$", ".", "(?s).", `[^a]`, "x*?", `\Bb`, `(?m)^b|a`, `\Qa^`, `a(\b|b)?`, `\B`, `(?m)(^|b)(a*)`, `\b\Qa`, "(|a)+", `\xff`, "\ufffd"} {
		for _, s := range []string{"", "a", "abab", "aab b\na", "ééaé", "\xffa\xc3", "xxbx"} {
			f.Add(expr, s)
		}
	}
	f.Fuzz(func(t *testing.T, expr, s string) {
		re, err := compilePattern(expr)
		if err != nil || len(s) > 1<<10 {
			return
		}
		c, hard := &Call{}, *re
		hard.insts = 1 << 30 // too many for the library
		all := re.FindAllStringSubmatchIndex(s, -1)
		for name, re := range map[string]*compiled{"": re, ", by a machine": &hard} {
			if got, err := c.matchesOf(re, s); err != nil || !reflect.DeepEqual(got, all) {
				t.Errorf("%q in %q%s: %v, %v, want %v", expr, s, name, got, err, all)
			}
		}
		if got, err := c.hasMatch(&hard, s); err != nil || got != (len(all) > 0) {
			t.Errorf("%q is in %q, by a machine: %v, %v", expr, s, got, err)
		}
	})
}

// A search through a long text looks at the clock, and ends when the call does.
func TestSearchesLookAtTheClock(t *testing.T) {
	long := strings.Repeat("ab", 1<<19)
	f := func(name, expr, s string, least int) {
		t.Helper()
		re, err := compilePattern(expr)
		if err != nil {
			t.Fatal(err)
		}
		looks, last, over := 0, -1, errors.New("over")
		c := &Call{Look: func() error {
			if looks++; looks == last {
				return over
			}
			return nil
		}}
		ask := map[string]func() error{
			"test":     func() error { _, err := c.hasMatch(re, s); return err },
			"find":     func() error { _, err := c.firstMatch(re, s); return err },
			"find_all": func() error { _, err := c.everyMatch("re.find_all", re, s); return err },
		}[name]
		if err := ask(); err != nil || looks < least {
			t.Errorf("%s of %q: %v after %d looks, want at least %d", name, expr, err, looks, least)
		}
		looks, last = 0, least/2
		if err := ask(); !errors.Is(err, over) || looks != last {
			t.Errorf("%s of %q: %v after %d looks, want it to end at look %d", name, expr, err, looks, last)
		}
	}
	f("test", "[cd]", long, len(long)/machineWork-1)
	f("find", "a+c?d|a[ab]*[cd]", long, len(long)/machineWork-1) // each match begins with an a
	f("find", "(?:[ab]*c)?d|[cd]", long, len(long)/machineWork-1)
	f("find_all", "[cd]", long, len(long)/machineWork-1)
	f("find_all", "a|b", long[:maxMatches], maxMatches/16)
	f("find_all", "a", long[:maxMatches], maxMatches/32)
	f("find_all", `a.*c|a|\bz`, long[:1<<12], 400)
	f("test", "(?:a?b?){100}[cd]", long[:1<<12], 50) // slow by its instructions
	f("find_all", `\bz|b\B`, long[:maxMatches], 5)
}

// A machine takes no more memory than the call pays for.
func TestAMachineIsPaidFor(t *testing.T) {
	re, err := compilePattern("(" + strings.Repeat("(", 40) + "(?:a?b?){1000}" + strings.Repeat(")", 40) + ")[cd]")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := re.prog(); err != nil {
		t.Fatal(err)
	}
	paid, before := int64(0), metric("/gc/heap/allocs:bytes")
	c := &Call{Allocate: func(bytes int64) error { paid += bytes; return nil }}
	if _, err := c.firstMatch(re, strings.Repeat("ab", 100)); err != nil {
		t.Fatal(err)
	}
	if took := int64(metric("/gc/heap/allocs:bytes") - before); took > paid+paid/4 {
		t.Errorf("a machine takes %d KiB, and %d KiB are paid for", took>>10, paid>>10)
	}
}

// A script may cut an expression out of a long text, which must not be kept for it.
func TestKeptPatternsHoldNothingElse(t *testing.T) {
	const long, many = 8 << 20, 16
	c := Call{Patterns: new(Patterns)}
	before := held()
	for i := range many {
		text := strings.Repeat("x", long) + strconv.Itoa(i)
		if _, err := c.compile(text[long-1:]); err != nil {
			t.Fatal(err)
		}
	}
	if more := held() - before; more > long {
		t.Errorf("%d expressions hold %d MiB", many, more>>20)
	}
	runtime.KeepAlive(c.Patterns)
}

// held is how many bytes are in use.
func held() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
