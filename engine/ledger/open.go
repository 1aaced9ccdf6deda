package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Open opens the files in a directory, which it makes if need be. What a crash cut off at their end is removed and told. Nobody else may
// write there.
func Open(o Options) (*Book, error) {
	now := time.Now()
	b := &Book{opts: o, opened: now.Round(0), ticks: now}
	if !o.ReadOnly {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the ledger's directory: %w", err)
		}
	}
	segments, err := findSegments(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	b.segments = segments
	if err := b.recover(); err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	if o.ReadOnly {
		return b, nil
	}
	b.wake, b.stop = make(chan struct{}, 1), make(chan struct{})
	b.removeStrays()
	b.writer.Add(1)
	b.keeper.Add(1)
	go b.write()
	go b.keep()
	return b, nil
}

// recover looks through the last segment, which was the live one, and goes on with it. What follows its last whole row is cut off.
func (b *Book) recover() error {
	if len(b.segments) == 0 {
		return nil
	}
	s := b.segments[len(b.segments)-1]
	if s.indexed.Load() {
		return nil // it was full
	}
	entries, end, damaged, err := s.readEntries()
	if err != nil {
		return err
	}
	s.entries = entries
	torn := s.size.Swap(end) - end
	b.damaged.Add(damaged)
	if damaged > 0 {
		b.report("ledger: %d damaged lines of %s are skipped", damaged, s.path)
	}
	if b.opts.ReadOnly {
		return nil
	}
	if torn > 0 {
		b.report("ledger: the last %d bytes of %s are no whole row and were cut off", torn, s.path)
	}
	return b.resume(s, torn > 0)
}

// resume makes the last segment the live one again.
func (b *Book) resume(s *segment, torn bool) error {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if torn {
		if err := errors.Join(f.Truncate(s.size.Load()), f.Sync()); err != nil {
			f.Close()
			return err
		}
	}
	b.live, b.file = s, f
	return nil
}

// removeStrays removes index files that are half written, or whose segment is gone.
func (b *Book) removeStrays() {
	known := map[string]bool{}
	for _, s := range b.segments {
		known[s.indexPath()] = true
	}
	files, _ := filepath.Glob(filepath.Join(b.opts.Dir, "*"+indexSuffix+"*"))
	for _, name := range files {
		if strings.HasSuffix(name, ".new") || !known[name] {
			os.Remove(name)
		}
	}
}

// shape is how large and how old a segment becomes under a policy: a sixteenth of what is kept, so that retention by whole segments is
// that exact.
func (p Policy) shape() (size int64, age time.Duration) {
	return min(max(p.MaxSize/16, 64<<10), 64<<20), min(max(p.Keep/16, time.Second), 24*time.Hour)
}
