// Package health remembers how the upstreams do, and decides who takes requests.
//
//	tracker := health.NewTracker(log.Printf)
//	generation.Vitals = tracker
//
// Of each upstream it keeps the answers in flight with a cap and a queue, a circuit breaker, the error rate and the time to first byte;
// of each account (an upstream's own, or one of each client whose credential is passed on) the cool-downs, rate limits and quotas. What
// an answer means is one table, in classify.go. A Tracker lives beside the generations and survives reloads.
package health

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

// maxClients is of how many clients' credentials one upstream's health is kept apart.
const maxClients = 4096

// maxSeats is of how many configured credentials one upstream's health is kept apart: of those that rotate the old ones do not come back.
const maxSeats = 64

// Tracker is the engine's Health.
type Tracker struct {
	logf  func(format string, args ...any)
	known atomic.Pointer[map[uuid.UUID]*host]
	grow  sync.Mutex // held while known is replaced
	queue sync.Mutex // held while requests come to a queue, move in it or leave it; before a host's mu
}

var _ engine.Health = (*Tracker)(nil)

// NewTracker makes a Tracker that knows nobody. It tells logf once of each change of state; nil = nobody listens.
func NewTracker(logf func(format string, args ...any)) *Tracker {
	if logf == nil {
		logf = func(string, ...any) {}
	}
	t := &Tracker{logf: logf}
	t.known.Store(&map[uuid.UUID]*host{})
	return t
}

// host is what all requests to one upstream share. calm, which is true almost always, is what spares them the lock on their way in.
type host struct {
	tracker  *Tracker
	inFlight atomic.Int64
	queued   atomic.Int64
	calm     atomic.Bool // the breaker is closed
	answers  atomic.Int64
	errors   mean // of 0 and 1
	ttfb     mean // nanoseconds

	mu       sync.Mutex
	breaker  breaker                       // guarded by mu
	seats    map[string]*seat              // guarded by mu; by engine.Upstream.Account
	clients  map[[16]byte]*account         // guarded by mu
	failures map[engine.FailureClass]int64 // guarded by mu
	line     []*waiter                     // guarded by the tracker's queue
}

// seat is a host as one of its configs has it: another credential may be another account's.
type seat struct {
	*host
	own account
}

// account is what is known of one credential at an upstream.
type account struct {
	cools  atomic.Pointer[coolings] // nil = none
	limits atomic.Pointer[limits]   // nil = none told
	last   atomic.Pointer[glance]   // nil = nobody looked
	mu     sync.Mutex               // held while cools or limits are replaced
	lines  engine.Headers           // guarded by mu; of the latest answer that told limits
}

// Seat is where the health of an upstream is kept: what goes into engine.Upstream, so that no request has to look it up.
func (t *Tracker) Seat(id uuid.UUID, account string) any { return t.host(id).seat(account) }

// of finds the seat of an upstream.
func (t *Tracker) of(u *engine.Upstream) *seat {
	if s, ok := u.Seat.(*seat); ok && s.tracker == t {
		return s
	}
	return t.host(u.ID).seat(u.Account)
}

// seat finds that of an account. One that nobody knew is made; where there are too many the others are forgotten.
func (h *host) seat(account string) *seat {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.seats[account]; s != nil {
		return s
	}
	if h.seats == nil || len(h.seats) >= maxSeats {
		h.seats = make(map[string]*seat)
	}
	s := &seat{host: h}
	h.seats[account] = s
	return s
}

func (t *Tracker) host(id uuid.UUID) *host {
	if h := (*t.known.Load())[id]; h != nil {
		return h
	}
	t.grow.Lock()
	defer t.grow.Unlock()
	known := *t.known.Load()
	if h := known[id]; h != nil {
		return h
	}
	known = maps.Clone(known)
	h := &host{tracker: t}
	h.calm.Store(true)
	known[id] = h
	t.known.Store(&known)
	return h
}

// account finds the account of a request. One that nobody knew is made; where there are too many clients another is forgotten.
func (s *seat) account(client [16]byte) *account {
	if client == ([16]byte{}) {
		return &s.own
	}
	h := s.host
	h.mu.Lock()
	defer h.mu.Unlock()
	if a := h.clients[client]; a != nil {
		return a
	}
	if h.clients == nil {
		h.clients = make(map[[16]byte]*account)
	}
	for other := range h.clients {
		if len(h.clients) < maxClients {
			break
		}
		delete(h.clients, other)
	}
	a := &account{}
	h.clients[client] = a
	return a
}

// Clients is how many clients' accounts at an upstream cool so that they take no request, and until when the last of them does.
func (t *Tracker) Clients(u *engine.Upstream, now time.Time) (cooling int, until time.Time) {
	h := t.of(u)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.clients {
		last := a.hard(now)
		if last.IsZero() {
			continue
		}
		cooling++
		if last.After(until) {
			until = last
		}
	}
	return cooling, until
}

// CoolingModels are the cool-downs of an upstream's own account that are about one model or family of models, by its name. They are at
// most maxScopes.
func (t *Tracker) CoolingModels(u *engine.Upstream, now time.Time) []engine.Cooling {
	if cs := t.of(u).own.cools.Load(); cs != nil {
		return cs.models(now)
	}
	return nil
}

// hard is when the last cool-down of an account ends that is insisted on, whatever model it is about; zero = there is none.
func (a *account) hard(now time.Time) (last time.Time) {
	cs := a.cools.Load()
	if cs == nil {
		return last
	}
	for i := range *cs {
		if c := &(*cs)[i]; !c.Soft && c.Until.After(now) && c.Until.After(last) {
			last = c.Until
		}
	}
	return last
}

// Restore tells of a cool-down that an earlier run saw at an upstream's own account. Not taken are four: a soft one, which is over in
// seconds and keeps nobody away meanwhile; that of another account; a dead credential, since a restart is how people bring another one,
// and to learn that it is still dead costs one attempt, of which no client hears while another upstream is there; and one that no answer
// can have asked for, which comes of a clock that was set.
func (t *Tracker) Restore(u *engine.Upstream, c engine.Cooling, now time.Time) {
	other := c.Account != "" && c.Account != u.Account
	if c.Class == "" || c.Soft || other || c.Class == engine.ClassCredential || !c.Until.After(now) || c.Until.After(now.Add(mostFar)) {
		return
	}
	s := t.of(u)
	t.cool(s.host, &s.own, rest{Cooling: c}, u.Name, now)
}

// Failures is how many failures of each class an upstream had. Those of answers that broke off are under "broke".
func (t *Tracker) Failures(u *engine.Upstream) map[engine.FailureClass]int64 {
	h := t.of(u)
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.failures)
}

// enter lets a request that has a place past the breaker.
func (h *host) enter(now time.Time) (ok, probe bool) {
	if h.calm.Load() {
		return true, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.breaker.enter(now)
}

// take takes a place if one is free and nobody waits for it.
func (h *host) take(most int) bool {
	if most == 0 {
		h.inFlight.Add(1)
		return true
	}
	return h.queued.Load() == 0 && h.squeeze(most)
}

// squeeze takes a place if one is free.
func (h *host) squeeze(most int) bool {
	for {
		n := h.inFlight.Load()
		if most > 0 && n >= int64(most) {
			return false
		}
		if h.inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}
