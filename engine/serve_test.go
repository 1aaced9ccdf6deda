//go:build !race

package engine_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/health"
	"sluice/engine/signers"
)

// serving is a request of ten upstreams whose answers take no memory.
func serving(tb testing.TB) func() {
	var all []*engine.Upstream
	for i := range 10 {
		all = append(all, upstreamNamed(fmt.Sprint("up", i)))
	}
	w := newWorld(tb, all...)
	w.generation.Vitals = health.NewTracker(nil)
	key, err := signers.AnthropicKey("sk-ant-0123456789")
	if err != nil {
		tb.Fatal(err)
	}
	for _, u := range w.generation.Upstreams {
		u.Signers, u.Seat = key, w.generation.Vitals.(*health.Tracker).Seat(u.ID, "")
	}
	var lines engine.Headers
	for i := range 5 {
		lines.Add(fmt.Sprint("x-line-", i), "value")
	}
	checked, now := engine.Check(lines), time.Now()
	resp := engine.Response{Status: 200, Headers: engine.Headers{{Name: "content-type", Value: "application/json"},
		{Name: "anthropic-ratelimit-requests-limit", Value: "4000"}, {Name: "anthropic-ratelimit-requests-remaining", Value: "3999"}}}
	var sent engine.Response
	transport := engine.TransportFunc(func(context.Context, engine.Signed) (*engine.Response, error) {
		sent = resp
		sent.Body = io.NopCloser(nil)
		return &sent, nil
	})
	return func() {
		x := &struct {
			engine.Exchange
			engine.RequestContext
		}{}
		x.RequestContext = engine.RequestContext{Method: "POST", Path: "/v1/messages", Query: "beta=true", Headers: lines, Checked: checked, Model: "m", Now: now}
		x.Request, x.Principal = &x.RequestContext, w.principal
		a, err := w.generation.Serve(tb.Context(), &x.Exchange, transport)
		if err != nil {
			tb.Fatal(err)
		}
		a.Body.Close()
	}
}

// TestServingStaysInItsMemory counts what the engine takes for a request beside the exchange itself and the answer's body. The least of some
// counts is its own: the others have what the process does besides.
func TestServingStaysInItsMemory(t *testing.T) {
	serve, least := serving(t), math.Inf(1)
	for range 5 {
		least = min(least, testing.AllocsPerRun(200, serve))
	}
	if least > 7 {
		t.Errorf("%g allocations, want at most 7", least)
	}
}

func BenchmarkServe(b *testing.B) {
	serve := serving(b)
	b.ReportAllocs()
	for b.Loop() {
		serve()
	}
}
