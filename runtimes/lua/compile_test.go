package lua_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/engine/turn"
	"sluice/runtimes/lua"
)

// What is kept of the versions of a script that was saved often is about as large as the code of them.
func TestVersionsThatServedAreKeptInLittleMemory(t *testing.T) {
	const versions, functions, most = 100, 20, 64 << 10
	rt := lua.New()
	before := heap()
	for i := range versions {
		source := strings.Repeat("local function f(x) return x end\n", functions)
		f := files{"f.lua": fmt.Sprintf("-- %d\n%sfunction filter(ctx, principal, candidates)\n  return candidates\nend\n", i, source)}
		if _, err := rt.Load(f.snapshot(), "f.lua", nil, engine.Budget{}); err != nil {
			t.Fatal(err)
		}
	}
	if each := (heap() - before) / versions; each > most {
		t.Errorf("a version of %d functions holds %d bytes, want at most %d", functions, each, most)
	}
	runtime.KeepAlive(rt)
}

// A long source is read in turns, and long tables and many functions are no reason to refuse one.
func TestALongSourceIsReadInTurns(t *testing.T) {
	const least = 10
	for _, source := range []string{
		"return {" + named("key%d = {input = 1}, ", 4500) + "}",
		named("do\n  local function f(a)\n    local b = string.format('%%%%d', a.n)\n    return b, a.x%d\n  end\nend\n", 1900),
	} {
		before := turn.Taken()
		f := files{"f.lua": "function filter(ctx, principal, candidates)\n  return candidates\nend\n" + source}
		_, err := lua.New().Load(f.snapshot(), "f.lua", nil, engine.Budget{})
		if n := turn.Taken() - before; err != nil || n < least {
			t.Errorf("%.40s…: %v, others ran %d times, want at least %d", source, err, n, least)
		}
	}
}
