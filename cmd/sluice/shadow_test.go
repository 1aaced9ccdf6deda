package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"sluice/engine/keys"
)

// go test ./cmd/sluice -run ^$ -bench Shadow -benchtime 1x
var shadowSpell = flag.Duration("spell", 2500*time.Millisecond, "how long each gateway is asked for one pair, in BenchmarkShadow")

const (
	shadowPairs   = 10
	shadowTurns   = 10 // of each pair: what disturbs the machine for a while disturbs both
	shadowClients = 8
	shadowPace    = 10 * time.Millisecond // of each client
)

// shadows are policies to run beside one that keeps all: the worst there is of those that are sound, which reads the body and decides
// otherwise, so that every request is kept whole; and one that does not end.
var shadows = map[string]string{
	"differs": "def filter(ctx, principal, candidates):\n    return {\"keep\": candidates[:1], \"reason\": ctx.body.get(\"model\")}\n",
	"hangs":   "def filter(ctx, principal, candidates):\n    for i in range(1000000000):\n        if ctx.headers[\"x-hang\"] == None:\n            break\n    return candidates\n",
}

// Two gateways of one config, one of them with a shadow, are asked in turn, at the same pace. Each pair of p99 is printed, and the median of
// what the shadow makes of it, wanted at most 1.10.
func BenchmarkShadow(b *testing.B) {
	binary := buildIn(b, b.TempDir())
	provider := startProcess(b, binary, "simulate", "--listen", "127.0.0.1:0").address(b, "simulated")
	for name, script := range shadows {
		b.Run(name, func(b *testing.B) {
			alone := serveShadow(b, binary, provider, "")
			beside := serveShadow(b, binary, provider, script)
			for b.Loop() {
				b.ReportMetric(comparePairs(b, name, alone, beside), "p99-ratio")
			}
		})
	}
}

func serveShadow(b *testing.B, binary, provider, script string) (addr string) {
	dir, shadow := b.TempDir(), ""
	files := map[string]string{"all.star": "def filter(ctx, principal, candidates):\n    return candidates\n"}
	if script != "" {
		shadow, files["next.star"] = ", shadow: [{name: next, script: next.star}]", script
	}
	files["../sluice.yaml"] = fmt.Sprintf("listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nscripts: ./scripts\ndata: ./data\nupstreams:\n"+
		"  - {name: a, kind: anthropic_direct, base_url: \"http://%s\", signer: {type: anthropic_key, key: k}}\n"+
		"  - {name: b, kind: anthropic_direct, base_url: \"http://%[1]s\", signer: {type: anthropic_key, key: k}}\n"+
		"principals:\n  - {name: p, keys: [%q]}\nfilters:\n  - {name: all, experiment: e}\n"+
		"experiments:\n  - {name: e, slot: filter, arms: [{name: only, script: all.star}]%s}\n", provider, keys.Sum(liveKey), shadow)
	if err := os.Mkdir(filepath.Join(dir, "scripts"), 0o755); err != nil {
		b.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, "scripts", name), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return startProcess(b, binary, "serve", "--config", filepath.Join(dir, "sluice.yaml")).address(b, "gateway")
}

// comparePairs is the median ratio of the second gateway's p99 to the first's.
func comparePairs(b *testing.B, name string, gateways ...string) float64 {
	crowds := [2][]*asker{crowd(b, gateways[0]), crowd(b, gateways[1])}
	for _, c := range crowds {
		spell(b, c, time.Second) // what is made at need is there
	}
	var ratios []float64
	for i := range shadowPairs {
		var took [2][]time.Duration
		for turn := range 2 * shadowTurns {
			which := (turn + turn/2) % 2 // 0 1 1 0: neither is always first
			took[which] = append(took[which], spell(b, crowds[which], *shadowSpell/shadowTurns)...)
		}
		alone, beside := quantile(took[0], 99), quantile(took[1], 99)
		ratios = append(ratios, float64(beside)/float64(alone))
		fmt.Printf("%s, pair %2d: p99 %v without a shadow, %v with it: %.2f×\n", name, i+1, alone, beside, ratios[i])
	}
	slices.Sort(ratios)
	median := (ratios[shadowPairs/2-1] + ratios[shadowPairs/2]) / 2
	fmt.Printf("%s: median of %d pairs %.2f×, want at most 1.10×\n", name, shadowPairs, median)
	return median
}

// spell asks a gateway for so long and returns what each answer took, from when its request was due.
func spell(b *testing.B, crowd []*asker, lasts time.Duration) (all []time.Duration) {
	var wait sync.WaitGroup
	begin := time.Now().Add(shadowPace)
	for i, a := range crowd {
		wait.Go(func() { a.ask(b, begin.Add(shadowPace*time.Duration(i)/shadowClients), begin.Add(lasts)) })
	}
	wait.Wait()
	for _, a := range crowd {
		all = append(all, a.took...)
	}
	if b.Failed() {
		b.FailNow()
	}
	return all
}

// asker is a client with a connection of its own.
type asker struct {
	net.Conn
	answers *bufio.Reader
	took    []time.Duration // of the latest spell
}

func crowd(b *testing.B, addr string) []*asker {
	all := make([]*asker, shadowClients)
	for i := range all {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { nc.Close() })
		all[i] = &asker{Conn: nc, answers: bufio.NewReader(nc)}
	}
	return all
}

// ask asks at the pace, from due to end.
func (a *asker) ask(b *testing.B, due, end time.Time) {
	const body = `{"model":"claude-sonnet-4-5","max_tokens":16,"messages":[{"role":"user","content":"hello"}]}`
	text := fmt.Sprintf("POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-hang: 1\r\nx-api-key: %s\r\nanthropic-version: 2023-06-01\r\ncontent-length: %d\r\n\r\n%s",
		liveKey, len(body), body)
	for a.took = a.took[:0]; due.Before(end); due = due.Add(shadowPace) {
		time.Sleep(time.Until(due))
		_, _ = io.WriteString(a, text) // an error shows in the answer
		resp, err := http.ReadResponse(a.answers, nil)
		if err != nil || resp.StatusCode != 200 {
			b.Errorf("%v, %v", resp, err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		a.took = append(a.took, time.Since(due))
	}
}

// quantile is how long so many of a hundred took at most.
func quantile(took []time.Duration, percent int) time.Duration {
	slices.Sort(took)
	return took[len(took)*percent/100].Round(10 * time.Microsecond)
}
