package ledger

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/body"
)

// Query chooses records. What is empty chooses all.
type Query struct {
	Principal string
	Upstream  string
	Status    int
	Limit     int // how many at most
}

func (q *Query) matches(r *engine.Record) bool {
	return (q.Principal == "" || r.Principal == q.Principal) && (q.Upstream == "" || r.Upstream == q.Upstream) &&
		(q.Status == 0 || r.Status == q.Status)
}

// needles are texts that a row must hold if it matches. They save reading most of those that do not.
func (q *Query) needles() (all [][]byte) {
	add := func(key, value string) {
		if value != "" {
			all = append(all, body.AppendString([]byte(`"`+key+`":`), value))
		}
	}
	add("principal", q.Principal)
	add("upstream", q.Upstream)
	if q.Status != 0 {
		all = append(all, strconv.AppendInt([]byte(`"status":`), int64(q.Status), 10))
	}
	return all
}

// Recent returns the records that match, newest first. It reads back in the files until it has found as many as are asked for.
func (b *Book) Recent(q Query) ([]*engine.Record, error) {
	waiting, segments, sizes := b.look()
	var out []*engine.Record
	for _, r := range slices.Backward(waiting) {
		if len(out) < q.Limit && q.matches(r) {
			out = append(out, r)
		}
	}
	if len(out) == q.Limit || len(segments) == 0 {
		return out, nil
	}
	known := make(map[string]bool, len(waiting))
	for _, r := range waiting {
		known[r.RequestID] = true
	}
	needles := q.needles()
	for i, s := range slices.Backward(segments) {
		err := s.backwards(sizes[i], func(line []byte) bool {
			if slices.ContainsFunc(needles, func(n []byte) bool { return !bytes.Contains(line, n) }) {
				return true
			}
			if r := b.parse(line, nil); r != nil && !known[r.RequestID] && q.matches(r) {
				out = append(out, r)
			}
			return len(out) < q.Limit
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return out, err
		}
		if len(out) == q.Limit {
			break
		}
	}
	return out, nil
}

// look returns the records that wait for the disk, in the order in which they ended, the segments, and how much of each is before those.
func (b *Book) look() (waiting []*engine.Record, segments []*segment, sizes []int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sizes = make([]int64, len(b.segments)) // the last one grows
	for i, s := range b.segments {
		sizes[i] = s.size.Load()
	}
	return slices.Concat(b.writing, b.pending), b.segments, sizes
}

// parse reads a line of a file, and counts one that is no row.
func (b *Book) parse(line []byte, words vocabulary) *engine.Record {
	return b.counted(parseRow(line, words))
}

// counted is a row, nil = it was damaged.
func (b *Book) counted(r *engine.Record, err error) *engine.Record {
	if err != nil {
		b.damaged.Add(1)
		return nil
	}
	return r
}

func hasID(r *engine.Record, id string) bool {
	return r.RequestID == id || r.ClientRequestID == id || r.UpstreamReqID == id
}

// Find returns the record of a request by our id, the client's or the upstream's; of several the newest. Nil: there is none.
func (b *Book) Find(id string) (*engine.Record, error) {
	if id == "" {
		return nil, nil
	}
	waiting, segments, _ := b.look()
	for _, r := range slices.Backward(waiting) {
		if hasID(r, id) {
			return r, nil
		}
	}
	for _, s := range likely(segments, id) {
		r, err := b.findIn(s, id)
		if r != nil || err != nil && !errors.Is(err, os.ErrNotExist) {
			return r, err
		}
	}
	return nil, nil
}

// likely sorts segments by how likely it is that they hold an id. Ours tells when the request came: its row is in the segment of that
// moment, or a later one if the request took long. Of any other the newest is looked for.
func likely(segments []*segment, id string) []*segment {
	out := slices.Clone(segments)
	slices.Reverse(out)
	u, err := uuid.Parse(id)
	if err != nil || u.Version() != 7 {
		return out
	}
	sec, nsec := u.Time().UnixTime()
	came := time.Unix(sec, nsec)
	first := len(segments) // segments from here on began after it came
	for first > 0 && segments[first-1].start.After(came) {
		first--
	}
	first = max(first-1, 0)
	out = append(out[:0], segments[first:]...)
	earlier := slices.Clone(segments[:first])
	slices.Reverse(earlier)
	return append(out, earlier...)
}

// findIn looks for an id in one segment: the last row that has it.
func (b *Book) findIn(s *segment, id string) (*engine.Record, error) {
	places, err := b.places(s, hashOf(id))
	if err != nil {
		return nil, err
	}
	for _, at := range slices.Backward(places) {
		line, err := s.lineAt(at)
		if err != nil {
			return nil, err
		}
		if r := b.parse(line, nil); r != nil && hasID(r, id) {
			return r, nil
		}
	}
	return nil, nil
}

// places are the offsets of rows that may have an id, in order.
func (b *Book) places(s *segment, hash uint64) ([]int64, error) {
	if s.indexed.Load() {
		return s.lookup(hash)
	}
	b.mu.Lock()
	entries := s.entries
	b.mu.Unlock()
	if entries == nil { // its index file was lost, or was written just now
		var err error
		if entries, _, _, err = s.readEntries(); err != nil {
			return nil, err
		}
	}
	var out []int64
	for _, e := range entries {
		if e.hash == hash {
			out = append(out, e.at)
		}
	}
	return out, nil
}

// Scan calls f for each row of a request that ended at since or later, until f returns false: those in the files in the order in which
// they ended, then those that wait for the disk. Each that was recorded before the call comes once, and no other.
func (b *Book) Scan(since time.Time, f func(*engine.Record) bool) error {
	words := vocabulary{}
	return b.scan(since, f, func(line []byte) *engine.Record { return b.parse(line, words) })
}

// scan is Scan with what reads a line, nil = it is of no interest.
func (b *Book) scan(since time.Time, f func(*engine.Record) bool, read func(line []byte) *engine.Record) error {
	waiting, segments, sizes := b.look()
	later := make(map[string]bool, len(waiting))
	for _, r := range waiting {
		later[r.RequestID] = true
	}
	more := true
	give := func(r *engine.Record) bool {
		if more && !r.Started.Add(r.Timings.Duration).Before(since) {
			more = f(r)
		}
		return more
	}
	for i, s := range segments {
		if !more || time.Unix(0, s.last.Load()).Before(since) {
			continue
		}
		err := s.lines(sizes[i], func(_ int64, line []byte) bool {
			if r := read(line); r != nil && !later[r.RequestID] {
				give(r)
			}
			return more
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, r := range waiting {
		give(r)
	}
	return nil
}
