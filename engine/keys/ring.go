package keys

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"
)

// What is wrong with a key that was presented.
var (
	ErrUnknown  = errors.New("unknown key")
	ErrExpired  = errors.New("key has expired")
	ErrDisabled = errors.New("key is disabled")
)

// Entry is one known key. P says whose it is: a name, an index, a pointer.
type Entry[P any] struct {
	Hash      Hash
	Name      string // of the key, for people; may be empty
	Principal P
	Expires   time.Time // the first moment at which the key no longer works; zero: never
	Disabled  bool
}

// Ring is a set of known keys. It never changes and may be used by any number of goroutines.
type Ring[P any] struct {
	entries map[Hash]Entry[P]
}

// NewRing makes a ring. A hash that occurs twice is an error, which gives both positions in entries.
func NewRing[P any](entries []Entry[P]) (*Ring[P], error) {
	r := &Ring[P]{entries: make(map[Hash]Entry[P], len(entries))}
	first := make(map[Hash]int, len(entries))
	for i, e := range entries {
		if j, ok := first[e.Hash]; ok {
			return nil, fmt.Errorf("make key ring: entries %d and %d have the same hash, want each key once", j, i)
		}
		first[e.Hash] = i
		r.entries[e.Hash] = e
	}
	return r, nil
}

// Lookup finds the key that a client presented. The error is nil, ErrUnknown, ErrExpired or ErrDisabled; with the last two
// the entry is still returned, so that the refusal can be put down to somebody. A key that is expired and disabled is expired:
// it no longer proves who asks.
//
// How long Lookup takes depends on the hash of the presented key only, which its sender cannot steer.
func (r *Ring[P]) Lookup(presented []byte, now time.Time) (Entry[P], error) {
	sum := Hash(sha256.Sum256(presented))
	e, ok := r.entries[sum]
	switch {
	case !ok || subtle.ConstantTimeCompare(e.Hash[:], sum[:]) != 1:
		return Entry[P]{}, ErrUnknown
	case !e.Expires.IsZero() && !now.Before(e.Expires):
		return e, ErrExpired
	case e.Disabled:
		return e, ErrDisabled
	}
	return e, nil
}
