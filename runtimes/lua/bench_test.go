package lua_test

import (
	"io/fs"
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes/lua"
	"sluice/scripts"
)

// headroom is the filter that the documentation shows.
const headroom = `
function filter(ctx, principal, candidates)
  local limit, kept = config.max_utilization or 0.9, {}
  for _, c in ipairs(candidates) do
    if c:utilization("5h") < limit then kept[#kept + 1] = c end
  end
  return { keep = #kept > 0 and kept or candidates, reason = "5h window below " .. math.floor(limit * 100) .. "%" }
end
`

// explained reads four fields of each candidate and says why it was kept or dropped.
const explained = `
function filter(ctx, principal, candidates)
  local kept, reasons = {}, {}
  for _, c in ipairs(candidates) do
    if not c.healthy then
      reasons[c.id] = "cooling for " .. c.cooldown_ms .. " ms"
    elseif c.labels.tier ~= "gold" and principal.claims.team == "core" then
      reasons[c.id] = c.name .. " is not gold"
    elseif c.in_flight >= c.concurrency then
      reasons[c.id] = "full"
    else
      kept[#kept + 1] = c
      reasons[c.id] = "gold"
    end
  end
  return { keep = kept, reason = "gold for core", reasons = reasons }
end
`

// short is the first one in the short form.
const short = `
function drop(ctx, principal, candidate)
  if candidate:utilization("5h") >= (config.max_utilization or 0.9) then return "5h window is full" end
end
`

const keepAll = `function filter(ctx, principal, candidates) return candidates end`

// ten is a filter with ten candidates to call it with.
func ten(t testing.TB, src string, fresh bool) func() engine.FilterOutput {
	t.Helper()
	ups := upstreams(10)
	m := manifest(files{"s.lua": src}, ups)
	m.Fresh = fresh
	f, err := lua.New().InstantiateFilter(m)
	if err != nil {
		t.Fatal(err)
	}
	ctx, p, c := request(), principal(), candidates(ups)
	return func() engine.FilterOutput {
		out, err := f.Filter(ctx, p, c)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func benchmarkFilter(b *testing.B, src string, fresh bool) {
	call := ten(b, src, fresh)
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}

func BenchmarkFilterHeadroom(b *testing.B)  { benchmarkFilter(b, headroom, false) }
func BenchmarkFilterExplained(b *testing.B) { benchmarkFilter(b, explained, false) }
func BenchmarkFilterShort(b *testing.B)     { benchmarkFilter(b, short, false) }
func BenchmarkFilterEmpty(b *testing.B)     { benchmarkFilter(b, keepAll, false) }
func BenchmarkFilterFresh(b *testing.B)     { benchmarkFilter(b, headroom, true) }

func BenchmarkFilterParallel(b *testing.B) {
	call := ten(b, headroom, false)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			call()
		}
	})
}

func BenchmarkInstantiateUnchanged(b *testing.B) {
	rt, m := lua.New(), manifest(files{"s.lua": headroom}, upstreams(10))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rt.InstantiateFilter(m); err != nil {
			b.Fatal(err)
		}
	}
}

// What a call of ten candidates may allocate: the call itself, numbers beyond 256, and the table and the texts that the script makes.
func TestFilterAllocates(t *testing.T) {
	f := func(name, src string, fresh bool, most float64) {
		t.Helper()
		call := ten(t, src, fresh)
		if got := testing.AllocsPerRun(200, func() { call() }); got > most {
			t.Errorf("%s: %v allocations, want at most %v", name, got, most)
		}
	}
	f("empty", keepAll, false, 4)
	f("headroom", headroom, false, 36)
	f("short", short, false, 16)
	f("explained", explained, false, 130)
	f("fresh", headroom, true, 90)
}

// frozen reads tables that the top level made.
const frozen = `
limits = { ["5h"] = 0.9, ["7d"] = 0.8 }
windows = { "5h", "7d" }
function filter(ctx, principal, candidates)
  local kept = {}
  for _, c in ipairs(candidates) do
    local room = true
    for _, w in ipairs(windows) do room = room and c:utilization(w) < limits[w] end
    if room then kept[#kept + 1] = c end
  end
  return kept
end
`

func BenchmarkFilterFrozen(b *testing.B) { benchmarkFilter(b, frozen, false) }

// BenchmarkGuards runs each bundled filter with and without its meter, by turns, so that what else the machine does falls on both alike.
// It reports how much longer the guarded one takes, from the shortest round of each.
func BenchmarkGuards(b *testing.B) {
	for _, name := range []string{"business_hours", "cache_affinity", "canary", "choose", "headroom", "model_pool", "tier"} {
		b.Run(name, func(b *testing.B) { benchmarkGuards(b, "filters/"+name+".lua") })
	}
}

func benchmarkGuards(b *testing.B, path string) {
	const rounds, calls = 40, 100
	ups := upstreams(10)
	ctx, p, c := request(), principal(), candidates(ups)
	made := func(unguarded bool) func() time.Duration {
		lua.Unguarded(unguarded)
		defer lua.Unguarded(false)
		m := &engine.PluginManifest{Name: "test", Artifact: path, Files: fs.FS(scripts.FS), Config: &engine.Object{}, Upstreams: ups,
			Budget: engine.Budget{Time: 10 * time.Second, Steps: 2_000_000, Memory: 64 << 20}}
		f := filterFrom(b, m)
		return func() time.Duration {
			began := time.Now()
			for range calls {
				if _, err := f.Filter(ctx, p, c); err != nil {
					b.Fatal(err)
				}
			}
			return time.Since(began)
		}
	}
	guarded, bare := made(false), made(true)
	for b.Loop() {
		with, without := guarded(), bare()
		for range rounds {
			with, without = min(with, guarded()), min(without, bare())
		}
		b.ReportMetric(float64(with.Nanoseconds())/calls, "guarded-ns")
		b.ReportMetric(float64(without.Nanoseconds())/calls, "unguarded-ns")
		b.ReportMetric(100*(float64(with)/float64(without)-1), "price-%")
	}
	b.ReportMetric(0, "ns/op")
}
