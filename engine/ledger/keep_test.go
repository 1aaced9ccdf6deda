package ledger

import (
	"testing"
	"time"

	"sluice/engine"
)

// TestAClockThatJumpsAheadMakesNothingOld: when it is set right again the rows would be gone for good.
func TestAClockThatJumpsAheadMakesNothingOld(t *testing.T) {
	b := openBench(t)
	b.Record(Sample(200))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.retire()
	const year = 365 * 24 * time.Hour
	f := func(what string, opened, written time.Time, want int) {
		t.Helper()
		b.opened = opened
		b.segments[0].last.Store(written.UnixNano())
		if err := (&caretaker{Book: b}).retain(); err != nil || len(b.segments) != want {
			t.Fatalf("%s: %d segments, %v, want %d", what, len(b.segments), err, want)
		}
	}
	now := time.Now().Round(0)
	f("a year ahead since it was opened", now.Add(-year), now.Add(-year), 1)
	f("a year back since it was opened", now.Add(year), now.Add(year), 1)
	f("before that, and right", now, now.Add(-2*time.Hour), 0)
}

// TestAScanEndsWithWhatThereWas: what is recorded and written while it goes on is not among it, so that rows stay in order.
func TestAScanEndsWithWhatThereWas(t *testing.T) {
	b := openBench(t)
	written := func() {
		for b.Stats().Waiting > 0 {
			time.Sleep(time.Millisecond)
		}
	}
	record := func(id string) { b.Record(&engine.Record{RequestID: id, Started: time.Now()}) }
	record("1")
	written()
	b.disk.Lock()
	b.retire()
	b.disk.Unlock()
	record("2")
	written()
	b.disk.Lock() // the next row waits
	record("3")
	got := ""
	err := b.Scan(time.Time{}, func(r *engine.Record) bool {
		if r.RequestID == "1" {
			b.disk.Unlock()
			record("4")
			written()
		}
		got += r.RequestID
		return true
	})
	if err != nil || got != "123" {
		t.Errorf("%s, %v", got, err)
	}
}
