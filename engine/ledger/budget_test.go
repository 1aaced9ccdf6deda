//go:build !race

package ledger

import (
	"testing"
	"time"
)

func TestARequestPaysNothingForItsRow(t *testing.T) {
	b := openBench(t)
	r := Sample(200)
	for range 2 * maxBacklog { // so that both lists of rows have their size
		b.Record(r)
	}
	if n := testing.AllocsPerRun(1000, func() { b.Record(r) }); n > 1 {
		t.Errorf("%g allocations, want at most 1", n)
	}
	out := newBatch()
	rows := append(busyRows(20), r)
	if n := testing.AllocsPerRun(100, func() {
		for _, r := range rows {
			out.add(r)
		}
		out.text, out.entries = out.text[:0], out.entries[:0]
	}) / float64(len(rows)); n > 0 {
		t.Errorf("the writer: %g allocations a row", n)
	}
}

func TestAnIndexTakesNoMemoryForEachRow(t *testing.T) {
	s := newSegment(t.TempDir(), time.Now())
	allocations := func(rows int) float64 {
		entries := make([]entry, rows)
		return testing.AllocsPerRun(10, func() {
			if err := s.writeIndex(entries); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := allocations(10), allocations(10_000); many > few+10 {
		t.Errorf("an index takes %g allocations for 10 entries, %g for 10,000; want about as many", few, many)
	}
}
