package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/ledger"
	"sluice/scripts"
)

// recorded makes a directory with a config, the bundled scripts, and a ledger of n decisions of its chain.
func recorded(b *testing.B, n int) (config string) {
	dir := b.TempDir()
	config = filepath.Join(dir, "sluice.yaml")
	text := "principals: [{name: alice, keys: []}]\nfilters: [{script: filters/headroom.star}]\nupstreams:\n"
	var candidates []engine.UpstreamCandidate
	for i := range 5 {
		id, name := uuid.UUID{byte(i + 1)}, fmt.Sprint("u", i)
		text += fmt.Sprintf("  - {name: %s, id: %s, kind: anthropic_direct, signer: {type: anthropic_key, key: k}}\n", name, id)
		candidates = append(candidates, engine.UpstreamCandidate{Upstream: &engine.Upstream{ID: id, Name: name}, Vitals: &engine.Vitals{Healthy: true,
			Breaker: "closed", Quotas: []engine.Quota{{Window: "5h", Utilization: float64(i) / 4, Observed: time.Now()}}}})
	}
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "scripts"), scripts.FS); err != nil {
		b.Fatal(err)
	}
	book, err := ledger.Open(ledger.Options{Dir: filepath.Join(dir, "data", "ledger"),
		Policy: func() ledger.Policy { return ledger.Policy{Keep: time.Hour, MaxSize: 1 << 30} }})
	if err != nil {
		b.Fatal(err)
	}
	kept := []uuid.UUID{candidates[0].ID, candidates[1].ID, candidates[2].ID, candidates[3].ID}
	for i := range n {
		for book.Stats().Waiting > 10_000 {
			time.Sleep(time.Millisecond)
		}
		book.Record(&engine.Record{RequestID: uuid.Must(uuid.NewV7()).String(), Started: time.Now(), Principal: "alice", Method: "POST", Path: "/v1/messages",
			Model: "claude-sonnet-4-5", Status: 200, SessionID: fmt.Sprint("s", i/5), Upstream: "u0", Trace: engine.RoutingTrace{Candidates: candidates,
				Stages:   []engine.StageDecision{{Stage: "headroom", Kept: kept}},
				Terminal: engine.TerminalDecision{Upstream: "u0"}, Attempts: []engine.Attempt{{Upstream: "u0", Status: 200}}}})
	}
	if err := book.Close(); err != nil {
		b.Fatal(err)
	}
	return config
}

// BenchmarkReplay asks a script again about 100,000 decisions over five upstreams.
func BenchmarkReplay(b *testing.B) {
	const rows = 100_000
	config := recorded(b, rows)
	for _, language := range []string{"star", "lua"} {
		b.Run(language, func(b *testing.B) {
			for b.Loop() {
				var out strings.Builder
				if code := run([]string{"sluice", "replay", "--config", config, "filters/headroom." + language}, &out, &out); code != exitFine {
					b.Fatal(out.String())
				}
				if want := fmt.Sprintf("replayed  %d of %d requests", rows, rows); !strings.Contains(out.String(), want) {
					b.Fatalf("%s, want %s", out.String(), want)
				}
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
