// Package ledger keeps the record of each request.
//
//	book := ledger.New(1000)
//	book.Record(r)
//	recent := book.Recent(func(r *engine.Record) bool { return r.Status >= 500 }, 20)
//
// It keeps the latest records in memory; nothing is on disk.
package ledger

import (
	"sync"

	"sluice/engine"
)

// Book holds the latest records. Its methods may be called from any goroutine.
type Book struct {
	mu   sync.Mutex
	rows []*engine.Record // guarded by mu; a ring once it is full
	next int              // guarded by mu; where the next record goes
}

var _ engine.Ledger = (*Book)(nil)

// New makes a book that keeps the latest n records.
func New(n int) *Book { return &Book{rows: make([]*engine.Record, 0, n)} }

// Record adds r, in the place of the oldest when the book is full.
func (b *Book) Record(r *engine.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.rows) < cap(b.rows) {
		b.rows = append(b.rows, r)
		return
	}
	b.rows[b.next] = r
	b.next = (b.next + 1) % len(b.rows)
}

// Recent returns up to limit records that match, newest first.
func (b *Book) Recent(match func(*engine.Record) bool, limit int) []*engine.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []*engine.Record
	for i := range b.rows {
		r := b.rows[(b.next+len(b.rows)-1-i)%len(b.rows)]
		if len(out) == limit {
			break
		}
		if match(r) {
			out = append(out, r)
		}
	}
	return out
}

// Find returns the record of a request by our id, the client's or the upstream's.
func (b *Book) Find(id string) (*engine.Record, bool) {
	if id == "" {
		return nil, false
	}
	found := b.Recent(func(r *engine.Record) bool {
		return r.RequestID == id || r.ClientRequestID == id || r.UpstreamReqID == id
	}, 1)
	if len(found) == 0 {
		return nil, false
	}
	return found[0], true
}
