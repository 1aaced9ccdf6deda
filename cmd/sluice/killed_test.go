package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/keys"
	"sluice/engine/ledger"
	"sluice/proxy/simulate"
)

// oldestLost is the promise: a row is on disk that long after the last byte of its answer.
const oldestLost = 100 * time.Millisecond

// ending is the end of an answer, as its client saw it.
type ending struct {
	id   string // ours
	last time.Time
}

// A gateway is killed in the middle of its work, again and again. It starts every time, and its ledger has the row of every answer whose
// last byte came more than oldestLost before the kill.
//
//	go test ./cmd/sluice -run ^$ -bench Killed -benchtime 50x
func BenchmarkKilled(b *testing.B) {
	dir := b.TempDir()
	binary := buildIn(b, dir)
	sim, err := simulate.Start(simulate.Options{Name: "a", Keep: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer sim.Close()
	config := fmt.Sprintf("listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: %s\ndata: ./data\nupstreams:\n"+
		"  - {name: a, kind: anthropic_direct, base_url: %q, signer: {type: anthropic_key, key: k}}\n"+
		"principals:\n  - {name: p, keys: [%q], limits: [{kind: requests, window: 1h, max: 1000000}]}\nbudgets: {time: 10s}\n",
		absolute(b, "../../scripts"), sim.URL(), keys.Sum(liveKey))
	file := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		b.Fatal(err)
	}
	answers, worst := 0, time.Duration(0)
	for b.Loop() {
		began := time.Now()
		all, killed := killUnderLoad(b, binary, file)
		answers += len(all)
		worst = max(worst, oldestMissing(b, filepath.Join(dir, "data", "ledger"), began, all, killed))
	}
	b.ReportMetric(float64(answers)/float64(b.N), "answers/kill")
	b.ReportMetric(float64(worst.Milliseconds()), "oldest-lost-ms")
	if worst > oldestLost {
		b.Errorf("a row is gone whose answer ended %v before the kill", worst)
	}
}

// killUnderLoad lets clients ask a gateway, one after the other each, and kills it.
func killUnderLoad(b *testing.B, binary, config string) (all []ending, killed time.Time) {
	p := startProcess(b, binary, "serve", "--config", config)
	addr := p.address(b, "gateway")
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				h, err := hear(client, addr)
				if err != nil {
					return // it was killed
				}
				mu.Lock()
				all = append(all, h)
				mu.Unlock()
			}
		})
	}
	time.Sleep(time.Duration(300+rand.IntN(500)) * time.Millisecond)
	killed = time.Now()
	p.Process.Kill()
	wait.Wait()
	p.Wait()
	return all, killed
}

// hear asks for a stream and reads it to its end.
func hear(client *http.Client, addr string) (ending, error) {
	req, err := http.NewRequest("POST", "http://"+addr+"/v1/messages", strings.NewReader(
		`{"model":"claude-sonnet-4-5","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		return ending{}, err
	}
	req.Header.Set("x-api-key", liveKey)
	resp, err := client.Do(req)
	if err != nil {
		return ending{}, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, bufio.NewReader(resp.Body))
	return ending{resp.Header.Get("x-sluice-request-id"), time.Now()}, err
}

// oldestMissing is how long before the kill the oldest answer ended that has no row, 0 = all have one.
func oldestMissing(b *testing.B, dir string, began time.Time, all []ending, killed time.Time) (oldest time.Duration) {
	book, err := ledger.Open(ledger.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	found := make(map[string]bool)
	if err := book.Scan(began, func(r *engine.Record) bool {
		found[r.RequestID] = true
		return true
	}); err != nil {
		b.Fatal(err)
	}
	for _, h := range all {
		if !found[h.id] {
			oldest = max(oldest, killed.Sub(h.last))
		}
	}
	return oldest
}
