package proxy_test

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// BenchmarkADeadUpstream measures what a pool of three adds to a request when one of them is dead: requests take turns between a pool that
// is whole and one that has a dead member. The first second, in which the dead one is found out, is apart.
func BenchmarkADeadUpstream(b *testing.B) {
	whole, hurt := newPool(b, 3), newPool(b, 3)
	hurt.sims[0].Close()
	whole.start()
	hurt.start()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: patience}
	defer client.CloseIdleConnections()
	took := map[*pool][]time.Duration{}
	failed := 0
	ask := func(p *pool) time.Duration {
		start := time.Now()
		if p.post(client) != 200 {
			failed++
		}
		return time.Since(start)
	}
	for begun := time.Now(); time.Since(begun) < time.Second; {
		ask(whole)
		ask(hurt)
	}
	for b.Loop() {
		for _, p := range []*pool{whole, hurt} {
			took[p] = append(took[p], ask(p))
		}
	}
	p99 := func(p *pool) float64 {
		slices.Sort(took[p])
		return float64(took[p][len(took[p])*99/100].Microseconds()) / 1000
	}
	b.ReportMetric(p99(whole), "whole-p99-ms")
	b.ReportMetric(p99(hurt), "dead-p99-ms")
	b.ReportMetric(float64(failed), "failed")
}
