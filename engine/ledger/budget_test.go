//go:build !race

package ledger

import "testing"

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
