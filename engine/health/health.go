// Package health remembers what was seen of each upstream: answers in flight, error rate, time to first byte, rate limits and quotas.
//
//	tracker := health.NewTracker(transport)
//	resp, err := tracker.RoundTrip(ctx, signed) // counted
//	v := tracker.Vitals(upstream, now)          // one consistent snapshot
//
// It lives beside the generations and survives reloads. It takes no decision.
package health

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

// Weights of the newest answer in the running means.
const (
	errorWeight = 0.1
	ttfbWeight  = 0.2
)

// Tracker is a Transport that watches the one below it.
type Tracker struct {
	next  engine.Transport
	known sync.Map // uuid.UUID -> *account
}

var (
	_ engine.Transport    = (*Tracker)(nil)
	_ engine.VitalsSource = (*Tracker)(nil)
)

// NewTracker watches next.
func NewTracker(next engine.Transport) *Tracker { return &Tracker{next: next} }

// account is one upstream's past. Vitals are published whole, so that a reader sees one moment.
type account struct {
	mu        sync.Mutex
	now       engine.Vitals // guarded by mu
	answers   int64         // guarded by mu
	published atomic.Pointer[engine.Vitals]
}

func newAccount() *account {
	a := &account{now: engine.Vitals{Healthy: true, Breaker: "closed"}}
	v := a.now
	a.published.Store(&v)
	return a
}

func (t *Tracker) account(id uuid.UUID) *account {
	if a, ok := t.known.Load(id); ok {
		return a.(*account)
	}
	a, _ := t.known.LoadOrStore(id, newAccount())
	return a.(*account)
}

// Vitals is the latest snapshot. It is shared and must not be written.
func (t *Tracker) Vitals(u *engine.Upstream, _ time.Time) *engine.Vitals {
	return t.account(u.ID).published.Load()
}

// change applies f and publishes the result.
func (a *account) change(f func(*engine.Vitals)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.now)
	v := a.now
	a.published.Store(&v)
}

// RoundTrip sends s and counts it as in flight until its answer's body is closed.
func (t *Tracker) RoundTrip(ctx context.Context, s engine.Signed) (*engine.Response, error) {
	if !s.Valid() {
		return nil, engine.ErrUnsigned
	}
	a := t.account(s.UpstreamID())
	a.change(func(v *engine.Vitals) { v.InFlight++ })
	start := time.Now()
	resp, err := t.next.RoundTrip(ctx, s)
	if err != nil {
		a.change(func(v *engine.Vitals) {
			v.InFlight--
			if !clientLeft(ctx) {
				a.outcome(v, true)
			}
		})
		return nil, err
	}
	a.change(func(v *engine.Vitals) { a.head(v, resp, start, time.Now()) })
	resp.Body = &flight{ReadCloser: resp.Body, account: a, ctx: ctx}
	return resp, nil
}

// head notes what an answer's head tells.
func (a *account) head(v *engine.Vitals, resp *engine.Response, start, now time.Time) {
	a.outcome(v, resp.Status >= 500)
	ttfb := now.Sub(start)
	if v.TTFB > 0 {
		ttfb = v.TTFB + time.Duration(float64(ttfb-v.TTFB)*ttfbWeight)
	}
	v.TTFB = ttfb
	observeLimits(v, resp.Headers, now)
}

// outcome moves the error rate. The first answers weigh as a plain mean, so that one failure at the start is not a tenth of a failure.
func (a *account) outcome(v *engine.Vitals, failed bool) {
	a.answers++
	weight := max(errorWeight, 1/float64(a.answers))
	sample := 0.0
	if failed {
		sample = 1
	}
	v.ErrorRate += (sample - v.ErrorRate) * weight
}

// clientLeft reports whether a failure is the client's doing: it never counts against the upstream.
func clientLeft(ctx context.Context) bool { return ctx.Err() != nil }

// flight is an answer's body that ends the flight when it is closed.
type flight struct {
	io.ReadCloser
	account *account
	ctx     context.Context
	failed  bool
	closed  bool
}

// Read notes an answer that broke off.
func (f *flight) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !clientLeft(f.ctx) {
		f.failed = true
	}
	return n, err
}

// Close ends the flight, once.
func (f *flight) Close() error {
	if f.closed {
		return nil
	}
	f.closed = true
	f.account.change(func(v *engine.Vitals) {
		v.InFlight--
		if f.failed {
			f.account.outcome(v, true)
		}
	})
	return f.ReadCloser.Close()
}
