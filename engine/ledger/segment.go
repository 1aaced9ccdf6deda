package ledger

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	rowsSuffix  = ".jsonl"
	indexSuffix = ".idx"
	// nameLayout sorts as time does.
	nameLayout = "2006-01-02T15-04-05.000Z"
)

// segment is one file of rows.
type segment struct {
	path  string
	start time.Time    // in its name
	size  atomic.Int64 // of the whole rows in it, in bytes
	last  atomic.Int64 // when its last row came, in Unix nanoseconds
	// entries are its index as long as that is in no file, in the order of the rows. Guarded by Book.mu.
	entries []entry
	indexed atomic.Bool // the index is in a file
}

func (s *segment) indexPath() string { return strings.TrimSuffix(s.path, rowsSuffix) + indexSuffix }

func newSegment(dir string, start time.Time) *segment {
	s := &segment{path: filepath.Join(dir, start.UTC().Format(nameLayout)+rowsSuffix), start: start}
	s.last.Store(start.UnixNano())
	return s
}

// findSegments lists the segments in dir, oldest first.
func findSegments(dir string) ([]*segment, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []*segment
	for _, f := range files {
		start, err := time.Parse(nameLayout+rowsSuffix, f.Name())
		if err != nil {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // retention of the process that writes was faster
		}
		if err != nil {
			return nil, err
		}
		s := newSegment(dir, start)
		s.size.Store(info.Size())
		s.last.Store(info.ModTime().UnixNano())
		s.indexed.Store(s.indexFits())
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *segment) int { return strings.Compare(a.path, b.path) })
	return all, nil
}

// lines calls f for each line of the first bytes of the segment with where it begins, until f returns false. The line has its line feed, but
// for a last one that was cut off, and is valid during the call.
func (s *segment) lines(size int64, f func(at int64, line []byte) bool) error {
	file, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewReaderSize(io.NewSectionReader(file, 0, size), 256<<10)
	var long []byte // the beginning of a line that is longer than the buffer
	for at := int64(0); ; {
		line, err := in.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			long = append(long, line...)
			continue
		}
		if len(long) > 0 {
			line, long = append(long, line...), nil
		}
		if len(line) > 0 && !f(at, line) {
			return nil
		}
		at += int64(len(line))
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// backwards is lines from the last to the first of the first size bytes. A line stays valid.
func (s *segment) backwards(size int64, f func(line []byte) bool) error {
	const block = 256 << 10
	file, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	var rest []byte // the end of a line whose beginning was not read yet
	for at := size; at > 0; {
		n := min(block, at)
		at -= n
		buf := make([]byte, int(n)+len(rest))
		if _, err := file.ReadAt(buf[:n], at); err != nil {
			return err
		}
		copy(buf[n:], rest)
		for {
			i := bytes.LastIndexByte(buf[:len(buf)-1], '\n')
			if i < 0 {
				break
			}
			if !f(buf[i+1:]) {
				return nil
			}
			buf = buf[:i+1]
		}
		rest = buf
	}
	if len(rest) > 0 {
		f(rest)
	}
	return nil
}

// lineAt reads the line that begins at an offset.
func (s *segment) lineAt(at int64) ([]byte, error) {
	file, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	line, err := bufio.NewReader(io.NewSectionReader(file, at, s.size.Load()-at)).ReadBytes('\n')
	if err == io.EOF {
		err = nil // a line that was cut off is no row
	}
	return line, err
}
