package lua_test

import (
	"fmt"
	"sync"
	"testing"

	"sluice/engine"
	"sluice/runtimes/lua"
)

// Each goroutine asks with a principal and candidates of its own and must see nothing of the others, while some calls fail.
func TestCallsFromManyGoroutinesDoNotMeet(t *testing.T) {
	t.Parallel()
	ups := upstreams(8)
	for _, fresh := range []bool{false, true} {
		m := manifest(files{"s.lua": `local cache = {}
local lib = require("lib.x")
function filter(ctx, principal, candidates)
  cache[1] = principal.name
  if ctx.model == "boom" then error("boom") end
  if ctx.model == "loop" then while true do end end
  local sum = 0
  for i, c in ipairs(candidates) do sum = sum + c.in_flight + #c.name end
  assert(cache[1] == principal.name)
  return { keep = { candidates[1] }, reason = lib.say(principal.name, sum, ctx.body:get("n")) }
end`, "lib/x.lua": `function say(a, b, c) return a .. " " .. b .. " " .. c end`}, ups)
		m.Fresh, m.Budget = fresh, engine.Budget{Steps: 20_000}
		f, err := lua.New().InstantiateFilter(m)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for g := range 8 {
			all.Go(func() {
				for i := range 60 {
					r, p, c := request(), principal(), candidates(ups[:1+g])
					p.Name = fmt.Sprintf("p%d-%d", g, i)
					r.Body = fmt.Appendf(nil, `{"n":%d}`, g*1000+i)
					c[0].InFlight = 100 * g
					if i%10 == 9 {
						r.Model = []string{"boom", "loop"}[i/10%2]
					}
					out, err := f.Filter(r, p, c)
					sum := 100 * g
					for n := range c {
						sum += len("up-0")
						if n > 0 {
							sum += n
						}
					}
					want := fmt.Sprintf("%s %d %d", p.Name, sum, g*1000+i)
					switch {
					case i%10 == 9 && err == nil:
						t.Errorf("model %q: no error", r.Model)
					case i%10 != 9 && (err != nil || out.Reason != want):
						t.Errorf("reason %q, %v, want %q", out.Reason, err, want)
					}
				}
			})
		}
		all.Wait()
	}
}

func TestOneRuntimeServesManyGenerationsAtOnce(t *testing.T) {
	t.Parallel()
	rt := lua.New()
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 20 {
				want := fmt.Sprint(i % 3)
				src := files{"s.lua": `local x = require("lib.x") function filter(ctx, principal, candidates) return { keep = candidates, reason = x.v } end`,
					"lib/x.lua": `v = "` + want + `"`}
				f, err := rt.InstantiateFilter(manifest(src, nil))
				if err != nil {
					t.Error(err)
					return
				}
				out, err := f.Filter(request(), principal(), candidates(upstreams(1+g)))
				if err != nil || out.Reason != want {
					t.Errorf("reason %q, %v, want %q", out.Reason, err, want)
				}
			}
		})
	}
	all.Wait()
}
