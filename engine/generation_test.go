package engine_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/engine"
)

func TestAGenerationClosesOnceWhenItsLastLeaseEnds(t *testing.T) {
	var w engine.World
	closed := 0
	first := &engine.Generation{Number: 1}
	first.OnClose(func() { closed++ })
	if w.Lease() != nil {
		t.Error("an empty world leases")
	}
	w.Publish(first)
	a, b := w.Lease(), w.Lease()
	if !w.Publish(&engine.Generation{Number: 2}) {
		t.Fatal("a newer generation was refused")
	}
	if a != first || b != first || w.Lease().Number != 2 {
		t.Error("leases and the current generation do not agree")
	}
	if a.Release(); closed != 0 {
		t.Error("closed while a lease was out")
	}
	if b.Release(); closed != 1 {
		t.Errorf("closed %d times, want once", closed)
	}
	if w.Publish(&engine.Generation{Number: 2}) || w.Publish(&engine.Generation{Number: 1}) {
		t.Error("an older build replaced a newer one")
	}
}

// A lease never sees a closed generation, whatever is published meanwhile, and every generation closes exactly once.
func TestLeasesHoldUnderReloads(t *testing.T) {
	const generations, readers = 2000, 4
	var w engine.World
	var closes atomic.Int64
	publish := func(n uint64) {
		g := &engine.Generation{Number: n}
		var done atomic.Bool
		g.OnClose(func() {
			if done.Swap(true) {
				t.Error("closed twice")
			}
			closes.Add(1)
		})
		w.Publish(g)
	}
	publish(1)
	var wait sync.WaitGroup
	var stop atomic.Bool
	for range readers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			last := uint64(0)
			for !stop.Load() {
				g := w.Lease()
				if g.Number < last {
					t.Error("the world went back in time")
				}
				last = g.Number
				g.Release()
			}
		}()
	}
	for n := uint64(2); n <= generations; n++ {
		publish(n)
	}
	stop.Store(true)
	wait.Wait()
	w.Close()
	if got := closes.Load(); got != generations {
		t.Errorf("%d generations closed, want %d", got, generations)
	}
}

type seen struct{ events chan engine.ObserveEvent }

func (s seen) Observe(ev engine.ObserveEvent) error { s.events <- ev; return nil }

func TestAFeedNeverWaitsAndCountsWhatWasMissed(t *testing.T) {
	o := seen{make(chan engine.ObserveEvent)} // takes nothing until it is read
	m := &engine.Meter{}
	f := engine.NewFeed([]*engine.ObserverSlot{{Observer: o, Meter: m}})
	const sent = engine.FeedQueue + 100
	for range sent {
		f.Emit(engine.RequestStarted{})
		f.Emit(engine.Chunk{})
	}
	got := make(chan int)
	go func() {
		n := 0
		for ev := range o.events {
			if ev.Kind() != "request_started" {
				t.Errorf("got %s, which nobody asked for", ev.Kind())
			}
			n++
		}
		got <- n
	}()
	f.Close()
	close(o.events)
	if n := <-got; int64(n)+m.Dropped.Load() != sent || m.Dropped.Load() < 90 {
		t.Errorf("%d events seen and %d dropped of %d", n, m.Dropped.Load(), sent)
	}
	var none *engine.Feed
	none.Emit(engine.Chunk{})
	none.Close()
}

func TestAMeterEstimatesQuantilesWithinAFifth(t *testing.T) {
	m := &engine.Meter{}
	if m.Quantile(0.5) != 0 {
		t.Error("an empty meter has a median")
	}
	for i := range 1000 {
		m.Observe(time.Duration(i+1) * time.Microsecond)
	}
	f := func(q float64, want time.Duration) {
		t.Helper()
		if got := m.Quantile(q); got < want*4/5 || got > want*6/5 {
			t.Errorf("quantile %v is %v, want about %v", q, got, want)
		}
	}
	f(0.5, 500*time.Microsecond)
	f(0.99, 990*time.Microsecond)
	for _, d := range []time.Duration{0, -5, 1, 1 << 62} {
		m.Observe(d)
	}
}

func TestMetersOutliveGenerations(t *testing.T) {
	var ms engine.Meters
	a := ms.For(engine.SlotFilter, engine.GlobalSlot("x"))
	if ms.For(engine.SlotFilter, engine.GlobalSlot("x")) != a || ms.For(engine.SlotFilter, engine.SlotKey{Principal: "p", Plugin: "x"}) == a {
		t.Error("meters are not one to a slot")
	}
}

// A client may choose where a script fails: that fills no log.
func TestAFailureIsToldOnceForEachPlace(t *testing.T) {
	var told []*engine.ScriptError
	ms := engine.Meters{Log: func(e *engine.ScriptError) { told = append(told, e) }}
	m := ms.For(engine.SlotFilter, engine.GlobalSlot("x"))
	f := func(what string, want int, fail func(i int) engine.ScriptError) {
		t.Helper()
		told = nil
		for i := range 1000 {
			err := fail(i)
			m.Count(&err)
		}
		if len(told) != want {
			t.Errorf("%s: told %d times, want %d", what, len(told), want)
		}
	}
	two := func(i int) engine.ScriptError {
		return engine.ScriptError{File: "f.star", Line: 3 + i%2, Message: "what a client sent"}
	}
	f("two lines in turn", 2, two)
	f("the same again", 0, two)
	f("overruns of two budgets", 2, func(i int) engine.ScriptError {
		return engine.ScriptError{File: "f.star", Line: i, Budget: []string{"time", "steps"}[i%2]}
	})
	f("a thousand lines", 28, func(i int) engine.ScriptError { return engine.ScriptError{File: "f.star", Line: 10 + i} })
	m = ms.For(engine.SlotFilter, engine.GlobalSlot("x"))
	f("two lines, built anew", 2, two)
	m.Count(nil)
	if m.Errors.Load() != 4001 || m.Overruns.Load() != 1000 || m.Last().Line != 4 {
		t.Errorf("%d errors, %d overruns, the last in line %d; want 4001, 1000 and 4", m.Errors.Load(), m.Overruns.Load(), m.Last().Line)
	}
}
