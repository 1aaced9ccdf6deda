package engine

import (
	"crypto/tls"
	"sync/atomic"
	"time"
)

// Generation is one immutable world: everything that was loaded and admitted together. A request leases it once and sees nothing else
// to its end. Health, limits and meters live beside generations and survive them.
type Generation struct {
	Number     uint64 // from 1; a higher one never gives way to a lower one
	Keys       KeyLookup
	Prices     Prices
	Principals []*Principal
	Upstreams  []*UpstreamSlot              // sorted by id
	Filters    []*FilterSlot                // the global chain
	OwnFilters map[*Principal][]*FilterSlot // chains of those who have their own
	Router     *RouterSlot                  // nil = none
	Observers  *Feed                        // nil = nobody observes
	Strategy   Strategy
	Retry      Retry
	Vitals     VitalsSource
	Bindings   Bindings // nil = none are known
	Limits     Limits
	Timeouts   Timeouts
	// Certificate is what the client-facing listener shows; nil = plain HTTP.
	Certificate *tls.Certificate

	refs    atomic.Int64 // leases, plus one while it is current
	onClose []func()
}

// KeyLookup finds whose key was presented. It may be called from many goroutines. An error is a *Refusal and never repeats the key; of
// a key that is known but opens nothing, its principal comes beside the error.
type KeyLookup interface {
	Lookup(key string, now time.Time) (Grant, error)
}

// Grant is what a key opens.
type Grant struct {
	Principal *Principal
	KeyID     string    // tells the principal's keys apart, and nothing of the key itself
	Limiter   Limiter   // nil = the holder has no limits
	Expires   time.Time // the first moment at which the key opens nothing; zero = never
}

// VitalsSource tells what was observed of an upstream. The result is never nil and never written.
type VitalsSource interface {
	Vitals(u *Upstream, now time.Time) *Vitals
}

// Retry says when the next upstream is asked. The zero value asks it only where this one gave no answer.
type Retry struct {
	Attempts int   // upstreams that one request is sent to, the first included; 0 = all that there are
	Statuses []int // of an answer that sends the request on
}

// Limits bound what one process holds at once. Sizes are bytes.
type Limits struct {
	Body        int64 // one request
	FilesBody   int64 // one request below /v1/files
	BodiesTotal int64 // all requests together
	Streams     int64 // exchanges open at once
}

// OnClose registers f to run once when the last lease of a retired generation ends, or g is discarded. It must be called before g is published.
func (g *Generation) OnClose(f func()) { g.onClose = append(g.onClose, f) }

// Release ends a lease.
func (g *Generation) Release() {
	if g.refs.Add(-1) == 0 {
		g.Discard()
	}
}

// Discard closes a generation that nobody leases, and nobody will: one that is not published.
func (g *Generation) Discard() {
	for _, f := range g.onClose {
		f()
	}
}

// World holds the current generation behind one atomic pointer.
type World struct{ current atomic.Pointer[Generation] }

// Lease returns the current generation for one request. The caller ends the lease with Release, exactly once. It is nil before the
// first Publish.
func (w *World) Lease() *Generation {
	for {
		g := w.current.Load()
		if g == nil {
			return nil
		}
		for n := g.refs.Load(); n > 0; n = g.refs.Load() {
			if g.refs.CompareAndSwap(n, n+1) {
				return g
			}
		}
		// g was retired and closed between the two loads: a newer one is there.
	}
}

// Publish makes g current and retires the one before, which closes when its last lease ends. It reports false, and changes nothing,
// when a newer generation is already there.
func (w *World) Publish(g *Generation) bool {
	g.refs.Store(1)
	for {
		old := w.current.Load()
		if old != nil && old.Number >= g.Number {
			return false
		}
		if w.current.CompareAndSwap(old, g) {
			if old != nil {
				old.Observers.Retire()
				old.Release()
			}
			return true
		}
	}
}

// Close retires the current generation.
func (w *World) Close() {
	if g := w.current.Swap(nil); g != nil {
		g.Release()
	}
}
