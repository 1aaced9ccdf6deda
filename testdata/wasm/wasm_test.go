// Package wasm measures the bundled filter headroom as a script in either language beside the same filter as a WebAssembly guest: what
// scripts instead of WASM are worth. It is a module of its own, so that wazero is none of the gateway's.
package wasm

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"sluice/engine"
	"sluice/runtimes"
	"sluice/runtimes/lua"
	"sluice/runtimes/starlark"
)

// budget is that of a call: all of them may be interrupted.
var budget = engine.Budget{Time: 10 * time.Second, Steps: 2_000_000, Memory: 64 << 20}

func candidates(n int) []engine.UpstreamCandidate {
	out := make([]engine.UpstreamCandidate, n)
	for i := range out {
		name := fmt.Sprintf("upstream-%d", i)
		u := *runtimes.SampleUpstreams()[0]
		u.ID, u.Name = uuid.NewSHA1(uuid.NameSpaceURL, []byte("sluice:upstream:"+name)), name
		now := runtimes.SampleNow()
		out[i] = engine.UpstreamCandidate{Upstream: &u, Vitals: &engine.Vitals{Healthy: true, Breaker: "closed", Quotas: []engine.Quota{
			{Window: "5h", Status: "allowed", Utilization: float64(i%10) / 9.5, Resets: now.Add(time.Hour), Observed: now},
			{Window: "7d", Status: "allowed", Utilization: 0.3, Resets: now.Add(time.Hour), Observed: now},
		}}}
	}
	slices.SortFunc(out, func(a, b engine.UpstreamCandidate) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return out
}

// asker asks a filter which of the candidates stay.
type asker func() []string

func scripted(b testing.TB, rt runtimes.Language, c []engine.UpstreamCandidate) asker {
	m := &engine.PluginManifest{Name: "headroom", Artifact: "filters/headroom" + rt.Extension(), Files: os.DirFS("../../scripts"), Budget: budget}
	f, err := rt.InstantiateFilter(m)
	if err != nil {
		b.Fatal(err)
	}
	ctx, p := runtimes.SampleRequest(), runtimes.SamplePrincipal()
	return func() []string {
		out, err := f.Filter(ctx, p, c)
		if err != nil {
			b.Fatal(err)
		}
		kept := make([]string, len(out.KeptUpstreamIDs))
		for i, id := range out.KeptUpstreamIDs {
			kept[i] = id.String()
		}
		return kept
	}
}

// seen is a candidate as a guest sees it.
type seen struct {
	ID          string             `json:"id"`
	Name        string             `json:"name"`
	Kind        string             `json:"kind"`
	BaseURL     string             `json:"base_url"`
	Weight      int                `json:"weight"`
	Priority    int                `json:"priority"`
	Healthy     bool               `json:"healthy"`
	Breaker     string             `json:"breaker"`
	InFlight    int                `json:"in_flight"`
	Concurrency int                `json:"concurrency"`
	ErrorRate   float64            `json:"error_rate"`
	Quotas      map[string]float64 `json:"quotas"`
}

type question struct {
	RequestID string         `json:"request_id"`
	Model     string         `json:"model"`
	Principal string         `json:"principal"`
	Config    map[string]any `json:"config"`
	// What a script reads of its host only where it looks is written out for a guest each time.
	Candidates []seen `json:"candidates"`
}

func ask(c []engine.UpstreamCandidate) ([]byte, error) {
	ctx, p := runtimes.SampleRequest(), runtimes.SamplePrincipal()
	q := question{RequestID: ctx.RequestID, Model: ctx.Model, Principal: p.Name, Config: map[string]any{}, Candidates: make([]seen, len(c))}
	for i := range c {
		u := &c[i]
		q.Candidates[i] = seen{ID: u.ID.String(), Name: u.Name, Kind: string(u.Kind), BaseURL: u.BaseURL.String(), Weight: u.Weight, Priority: u.Priority,
			Healthy: u.Healthy, Breaker: u.Vitals.Breaker, InFlight: u.InFlight, Concurrency: u.Vitals.Concurrency, ErrorRate: u.ErrorRate, Quotas: map[string]float64{}}
		for _, quota := range u.Quotas {
			q.Candidates[i].Quotas[quota.Window] = quota.Utilization
		}
	}
	return json.Marshal(q)
}

// guest builds and instantiates the module; interruptible = a call ends with its deadline.
func guest(b testing.TB, c []engine.UpstreamCandidate, interruptible bool) asker {
	file := filepath.Join(b.TempDir(), "headroom.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", file, "./guest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	code, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(interruptible))
	b.Cleanup(func() { r.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	m, err := r.InstantiateWithConfig(ctx, code, wazero.NewModuleConfig().WithStartFunctions("_initialize"))
	if err != nil {
		b.Fatal(err)
	}
	return func() []string { return call(b, m, c) }
}

func call(b testing.TB, m api.Module, c []engine.UpstreamCandidate) []string {
	ctx, cancel := context.WithTimeout(context.Background(), budget.Time)
	defer cancel()
	text, err := ask(c)
	if err != nil {
		b.Fatal(err)
	}
	at, err := m.ExportedFunction("room").Call(ctx, uint64(len(text)))
	if err != nil || !m.Memory().Write(uint32(at[0]), text) {
		b.Fatal(err)
	}
	found, err := m.ExportedFunction("filter").Call(ctx)
	if err != nil {
		b.Fatal(err)
	}
	answer, _ := m.Memory().Read(uint32(found[0]>>32), uint32(found[0]))
	var out struct{ Keep []string }
	if err := json.Unmarshal(answer, &out); err != nil {
		b.Fatal(err)
	}
	return out.Keep
}

// BenchmarkHeadroom asks all of them in turns, so that a busy machine slows all alike, and reports the shortest of many calls of each.
func BenchmarkHeadroom(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("%d", n), func(b *testing.B) {
			c := candidates(n)
			askers := map[string]asker{"starlark": scripted(b, starlark.New(), c), "lua": scripted(b, lua.New(), c), "wasm": guest(b, c, true),
				"wasm-endless": guest(b, c, false)}
			least := map[string]time.Duration{}
			want := askers["starlark"]()
			for name, ask := range askers {
				if got := ask(); !slices.Equal(got, want) {
					b.Fatalf("%s keeps %v, want %v", name, got, want)
				}
				least[name] = time.Hour
			}
			for b.Loop() {
				for name, ask := range askers {
					began := time.Now()
					ask()
					least[name] = min(least[name], time.Since(began))
				}
			}
			for name, ask := range askers {
				b.ReportMetric(float64(least[name].Nanoseconds())/1000, name+"-µs")
				b.ReportMetric(testing.AllocsPerRun(20, func() { ask() }), name+"-allocs")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
