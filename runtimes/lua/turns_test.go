package lua_test

import (
	"fmt"
	"testing"

	"sluice/engine"
	"sluice/engine/turn"
	"sluice/runtimes/lua"

	glua "github.com/yuin/gopher-lua"
)

// Where a step goes over megabytes, others run after each piece.
func TestLongTextsLetOthersRun(t *testing.T) {
	const least = 200
	for _, body := range []string{
		`local s = ("x"):rep(1.6e7) for i = 1, 64 do pcall(error, s) end`, // turns come by the clock: enough work for any machine
	} {
		m := manifest(files{"s.lua": "function filter(ctx, principal, candidates)\n  " + body + "\n  return candidates\nend\n"}, upstreams(1))
		m.Budget = engine.Budget{}
		f, err := lua.New().InstantiateFilter(m)
		if err != nil {
			t.Fatal(err)
		}
		before := turn.Taken()
		_, err = f.Filter(request(), principal(), candidates(upstreams(1)))
		if n := turn.Taken() - before; err != nil || n < least {
			t.Errorf("%s: %v, others ran %d times, want at least %d", body, err, n, least)
		}
	}
}

// While a table of many keys is made others run.
func TestManyKeysLetOthersRun(t *testing.T) {
	const least = 20
	keys := make([]glua.LValue, 200_000)
	for i := range keys {
		keys[i] = glua.LString(fmt.Sprint("key", i))
	}
	before := turn.Taken()
	lua.NewMap(keys, keys)
	if n := turn.Taken() - before; n < least {
		t.Errorf("others ran %d times, want at least %d", n, least)
	}
}
