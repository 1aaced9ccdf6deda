package starlark_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/runtimes"
	"sluice/runtimes/starlark"
)

// bundled are the filters that come with the gateway, each with the config that its own tests have.
func bundled(b *testing.B) map[string]*engine.PluginManifest {
	b.Helper()
	root := os.DirFS("../../scripts")
	names, err := fs.Glob(root, "filters/*.star")
	if err != nil || len(names) == 0 {
		b.Fatalf("no filters: %v", err)
	}
	out := make(map[string]*engine.PluginManifest)
	for _, name := range names {
		m := manifest(nil, upstreams(10))
		m.Files, m.Artifact, m.Config = root, name, testConfig(b, root, name)
		m.Budget = usualLoad
		out[strings.TrimSuffix(filepath.Base(name), ".star")] = m
	}
	return out
}

func testConfig(b *testing.B, root fs.FS, name string) *engine.Object {
	module, err := starlark.New().Load(root, name, nil, engine.Budget{})
	if err != nil {
		b.Fatal(err)
	}
	v, _ := module.Global("test_config")
	config, err := runtimes.ToObject(v)
	if err != nil {
		b.Fatal(err)
	}
	return config
}

// BenchmarkGuards runs each bundled filter over ten candidates with the guards and without them, in turns, so that a busy machine slows
// both alike. The guarded filter's time is ns/op; the price is in percent of the unguarded one's.
func BenchmarkGuards(b *testing.B) {
	for name, m := range bundled(b) {
		b.Run(name, func(b *testing.B) {
			var calls [2]func()
			for i, rt := range []*starlark.Runtime{starlark.New(), starlark.NewUnguarded()} {
				f, err := rt.InstantiateFilter(m)
				if err != nil {
					b.Fatal(err)
				}
				ctx, p, c := request(), principal(), candidates(m.Upstreams)
				calls[i] = func() {
					if _, err := f.Filter(ctx, p, c); err != nil {
						b.Fatal(err)
					}
				}
			}
			inTurns(b, calls)
		})
	}
}

// inTurns measures two calls by the minimum of many short runs of each.
func inTurns(b *testing.B, calls [2]func()) {
	const runs = 20
	least := [2]time.Duration{time.Hour, time.Hour}
	b.ReportAllocs()
	for b.Loop() {
		for i, call := range calls {
			began := time.Now()
			for range runs {
				call()
			}
			least[i] = min(least[i], time.Since(began)/runs)
		}
	}
	b.ReportMetric(float64(least[0].Nanoseconds()), "guarded-ns")
	b.ReportMetric(float64(least[1].Nanoseconds()), "unguarded-ns")
	b.ReportMetric(100*(float64(least[0])/float64(least[1])-1), "price-%")
	b.ReportMetric(testing.AllocsPerRun(100, calls[0]), "guarded-allocs")
	b.ReportMetric(testing.AllocsPerRun(100, calls[1]), "unguarded-allocs")
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(0, "allocs/op")
	b.ReportMetric(0, "B/op")
}
