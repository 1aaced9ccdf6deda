package ledger_test

import (
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/ledger"
)

// alone runs the test in a process of its own, where a limit on files hits nobody else's, and reports whether it has done so. go test writes
// a file as well.
func alone(t *testing.T) bool {
	t.Helper()
	const mark = "SLUICE_TEST_ALONE"
	if os.Getenv(mark) != "" {
		return false
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), mark+"=1")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return true
}

// fileLimit lets the system refuse to let any file grow beyond size, as a full disk does: it takes what fits and refuses the rest. The
// returned function makes room again.
func fileLimit(t *testing.T, size uint64) func() {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	now := was
	now.Cur = size
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
		t.Fatal(err)
	}
	room := func() { syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was) }
	t.Cleanup(room)
	return room
}

func TestAFullDiskLosesNoRow(t *testing.T) {
	if alone(t) {
		return
	}
	dir, r := t.TempDir(), &told{}
	var refuse atomic.Bool
	b := open(t, dir, func() ledger.Policy {
		return ledger.Policy{Keep: time.Hour, MaxSize: 1 << 30, Refuse: refuse.Load()}
	}, r)
	rows := fill(b, 5)
	eventually(t, "the rows are written", func() bool { return b.Stats().Rows == 5 })
	size := b.Stats().Bytes
	room := fileLimit(t, uint64(size+size/2))
	rows = append(rows, fill(b, 20)...)
	eventually(t, "it is told that the disk is full", func() bool { return r.count("file too large; up to") == 1 })
	text, err := os.ReadFile(segments(t, dir)[0])
	if n := strings.Count(string(text), "\n"); err != nil || n <= 5 || n >= 25 || text[len(text)-1] != '\n' {
		t.Errorf("%d rows in the file, want the first and those that found room, and no part of another: %v", n, err)
	}
	if got := scanned(t, b); !slices.Equal(got, idsOf(rows)) {
		t.Errorf("%d rows, want all %d in order: those that wait are rows too", len(got), len(rows))
	}
	if got, err := b.Find(rows[24].UpstreamReqID); got != rows[24] || err != nil {
		t.Errorf("a row that waits: %v, %v", got, err)
	}
	if b.Full() {
		t.Error("requests are refused, which the config does not say")
	}
	refuse.Store(true)
	if !b.Full() {
		t.Error("requests are served, though their rows cannot be kept")
	}
	room()
	eventually(t, "the rows are written", func() bool { return b.Stats().Waiting == 0 && !b.Full() })
	if got := scanned(t, b); !slices.Equal(got, idsOf(rows)) {
		t.Errorf("%d rows, want all %d in order", len(got), len(rows))
	}
	if r.count("written again") != 1 || r.count("file too large") != 1 || b.Stats().Dropped != 0 {
		t.Errorf("told %q, %+v", r.lines, b.Stats())
	}
}

func TestWhatWaitsForADiskIsBounded(t *testing.T) {
	if alone(t) {
		return
	}
	dir, r := t.TempDir(), &told{}
	b := open(t, dir, generous, r)
	fill(b, 1)
	eventually(t, "the row is written", func() bool { return b.Stats().Rows == 1 })
	room := fileLimit(t, uint64(b.Stats().Bytes))
	fill(b, 1)
	eventually(t, "it is told that the disk is full", func() bool { return r.count("file too large") == 1 })
	served, refused := &engine.Record{RequestID: "served"}, &engine.Record{RequestID: "refused"}
	served.Trace.Attempts = make([]engine.Attempt, 1)
	const half = 1 << 14
	record := func(what *engine.Record, n int, waiting, dropped int64) {
		t.Helper()
		for range n {
			b.Record(what)
		}
		if s := b.Stats(); int64(s.Waiting) != waiting+1 || s.Dropped != dropped {
			t.Errorf("%d waiting and %d dropped, want %d and %d", s.Waiting-1, s.Dropped, waiting, dropped)
		}
	}
	record(refused, half+10, half, 10)
	record(served, half+5, 2*half, 15)
	record(refused, 1, 2*half, 16)
	eventually(t, "it is told that rows are dropped", func() bool { return r.count("rows are dropped") == 1 })
	room()
	eventually(t, "the rows are written", func() bool { return b.Stats().Waiting == 0 })
	if n := len(scanned(t, b)); n != 2+2*half {
		t.Errorf("%d rows, want all that waited", n)
	}
	eventually(t, "it is told that no more are dropped", func() bool { return r.count("since the start it were 16") == 1 })
}

func TestABookThatCannotWriteSaysWhatItLost(t *testing.T) {
	if alone(t) {
		return
	}
	r := &told{}
	b := open(t, t.TempDir(), generous, r)
	fill(b, 1)
	eventually(t, "the row is written", func() bool { return b.Stats().Rows == 1 })
	fileLimit(t, uint64(b.Stats().Bytes))
	fill(b, 3)
	eventually(t, "the writer tries", func() bool { return r.count("file too large; up to") == 1 })
	fill(b, 4) // which it has not taken yet
	if err := b.Close(); err == nil || !strings.Contains(err.Error(), "7 rows could not be written") {
		t.Errorf("%v", err)
	}
	if n := r.count("waits at most"); n != 1 || b.Stats().Dropped != 7 {
		t.Errorf("it waited %d times, %+v", n, b.Stats())
	}
}

func TestABookThatClosesWaitsForTheDiskToHaveRoom(t *testing.T) {
	if alone(t) {
		return
	}
	dir, r := t.TempDir(), &told{}
	b := open(t, dir, generous, r)
	rows := fill(b, 1)
	eventually(t, "the row is written", func() bool { return b.Stats().Rows == 1 })
	room := fileLimit(t, uint64(b.Stats().Bytes))
	rows = append(rows, fill(b, 3)...)
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	eventually(t, "it is told that it waits", func() bool { return r.count("waits at most") == 1 })
	room()
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if got := scanned(t, open(t, dir, generous, r)); !slices.Equal(got, idsOf(rows)) {
		t.Errorf("%d rows, want all %d", len(got), len(rows))
	}
}
