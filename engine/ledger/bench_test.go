package ledger

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"sluice/engine"
)

func BenchmarkRecord(bench *testing.B) {
	b := openBench(bench)
	r := Sample(200)
	bench.ReportAllocs()
	for bench.Loop() {
		b.Record(r)
	}
	bench.StopTimer()
	bench.ReportMetric(float64(b.dropped.Load())/float64(bench.N), "dropped/op")
}

// BenchmarkWrite is the writer's work for one row, the system's included.
func BenchmarkWrite(bench *testing.B) {
	b := openBench(bench)
	r, out := Sample(200), newBatch()
	cpu := stopwatch()
	bench.ReportAllocs()
	for bench.Loop() {
		if out.add(r); out.rows == 500 {
			if err := b.put(out); err != nil {
				bench.Fatal(err)
			}
		}
	}
	bench.ReportMetric(float64(bench.N)/cpu(), "rows/cpu-s")
}

// BenchmarkRow encodes rows as a gateway makes them that is busy with one of ten upstreams, whose limits stay for some rows.
func BenchmarkRow(bench *testing.B) {
	bench.Run("no filter", func(bench *testing.B) { benchmarkRow(bench, busyRows(200)) })
	rows := busyRows(200)
	decision := decisionOf(rows[0])
	for _, r := range rows {
		r.Trace.Stages = []engine.StageDecision{decision}
	}
	bench.Run("remembered decision", func(bench *testing.B) { benchmarkRow(bench, rows) })
	for _, r := range rows {
		r.Trace.Stages = []engine.StageDecision{decisionOf(r)}
	}
	bench.Run("new decision", func(bench *testing.B) { benchmarkRow(bench, rows) })
}

func decisionOf(r *engine.Record) engine.StageDecision {
	s := engine.StageDecision{Stage: "policy", Script: "filters/policy.star@0123456789ab", Duration: 1234}
	for i, c := range r.Trace.Candidates {
		if i%3 == 0 {
			s.Kept = append(s.Kept, c.ID)
		} else {
			s.Dropped = append(s.Dropped, engine.PerCandidateReason{UpstreamID: c.ID, Reason: "its tier is silver"})
		}
	}
	return s
}

func benchmarkRow(bench *testing.B, rows []*engine.Record) {
	out := newBatch()
	cpu := stopwatch()
	bench.ReportAllocs()
	for i := 0; bench.Loop(); i++ {
		out.add(rows[i%len(rows)])
		out.text, out.entries = out.text[:0], out.entries[:0]
	}
	bench.ReportMetric(float64(bench.N)/cpu(), "rows/cpu-s")
}

func busyRows(n int) (rows []*engine.Record) {
	now := time.Now()
	idle := &engine.Vitals{Healthy: true, Breaker: closedBreaker}
	all := make([]engine.UpstreamCandidate, 10)
	for i := range all {
		name := fmt.Sprint("c", i)
		all[i] = engine.UpstreamCandidate{Upstream: &engine.Upstream{ID: engine.UpstreamID(name), Name: name}, Vitals: idle}
	}
	var limits []engine.RateLimit
	for i := range n {
		if i%20 == 0 {
			limits = nil
			for _, kind := range []string{"requests", "tokens", "input_tokens", "output_tokens"} {
				limits = append(limits, engine.RateLimit{Kind: kind, Window: "1m", Limit: 2000000, Remaining: 1999000 - int64(i), Resets: now})
			}
		}
		r := Sample(200)
		r.Trace.Candidates = slices.Clone(all)
		r.Trace.Candidates[8].Vitals = &engine.Vitals{Healthy: true, Breaker: closedBreaker, InFlight: i % 32, TTFB: time.Duration(1e6 + 977*i), RateLimits: limits}
		r.Trace.Stages = nil
		r.Timings = engine.Timings{Body: 252, Decide: 10540, TTFB: time.Duration(708578 + i), Duration: time.Duration(712382 + i)}
		rows = append(rows, r)
	}
	return rows
}

func BenchmarkScan(bench *testing.B) {
	scan := func(b *Book, f func(*engine.Record)) {
		b.Scan(time.Time{}, func(r *engine.Record) bool { f(r); return true })
	}
	past := func(names ...string) func(*Book, func(*engine.Record)) {
		of := map[string]bool{}
		for _, n := range names {
			of[n] = true
		}
		return func(b *Book, f func(*engine.Record)) { b.Past(time.Time{}, of, f) }
	}
	bench.Run("whole", func(bench *testing.B) { benchmarkScan(bench, Sample(200), 1, scan) })
	bench.Run("no limits", func(bench *testing.B) { benchmarkScan(bench, Sample(200), 0, past()) })
	bench.Run("others limits", func(bench *testing.B) { benchmarkScan(bench, Sample(200), 0, past("bob")) })
	bench.Run("its limits", func(bench *testing.B) { benchmarkScan(bench, Sample(200), 1, past("alice")) })
	rests := Sample(200)
	rests.Trace.Candidates[2].Vitals.Cooling = engine.Cooling{Class: engine.ClassExhausted, Until: rests.Started}
	bench.Run("cool-downs", func(bench *testing.B) { benchmarkScan(bench, rests, 0, past()) })
}

// benchmarkScan looks through rows like r, of which all or none are found, but for one.
func benchmarkScan(bench *testing.B, r *engine.Record, found int, scan func(*Book, func(*engine.Record))) {
	b := openBench(bench)
	out := newBatch()
	const rows = 20000
	for range rows {
		if out.add(r); len(out.text) > chunk {
			b.put(out)
		}
	}
	b.put(out)
	cpu := stopwatch()
	bench.ReportAllocs()
	n := 0
	for bench.Loop() {
		scan(b, func(*engine.Record) { n++ })
	}
	bench.ReportMetric(float64(bench.N*rows)/cpu(), "rows/cpu-s")
	if n < bench.N*rows*found || n > bench.N*(rows*found+1) {
		bench.Fatalf("%d rows", n)
	}
}

// stopwatch returns how many seconds of processor time this process took since: others may share the machine.
func stopwatch() func() float64 {
	now := func() float64 {
		var u syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	}
	start := now()
	return func() float64 { return now() - start }
}

func openBench(t testing.TB) *Book {
	b, err := Open(Options{Dir: t.TempDir(), Policy: func() Policy { return Policy{Keep: time.Hour, MaxSize: 1 << 30} }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}
