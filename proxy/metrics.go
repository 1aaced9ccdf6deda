package proxy

import (
	"sync/atomic"
	"time"

	"sluice/engine"
)

// Metrics counts what the data plane does. All methods may be called from any goroutine.
type Metrics struct {
	streams  atomic.Int64
	bodies   atomic.Int64 // bytes that those of open exchanges hold
	most     atomic.Int64 // of those, since MostBodyBytes
	finished table[Finished, *atomic.Int64]
	duration histogram
	ttfb     histogram
}

// Finished is one kind of ended request.
type Finished struct {
	Class    int         // of the status: 4 for 4xx
	Code     engine.Code // "" = the answer was the upstream's
	Upstream string      // "" = none was reached
}

// Streams is the number of exchanges that are open.
func (m *Metrics) Streams() int64 { return m.streams.Load() }

// BodyBytes is what the request bodies of open exchanges hold, in bytes.
func (m *Metrics) BodyBytes() int64 { return m.bodies.Load() }

// MostBodyBytes is the most that those held since it was asked before, in bytes, as far as any began since. It forgets that: one may ask.
func (m *Metrics) MostBodyBytes() int64 { return m.most.Swap(0) }

// hold counts so many bytes of a body more, and reports whether all together stay within a limit.
func (m *Metrics) hold(bytes, limit int64) bool {
	all := m.bodies.Add(bytes)
	if full(all, limit) {
		return false
	}
	for most := m.most.Load(); all > most && !m.most.CompareAndSwap(most, all); {
		most = m.most.Load()
	}
	return true
}

// Requests calls f with the number of ended requests of each kind.
func (m *Metrics) Requests(f func(kind Finished, count int64)) {
	for kind, n := range m.finished.all() {
		f(kind, n.Load())
	}
}

// Durations is how long ended requests took, from their head to their last byte.
func (m *Metrics) Durations() Histogram { return m.duration.read() }

// TTFBs is how long it took until an upstream's answer began, of the requests that got one.
func (m *Metrics) TTFBs() Histogram { return m.ttfb.read() }

func (m *Metrics) observe(r *engine.Record) {
	kind := Finished{r.Status / 100, r.Code, r.Upstream}
	m.finished.get(kind, func() *atomic.Int64 { return new(atomic.Int64) }, nil).Add(1)
	m.duration.add(r.Timings.Duration)
	if r.Timings.TTFB > 0 {
		m.ttfb.add(r.Timings.TTFB)
	}
}

// bounds are the upper ends of a histogram's buckets, in seconds.
var bounds = [...]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}

// Histogram is a copy of a distribution.
type Histogram struct {
	Bounds []float64 // upper ends of the buckets in seconds, ascending; one more bucket takes what is above
	Counts []int64   // by bucket, not summed up; one more than Bounds
	Sum    float64   // seconds
}

type histogram struct {
	counts [len(bounds) + 1]atomic.Int64
	nanos  atomic.Int64
}

func (h *histogram) add(d time.Duration) {
	h.nanos.Add(int64(d))
	i := 0
	for i < len(bounds) && d.Seconds() > bounds[i] {
		i++
	}
	h.counts[i].Add(1)
}

func (h *histogram) read() Histogram {
	out := Histogram{Bounds: bounds[:], Counts: make([]int64, len(h.counts)), Sum: time.Duration(h.nanos.Load()).Seconds()}
	for i := range h.counts {
		out.Counts[i] = h.counts[i].Load()
	}
	return out
}
