// Package ledger keeps the record of each request in files, for as long as the config says.
//
//	book, err := ledger.Open(ledger.Options{Dir: "data/ledger", Policy: policy, Report: logf})
//	book.Record(r)                                       // at once, whatever the disk does
//	recent, err := book.Recent(ledger.Query{Status: 529, Limit: 20})
//	err = book.Scan(since, func(r *engine.Record) bool { … })
//
// The files are segments, named for when they begin. A row is one line of JSON that ends in its checksum, so that jq and grep can read
// it, and what a crash cut off is known by its last line. Rows stand in the order in which their requests ended. Beside a segment that
// is full lies its index.
//
// What survives: a row is handed to the system within a moment of its request's end, which a killed process does not undo; a second
// later it is on the disk itself, which a loss of power does not undo either.
package ledger

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"sluice/engine"
)

const (
	// maxBacklog is how many rows wait for the disk at most. From half of it on, only rows of requests that reached an upstream do.
	maxBacklog = 1 << 15
	// gather is how long the writer waits for more rows to write at once. A row is to be on disk within 100 ms, and a busy disk, or
	// machine, takes its part of that; each write costs a wake-up, and has the runtime's monitor look after the others for a while.
	gather = 25 * time.Millisecond
	// chunk is how much is written at once, in bytes, or one row more.
	chunk = 1 << 20
	// retryEvery is how long the writer waits after a write that failed.
	retryEvery = 250 * time.Millisecond
	// lastTries is how often a closed book tries once more to write what is left.
	lastTries = 12
	// syncEvery is how often what was written is made durable.
	syncEvery = time.Second
	// flood is how fast a segment grows whose rows do not stay in memory, in bytes a second: some thousand rows. What a start reads of rows
	// that came slower is still there.
	flood = 1 << 20
)

// Policy is what the config says of the files.
type Policy struct {
	Keep    time.Duration // rows older than this go, a segment at a time
	MaxSize int64         // of all files together, in bytes; the oldest segments go
	Refuse  bool          // no request is served while its row could not be kept
}

// Options are what a Book is made of.
type Options struct {
	Dir string
	// Policy is asked now and then: it may change with the config.
	Policy func() Policy
	// Report is told of what a person should know, once each time it begins and ends. Nil drops it.
	Report func(format string, args ...any)
	// ReadOnly reads files that another process may be writing, and changes nothing.
	ReadOnly bool
}

// Book is the ledger. Its methods may be called from any goroutine.
type Book struct {
	opts   Options
	opened time.Time // by the clock on the wall
	ticks  time.Time // the same moment, by the clock that nobody sets

	mu       sync.Mutex
	pending  []*engine.Record // guarded by mu; what the writer takes next. No record stays in memory longer than it waits
	writing  []*engine.Record // guarded by mu; what it has taken
	segments []*segment       // guarded by mu; oldest first, replaced and never written
	closed   bool             // guarded by mu

	disk  sync.Mutex
	live  *segment // guarded by disk; nil = the next row begins one
	file  *os.File // guarded by disk; of live
	ended []*open  // guarded by disk; segments to be sealed

	short   atomic.Bool // a write fails, or the backlog is half full
	rows    atomic.Int64
	dropped atomic.Int64
	damaged atomic.Int64

	wake   chan struct{}
	stop   chan struct{}
	writer sync.WaitGroup
	keeper sync.WaitGroup
	lost   error // guarded by writer: what Close could not write
}

var _ engine.Ledger = (*Book)(nil)

// Record adds r. It waits for nothing.
func (b *Book) Record(r *engine.Record) {
	b.mu.Lock()
	first := b.enqueue(r)
	b.mu.Unlock()
	if first {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

// enqueue adds r to what is to be written, and reports whether the writer must be woken. It is called with mu held.
func (b *Book) enqueue(r *engine.Record) bool {
	n := len(b.pending)
	if b.closed || n >= maxBacklog || n >= maxBacklog/2 && len(r.Trace.Attempts) == 0 {
		b.dropped.Add(1)
		return false
	}
	if n == maxBacklog/2 {
		b.short.Store(true)
	}
	b.pending = append(b.pending, r)
	return n == 0
}

// Full reports that a request is not to be served, since its row could not be kept.
func (b *Book) Full() bool { return b.short.Load() && b.opts.Policy().Refuse }

// Stats are counts since the book was opened, and what there is.
type Stats struct {
	Rows    int64 // written
	Dropped int64 // because the disk did not keep up
	Damaged int64 // lines that a reader had to skip
	Waiting int   // rows that are not written yet
	Bytes   int64 // of all segments
}

// Stats returns what was counted.
func (b *Book) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Stats{Rows: b.rows.Load(), Dropped: b.dropped.Load(), Damaged: b.damaged.Load(), Waiting: len(b.pending) + len(b.writing)}
	for _, seg := range b.segments {
		s.Bytes += seg.size.Load()
	}
	return s
}

// Close writes what is left and ends. An error says what could not be written.
func (b *Book) Close() error {
	b.mu.Lock()
	was := b.closed
	b.closed = true
	b.mu.Unlock()
	if was || b.stop == nil {
		return nil
	}
	close(b.stop)
	b.writer.Wait()
	b.keeper.Wait()
	return b.lost
}

func (b *Book) report(format string, args ...any) {
	if b.opts.Report != nil {
		b.opts.Report(format, args...)
	}
}
