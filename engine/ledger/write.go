package ledger

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sluice/engine"
)

// batch is encoded rows on their way to the file. Only the writer uses it.
type batch struct {
	text    []byte
	entries []entry // offsets count from the start of text
	rows    int
	told    *mentions
}

func newBatch() *batch { return &batch{told: newMentions()} }

func (t *batch) add(r *engine.Record) {
	t.entries = appendEntries(t.entries, int64(len(t.text)), r.RequestID, r.ClientRequestID, r.UpstreamReqID)
	t.text = appendRow(t.text, r, t.told)
	t.rows++
}

// cut takes the first n bytes off, which are whole rows, and returns their entries.
func (t *batch) cut(n int) []entry {
	i := 0
	for i < len(t.entries) && t.entries[i].at < int64(n) {
		i++
	}
	done := slices.Clone(t.entries[:i])
	t.rows -= bytes.Count(t.text[:n], []byte{'\n'})
	t.text = t.text[:copy(t.text, t.text[n:])]
	t.entries = t.entries[:copy(t.entries, t.entries[i:])]
	for i := range t.entries {
		t.entries[i].at -= int64(n)
	}
	return done
}

// write is the writer's goroutine. It ends when everything is written, or cannot be.
func (b *Book) write() {
	defer b.writer.Done()
	out := newBatch()
	for {
		select {
		case <-b.wake:
		case <-b.stop:
			b.flush(out)
			return
		}
		b.pause(gather)
		if !b.flush(out) {
			return
		}
	}
}

// pause waits, unless the book is closed. It reports whether it is not.
func (b *Book) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-b.stop:
		return false
	}
}

// flush writes what is pending. It reports false, with lost set, where it gave up on a closed book.
func (b *Book) flush(out *batch) bool {
	b.mu.Lock()
	rows := b.pending
	b.pending, b.writing = b.writing[:0], rows
	b.mu.Unlock()
	for i, r := range rows {
		out.add(r)
		if (len(out.text) >= chunk || i == len(rows)-1) && !b.store(out) {
			b.giveUp(len(rows) - 1 - i + out.rows)
			return false
		}
	}
	b.mu.Lock()
	clear(rows)
	b.writing = rows[:0]
	relaxed := len(b.pending) < maxBacklog/2
	b.mu.Unlock()
	if relaxed {
		b.short.Store(false)
	}
	if cap(out.text) > 2*chunk {
		out.text = nil
	}
	return true
}

// giveUp says how many rows are lost: those that the writer has, and those that came since.
func (b *Book) giveUp(rows int) {
	b.mu.Lock()
	rows += len(b.pending)
	b.pending, b.writing = nil, nil
	b.mu.Unlock()
	b.dropped.Add(int64(rows))
	b.lost = fmt.Errorf("ledger: %d rows could not be written: %w", rows, b.lost)
}

// store writes a batch, however often it takes. Once the book is closed it gives up after a while, with lost set.
func (b *Book) store(out *batch) bool {
	failing, closing := false, 0
	for len(out.text) > 0 {
		err := b.put(out)
		if err == nil {
			continue
		}
		if !failing {
			b.short.Store(true)
			b.report("ledger: %v; up to %d rows wait in memory, then rows are dropped", err, maxBacklog)
			failing = true
		}
		if b.pause(retryEvery) {
			continue
		}
		if closing == 0 {
			b.report("ledger: %v; the end waits at most %v for room for the last rows", err, lastTries*retryEvery)
		}
		if closing++; closing > lastTries {
			b.lost = err
			return false
		}
		time.Sleep(retryEvery)
	}
	if failing {
		b.report("ledger: rows are written again")
	}
	return true
}

// put writes a batch to the live segment. Where the disk takes only a part, the whole rows of it stay and the rest is taken back.
func (b *Book) put(out *batch) error {
	b.disk.Lock()
	defer b.disk.Unlock()
	if err := b.ready(); err != nil {
		return err
	}
	s, at := b.live, b.live.size.Load()
	n, err := writeAt(b.file, out.text, at)
	if err != nil {
		n = bytes.LastIndexByte(out.text[:n], '\n') + 1
		_ = b.file.Truncate(at + int64(n)) // else the next write covers it
	}
	rows := out.rows
	entries := out.cut(n)
	for i := range entries {
		entries[i].at += at
	}
	entries = append(s.entries, entries...) // not with mu held, which a request would wait for: they are many, and only the writer adds to them
	b.mu.Lock()
	s.entries = entries
	b.mu.Unlock()
	s.size.Store(at + int64(n))
	s.last.Store(time.Now().UnixNano())
	b.rows.Add(int64(rows - out.rows))
	return err
}

// writeAt is f.WriteAt, which does not tell how much was written before an error.
func writeAt(f *os.File, text []byte, at int64) (int, error) {
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return 0, err
	}
	return f.Write(text)
}

// ready sees to it that there is a live segment with room. It is called with disk held.
func (b *Book) ready() error {
	size, age := b.opts.Policy().shape()
	now := time.Now()
	if b.live != nil && b.live.size.Load() < size && now.Sub(b.live.start) < age {
		return nil
	}
	b.mu.Lock()
	segments := b.segments
	b.mu.Unlock()
	if n := len(segments); n > 0 && !now.After(segments[n-1].start.Add(time.Millisecond)) {
		now = segments[n-1].start.Add(time.Millisecond) // names ascend, also where the clock went back
	}
	if err := os.MkdirAll(b.opts.Dir, 0o700); err != nil { // somebody may have removed it
		return err
	}
	s := newSegment(b.opts.Dir, now.Truncate(time.Millisecond))
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	b.retire()
	b.live, b.file = s, f
	b.mu.Lock()
	b.segments = append(slices.Clip(slices.Clone(b.segments)), s)
	b.mu.Unlock()
	return nil
}

// retire leaves the live segment to the keeper. It is called with disk held.
func (b *Book) retire() {
	if b.live != nil {
		b.ended = append(b.ended, &open{b.live, b.file})
		b.live, b.file = nil, nil
	}
}

// open is a segment that is full and whose file is to be closed.
type open struct {
	*segment
	file *os.File
}

func syncDir(name string) error {
	dir, err := os.Open(filepath.Clean(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
