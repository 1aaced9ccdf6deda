package ledger

import (
	"bufio"
	"encoding/binary"
	"errors"
	"os"
	"slices"

	"sluice/engine"
)

// entry says where a row stands that has an id with this hash.
type entry struct {
	hash uint64
	at   int64
}

// An index file is a head of a mark, the size of its segment and the number of entries, then the entries sorted by hash and offset. All
// numbers are 64 bits, big end first.
const (
	indexMark  = "sluiceX1"
	indexHead  = 24
	indexEntry = 16
)

// hashOf is FNV-1a: the files outlive the process.
func hashOf(id string) uint64 { return engine.SeedOf(id) }

// appendEntries adds the ids of a row that stands at an offset.
func appendEntries(to []entry, at int64, ids ...string) []entry {
	for _, id := range ids {
		if id != "" {
			to = append(to, entry{hashOf(id), at})
		}
	}
	return to
}

// rowIDs reads the ids out of a row. They stand before anything else.
func rowIDs(line []byte) (ids [3]string) {
	p := parser{b: line}
	p.object(func(key []byte) {
		switch string(key) {
		case "v":
			p.skip()
		case "request_id":
			ids[0] = p.text()
		case "client_request_id":
			ids[1] = p.text()
		case "upstream_request_id":
			ids[2] = p.text()
		default:
			p.fail() // no more of them
		}
	})
	return ids
}

// readEntries makes the index of a segment anew. It returns where its last whole row ends and how many lines before that are no rows.
func (s *segment) readEntries() (entries []entry, end int64, damaged int64, err error) {
	var bad int64
	err = s.lines(s.size.Load(), func(at int64, line []byte) bool {
		if !sealed(line) {
			bad++
			return true
		}
		ids := rowIDs(line)
		entries = appendEntries(entries, at, ids[:]...)
		end, damaged = at+int64(len(line)), bad
		return true
	})
	return entries, end, damaged, err
}

// byHash returns entries sorted by their hashes, one digit after the other from the last to the first. Those of one hash stay in the
// order of the rows.
func byHash(entries []entry) []entry {
	entries, sorted := slices.Clone(entries), make([]entry, len(entries))
	for shift := 0; shift < 64; shift += 8 {
		var next [257]int // where the next entry of a digit goes
		for i := range entries {
			next[entries[i].hash>>shift&0xff+1]++
		}
		for digit := range 256 {
			next[digit+1] += next[digit]
		}
		for _, e := range entries {
			to := &next[e.hash>>shift&0xff]
			sorted[*to] = e
			*to++
		}
		entries, sorted = sorted, entries
	}
	return entries
}

// writeIndex puts the index of a segment that is full beside it. A crash leaves none, or all of it.
func (s *segment) writeIndex(entries []entry) error {
	entries = byHash(entries)
	name := s.indexPath()
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	head := binary.BigEndian.AppendUint64([]byte(indexMark), uint64(s.size.Load()))
	w.Write(binary.BigEndian.AppendUint64(head, uint64(len(entries))))
	for _, e := range entries {
		b := binary.BigEndian.AppendUint64(w.AvailableBuffer(), e.hash)
		w.Write(binary.BigEndian.AppendUint64(b, uint64(e.at)))
	}
	if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
		os.Remove(name + ".new")
		return err
	}
	return os.Rename(name+".new", name)
}

// indexFits reports whether there is an index file for all of the segment.
func (s *segment) indexFits() bool {
	f, _, err := s.openIndex()
	if err != nil {
		return false
	}
	f.Close()
	return true
}

var errIndex = errors.New("the index is not of this segment")

// openIndex opens the index file. It returns how many entries it has.
func (s *segment) openIndex() (*os.File, int64, error) {
	f, err := os.Open(s.indexPath())
	if err != nil {
		return nil, 0, err
	}
	var head [indexHead]byte
	_, err = f.ReadAt(head[:], 0)
	info, err2 := f.Stat()
	if err = errors.Join(err, err2); err == nil {
		n := int64(binary.BigEndian.Uint64(head[16:]))
		if string(head[:8]) == indexMark && int64(binary.BigEndian.Uint64(head[8:])) == s.size.Load() && info.Size() == indexHead+n*indexEntry {
			return f, n, nil
		}
		err = errIndex
	}
	f.Close()
	return nil, 0, err
}

// lookup returns the offsets that an index file has under a hash, in order.
func (s *segment) lookup(hash uint64) ([]int64, error) {
	f, n, err := s.openIndex()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	read := func(i int64) (e entry) {
		var b [indexEntry]byte
		if _, bad := f.ReadAt(b[:], indexHead+i*indexEntry); bad != nil {
			err = bad
		}
		return entry{binary.BigEndian.Uint64(b[:]), int64(binary.BigEndian.Uint64(b[8:]))}
	}
	low, high := int64(0), n
	for low < high && err == nil {
		if mid := (low + high) / 2; read(mid).hash < hash {
			low = mid + 1
		} else {
			high = mid
		}
	}
	var found []int64
	for ; low < n && err == nil; low++ {
		e := read(low)
		if e.hash != hash {
			break
		}
		found = append(found, e.at)
	}
	return found, err
}
