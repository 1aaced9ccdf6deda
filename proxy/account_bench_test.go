package proxy_test

import (
	"bytes"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/affinity"
	book "sluice/engine/ledger"
	"sluice/engine/limits"
	"sluice/engine/promptcache"
	"sluice/proxy"
)

// BenchmarkAccounting measures what ledger, limits and affinity, with its prediction of prompt caches, add to a request: batches take turns
// between a gateway without and one with them. The time is that of all processors, the ledger's writer included.
func BenchmarkAccounting(b *testing.B) {
	b.Run("short", func(b *testing.B) { benchmarkAccounting(b, claudeRequest) })
	talk := strings.Repeat(`{"role":"user","content":[{"type":"text","text":"`+strings.Repeat("words ", 150)+`"}]},`, 60)
	talk += `{"role":"user","content":[{"type":"text","text":"go on","cache_control":{"type":"ephemeral"}}]}`
	long := strings.Replace(helloStream, `{"role":"user","content":"hi"}`, talk, 1)
	b.Run("long", func(b *testing.B) {
		benchmarkAccounting(b, request("POST", "/v1/messages", long, "Authorization: Bearer alice-key", "anthropic-version: 2023-06-01"))
	})
}

func benchmarkAccounting(b *testing.B, request string) {
	plain := side(b, request, func(*proxy.Options, *engine.Generation) {})
	full := side(b, request, func(o *proxy.Options, g *engine.Generation) {
		l, err := book.Open(book.Options{Dir: b.TempDir(), Policy: func() book.Policy { return book.Policy{Keep: time.Hour, MaxSize: 1 << 30} }})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { l.Close() })
		rules := []limits.Rule{{Kind: limits.Requests, Window: time.Hour, Max: 1 << 40}, {Kind: limits.TotalTokens, Window: 5 * time.Hour, Max: 1 << 40},
			{Kind: limits.CostUSD, Window: 720 * time.Hour, Max: 1 << 50}, {Kind: limits.Concurrency, Max: 100}}
		set := limits.NewBook(time.Now()).Set(limits.Holder{Principal: "alice", Rules: rules}, dear{})
		o.Ledger, o.LedgerFull, o.Caches = l, l.Full, promptcache.New()
		g.Keys, g.Prices, g.Strategy = limited{g.Keys, set}, dear{}, affinity.NewHomes().Strategy(affinity.Share, time.Hour)
	})
	for b.Loop() {
		plain.batch(b)
		full.batch(b)
	}
	b.ReportMetric(full.cpu()-plain.cpu(), "added-cpu-µs/request")
	b.ReportMetric(full.mallocs()-plain.mallocs(), "added-allocs/request")
	b.ReportMetric(plain.cpu(), "cpu-µs/request")
}

// gatewaySide is one of two gateways that are compared.
type gatewaySide struct {
	caller   *caller
	requests int
	took     []time.Duration // processor time of each batch
	allocs   uint64
}

// batch is as many requests as take several collections of garbage. One that takes half of one, or two, would have the collector fall on
// the turns of the same side again and again: two equal gateways then differ by 7 µs.
const batch = 1000

func side(b *testing.B, request string, with func(*proxy.Options, *engine.Generation)) *gatewaySide {
	s := quiet(b, instant(b, benchAnswers["events"]))
	g := s.World.Lease()
	defer g.Release()
	second := *g.Upstreams[0]
	other := *second.Upstream
	other.ID[0]++
	other.Name, second.Upstream = "b", &other
	g.Upstreams = append(g.Upstreams, &second)
	slices.SortFunc(g.Upstreams, func(a, b *engine.UpstreamSlot) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	with(&s.Options, g)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	c := newCaller(b, ln.Addr().String(), request)
	b.Cleanup(func() {
		c.nc.Close()
		_ = s.Shutdown(b.Context())
		<-served
	})
	return &gatewaySide{caller: c}
}

// batch asks some times, and waits for what goes on behind.
func (g *gatewaySide) batch(b *testing.B) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := cpuTime()
	for range batch {
		g.caller.call(b)
	}
	time.Sleep(30 * time.Millisecond)
	g.took = append(g.took, cpuTime()-start)
	runtime.ReadMemStats(&after)
	g.requests += batch
	g.allocs += after.Mallocs - before.Mallocs
}

// cpu is the median batch's, in microseconds a request.
func (g *gatewaySide) cpu() float64 {
	slices.Sort(g.took)
	return float64(g.took[len(g.took)/2].Nanoseconds()) / 1000 / batch
}

func (g *gatewaySide) mallocs() float64 { return float64(g.allocs) / float64(g.requests) }
