package lua_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"sluice/engine"
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
