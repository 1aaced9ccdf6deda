package lua_test

import (
	"testing"

	"sluice/engine"
	"sluice/engine/turn"
	"sluice/runtimes/lua"
)

// Where a step goes over megabytes, others run after each piece.
func TestLongTextsLetOthersRun(t *testing.T) {
	const least = 200
	for _, body := range []string{
		`local s = ("x"):rep(1.6e7) for i = 1, 8 do pcall(error, s) end`,
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
