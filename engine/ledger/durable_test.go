package ledger_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/ledger"
)

// patience bounds every wait of a test: passing it is a failure, never a measure.
const patience = 20 * time.Second

// told is what a book reported.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (r *told) report(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *told) count(part string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(r.lines), func(s string) bool { return !strings.Contains(s, part) }))
}

func generous() ledger.Policy { return ledger.Policy{Keep: time.Hour, MaxSize: 1 << 30} }

func open(t testing.TB, dir string, policy func() ledger.Policy, r *told) *ledger.Book {
	t.Helper()
	b, err := ledger.Open(ledger.Options{Dir: dir, Policy: policy, Report: r.report})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func fill(b *ledger.Book, n int) []*engine.Record {
	rows := make([]*engine.Record, n)
	for i := range rows {
		rows[i] = ledger.Sample(200 + i)
		b.Record(rows[i])
	}
	return rows
}

func closed(t *testing.T, b *ledger.Book) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// scanned are the ids of all rows in the files, in order.
func scanned(t *testing.T, b *ledger.Book) []string {
	t.Helper()
	var got []string
	if err := b.Scan(time.Time{}, func(r *engine.Record) bool { got = append(got, r.RequestID); return true }); err != nil {
		t.Fatal(err)
	}
	return got
}

func idsOf(rows []*engine.Record) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.RequestID
	}
	return out
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestRowsOutliveTheProcess(t *testing.T) {
	dir, r := t.TempDir(), &told{}
	b := open(t, dir, generous, r)
	rows := fill(b, 3000)
	closed(t, b)
	b = open(t, dir, generous, r)
	if got := scanned(t, b); !slices.Equal(got, idsOf(rows)) {
		t.Fatalf("%d rows, want the %d that were recorded, in order", len(got), len(rows))
	}
	one := rows[1500]
	for _, id := range []string{one.RequestID, one.UpstreamReqID} {
		got, err := b.Find(id)
		if err != nil || got == nil || got.RequestID != one.RequestID || got.Trace.Stages[0].Dropped[0].Reason != "full" {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	more := fill(b, 1)
	if got, err := b.Recent(ledger.Query{Limit: 2}); err != nil || !slices.Equal(idsOf(got), []string{more[0].RequestID, rows[2999].RequestID}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := b.Recent(ledger.Query{Status: 1000, Principal: "alice", Upstream: "team-a", Limit: 5}); err != nil || len(got) != 1 {
		t.Errorf("%v, %v: want one row of status 1000", got, err)
	}
	if n := len(segments(t, dir)); n != 1 || len(r.lines) != 0 {
		t.Errorf("%d segments, told %q: want one that is gone on with, and nothing to tell", n, r.lines)
	}
}

func TestAScanBeginsWhereItIsAsked(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, generous, &told{})
	begin := time.Now().Add(-time.Hour)
	for i := range 10 {
		r := ledger.Sample(200)
		r.Started = begin.Add(time.Duration(i) * time.Minute)
		b.Record(r)
	}
	closed(t, b)
	b = open(t, dir, generous, &told{})
	n := 0
	if err := b.Scan(begin.Add(4*time.Minute+ledger.Sample(0).Timings.Duration), func(*engine.Record) bool { n++; return n < 4 }); err != nil || n != 4 {
		t.Errorf("%d rows, %v: want the scan to end when it is told", n, err)
	}
	n = 0
	if err := b.Scan(begin.Add(7*time.Minute+ledger.Sample(0).Timings.Duration), func(*engine.Record) bool { n++; return true }); err != nil || n != 3 {
		t.Errorf("%d rows, %v: want the 3 that ended at that time or later", n, err)
	}
}

func TestATornTailIsCutOffWhereverItTore(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, generous, &told{})
	rows := fill(b, 2)
	b.Record(&engine.Record{RequestID: "last", Status: 200})
	closed(t, b)
	name := segments(t, dir)[0]
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for size := last; size < len(whole); size++ {
		for _, tail := range []string{"", "\x00\x00\x00\x00"} {
			if err := os.WriteFile(name, append(slices.Clone(whole[:size]), tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			r := &told{}
			b := open(t, dir, generous, r)
			if got := scanned(t, b); !slices.Equal(got, idsOf(rows)) {
				t.Fatalf("cut at %d: %q", size, got)
			}
			if n := r.count("were cut off"); (n == 1) != (size > last || tail != "") {
				t.Fatalf("cut at %d: told %q", size, r.lines)
			}
			if size%20 == 0 {
				again := fill(b, 1)
				closed(t, b)
				b = open(t, dir, generous, r)
				if got := scanned(t, b); len(got) != 3 || got[2] != again[0].RequestID {
					t.Fatalf("after a cut at %d a new row reads as %q", size, got)
				}
			}
			closed(t, b)
		}
	}
}

func TestADamagedLineIsSkippedAndCounted(t *testing.T) {
	dir, r := t.TempDir(), &told{}
	b := open(t, dir, generous, r)
	rows := fill(b, 3)
	closed(t, b)
	name := segments(t, dir)[0]
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text[bytes.IndexByte(text, '\n')+100] ^= 1
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir, generous, r)
	if got := scanned(t, b); !slices.Equal(got, []string{rows[0].RequestID, rows[2].RequestID}) {
		t.Errorf("%q", got)
	}
	if got, err := b.Recent(ledger.Query{Limit: 10}); err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if n := b.Stats().Damaged; n == 0 || r.count("1 damaged lines") != 1 {
		t.Errorf("%d counted, told %q", n, r.lines)
	}
}

// small makes segments of 64 KiB.
func small() ledger.Policy { return ledger.Policy{Keep: time.Hour, MaxSize: 1 << 20} }

func TestOldSegmentsGoWhenThereIsTooMuch(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, small, &told{})
	var rows []*engine.Record
	for range 30 {
		rows = append(rows, fill(b, 100)...)
		eventually(t, "the rows are written", func() bool { return b.Stats().Waiting == 0 })
	}
	eventually(t, "the oldest segments are gone", func() bool { return sizeOf(t, dir) <= 1<<20 })
	got := scanned(t, b)
	if want := idsOf(rows)[len(rows)-len(got):]; !slices.Equal(got, want) || len(got) < 500 {
		t.Errorf("%d rows are left, want the latest without a gap", len(got))
	}
	if r, err := b.Find(rows[len(rows)-len(got)].UpstreamReqID); r == nil || err != nil {
		t.Errorf("the oldest row that is left: %v, %v", r, err)
	}
	if r, err := b.Find(rows[0].RequestID); r != nil || err != nil {
		t.Errorf("a row that is gone: %v, %v", r, err)
	}
	if page, err := b.Recent(ledger.Query{Limit: len(got)}); err != nil || len(page) != len(got) || page[len(page)-1].RequestID != got[0] {
		t.Errorf("%d rows, %v: want all of them, newest first", len(page), err)
	}
	closed(t, b)
	for _, name := range segments(t, dir)[:2] { // an index that was lost is made anew, one that is cut off is not believed
		index := strings.TrimSuffix(name, ".jsonl") + ".idx"
		if err := os.Truncate(index, 100); err != nil {
			t.Fatal(err)
		}
	}
	b = open(t, dir, small, &told{})
	if got := scanned(t, b); len(got) == 0 || got[len(got)-1] != rows[len(rows)-1].RequestID {
		t.Fatal("the latest row is gone")
	} else if r, err := b.Find(got[0]); r == nil || err != nil {
		t.Errorf("a row whose index was lost: %v, %v", r, err)
	}
}

func sizeOf(t *testing.T, dir string) (total int64) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			total += info.Size()
		}
	}
	return total
}

func TestRowsGoWhenTheyAreOldEvenIfNoMoreCome(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, func() ledger.Policy { return ledger.Policy{Keep: time.Second, MaxSize: 1 << 30} }, &told{})
	fill(b, 10)
	eventually(t, "the files are gone", func() bool { return b.Stats().Rows == 10 && sizeOf(t, dir) == 0 })
	if got := scanned(t, b); len(got) != 0 {
		t.Errorf("%d rows", len(got))
	}
}

func TestReadersSeeWholeRowsWhileSegmentsComeAndGo(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, small, &told{})
	fill(b, 1)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	recorded := make(chan string) // handed over once the last one was found, since rows of long ago are removed
	readers.Go(func() {
		for id := range recorded {
			if r, err := b.Find(id); r == nil || err != nil {
				t.Errorf("a row just recorded: %v, %v", r, err)
			}
		}
	})
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				page, err := b.Recent(ledger.Query{Principal: "alice", Limit: 1500})
				if err != nil || len(page) == 0 {
					t.Errorf("%d rows, %v", len(page), err)
				}
				for i := 1; i < len(page); i++ {
					if page[i].RequestID >= page[i-1].RequestID {
						t.Errorf("%s after %s, want the newest first", page[i].RequestID, page[i-1].RequestID)
					}
				}
				before := ""
				err = b.Scan(time.Time{}, func(r *engine.Record) bool {
					if r.RequestID <= before {
						t.Errorf("%s after %s", r.RequestID, before)
					}
					before = r.RequestID
					return true
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 30 {
		recorded <- fill(b, 100)[50].RequestID
		eventually(t, "the rows are written", func() bool { return b.Stats().Waiting == 0 })
	}
	close(recorded)
	close(stop)
	readers.Wait()
	if s := b.Stats(); s.Damaged != 0 || s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
}

func TestASecondReaderNeedsNoLock(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, generous, &told{})
	rows := fill(b, 5)
	eventually(t, "the rows are written", func() bool { return b.Stats().Rows == 5 })
	reader, err := ledger.Open(ledger.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := reader.Find(rows[2].UpstreamReqID); err != nil || got == nil || got.RequestID != rows[2].RequestID {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := ledger.Open(ledger.Options{Dir: filepath.Join(dir, "none"), ReadOnly: true}); err == nil {
		t.Error("a directory that is not there opens")
	}
}

// A full disk is how it comes to that.
func TestRowsGoOnWhereSomebodyRemovedTheFiles(t *testing.T) {
	for _, what := range []string{"*.jsonl", "."} {
		dir, r := filepath.Join(t.TempDir(), "ledger"), &told{}
		b := open(t, dir, small, r)
		fill(b, 300)
		eventually(t, "a segment is full", func() bool { return b.Stats().Waiting == 0 })
		fill(b, 1)
		eventually(t, "it has its index", func() bool {
			full, _ := filepath.Glob(filepath.Join(dir, "*.idx"))
			return b.Stats().Waiting == 0 && len(full) > 0
		})
		names, err := filepath.Glob(filepath.Join(dir, what))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if err := os.RemoveAll(name); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, what+": it is told", func() bool { return r.count("were removed, the rows in them are gone") == 1 })
		rows := fill(b, 3)
		closed(t, b)
		if got := scanned(t, open(t, dir, small, r)); !slices.Equal(got, idsOf(rows)) || len(r.lines) != 1 {
			t.Errorf("%s: %d rows after a restart, want the 3 that came later; told %q", what, len(got), r.lines)
		}
	}
}
