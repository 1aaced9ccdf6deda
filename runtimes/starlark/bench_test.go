package starlark_test

import (
	"testing"

	"sluice/engine"
	"sluice/runtimes/starlark"
)

// headroom is the filter that the documentation shows.
const headroom = `
def filter(ctx, principal, candidates):
    limit = config.get("max_utilization", 0.9)
    kept = [c for c in candidates if c.utilization("5h") < limit]
    return {"keep": kept or candidates, "reason": "5h window below %d%%" % int(limit * 100)}
`

// explained reads four fields of each candidate and says why it was kept or dropped.
const explained = `
def filter(ctx, principal, candidates):
    kept, reasons = [], {}
    for c in candidates:
        if not c.healthy:
            reasons[c.id] = "cooling for %d ms" % c.cooldown_ms
        elif c.labels["tier"] != "gold" and principal.claims["team"] == "core":
            reasons[c.id] = "%s is not gold" % c.name
        elif c.in_flight >= c.concurrency:
            reasons[c.id] = "full"
        else:
            kept.append(c)
            reasons[c.id] = "gold"
    return {"keep": kept, "reason": "gold for core", "reasons": reasons}
`

// short is the first one in the short form.
const short = `
def drop(ctx, principal, candidate):
    if candidate.utilization("5h") >= config.get("max_utilization", 0.9):
        return "5h window is full"
`

// ten is a filter with ten candidates to call it with.
func ten(t testing.TB, src string) func() engine.FilterOutput {
	t.Helper()
	ups := upstreams(10)
	f, err := starlark.New().InstantiateFilter(manifest(files{"s.star": src}, ups))
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

func benchmarkFilter(b *testing.B, src string) {
	call := ten(b, src)
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}

func BenchmarkFilterHeadroom(b *testing.B)  { benchmarkFilter(b, headroom) }
func BenchmarkFilterExplained(b *testing.B) { benchmarkFilter(b, explained) }
func BenchmarkFilterShort(b *testing.B)     { benchmarkFilter(b, short) }
func BenchmarkFilterEmpty(b *testing.B)     { benchmarkFilter(b, keepAll) }

func BenchmarkFilterParallel(b *testing.B) {
	call := ten(b, headroom)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			call()
		}
	})
}

func BenchmarkInstantiateUnchanged(b *testing.B) {
	rt, m := starlark.New(), manifest(files{"s.star": headroom}, upstreams(10))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rt.InstantiateFilter(m); err != nil {
			b.Fatal(err)
		}
	}
}
