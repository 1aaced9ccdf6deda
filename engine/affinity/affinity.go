// Package affinity is the strategy that keeps a conversation on one upstream, where its prompt cache is warm.
//
//	homes := affinity.NewHomes()                         // beside the generations
//	strategy := homes.Strategy(affinity.Share, time.Hour)
//
// A conversation is a session of one principal, or where the client names none, whatever begins with the same prompt. Its home is chosen
// by a weighted rendezvous hash, so that of n upstreams a new one takes over an nth of the conversations and moves no other. While the
// home is not among those that may serve, others serve and the home stays what it is.
package affinity

import (
	"math"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"

	"sluice/engine"
)

// Subagents says where the subagents of a session are at home.
type Subagents string

// Share: with their session, whose prompt they may share. Split: each on its own.
const (
	Share Subagents = "share"
	Split Subagents = "split"
)

// maxHomes is how many conversations each half of the memory holds: some four megabytes.
const maxHomes = 1 << 16

// Homes remembers where conversations are at home. Its methods may be called from any goroutine.
type Homes struct {
	mu     sync.Mutex
	recent map[uint64]home // guarded by mu
	older  map[uint64]home // guarded by mu; what was in recent when that was full
}

type home struct {
	upstream uuid.UUID
	until    time.Time
}

// NewHomes remembers nothing yet.
func NewHomes() *Homes { return &Homes{recent: make(map[uint64]home)} }

// Strategy picks homes. A conversation that was silent for ttl has none any more, and is placed as a new one.
func (h *Homes) Strategy(subagents Subagents, ttl time.Duration) engine.Strategy {
	return &strategy{homes: h, split: subagents == Split, ttl: ttl}
}

type strategy struct {
	homes *Homes
	split bool
	ttl   time.Duration
}

func (*strategy) Name() string { return "affinity" }

// Pick returns the home of x's conversation if it is there, and else who is next by the hash.
func (s *strategy) Pick(x *engine.Exchange, kept []engine.UpstreamCandidate) int {
	key := s.conversation(x)
	now := x.Request.Now
	at, known := s.homes.find(key, now)
	next := rendezvous(key, kept)
	for i := range kept {
		if known && kept[i].ID == at {
			next = i
		}
	}
	if !x.Dry && (!known || kept[next].ID == at) {
		s.homes.keep(key, home{kept[next].ID, now.Add(s.ttl)})
	}
	return next
}

// conversation is the key of x's conversation. Sessions mean something only together with their principal.
func (s *strategy) conversation(x *engine.Exchange) uint64 {
	var d xxhash.Digest
	d.Reset()
	write := func(text string) {
		_, _ = d.WriteString(text)
		_, _ = d.Write([]byte{0})
	}
	write(x.Principal.ID)
	r := x.Request
	switch {
	case r.SessionID != "":
		write(r.SessionID)
		if s.split {
			write(r.Headers.Get("x-claude-code-agent-id"))
		}
	case r.Forecast != nil && len(r.Body) > 0:
		return d.Sum64() ^ r.Forecast.Conversation()
	default:
		write(r.RequestID)
	}
	return d.Sum64()
}

func (h *Homes) find(key uint64, now time.Time) (uuid.UUID, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.recent[key]
	if !ok {
		at, ok = h.older[key]
	}
	return at.upstream, ok && at.until.After(now)
}

func (h *Homes) keep(key uint64, at home) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.recent[key]; !known && len(h.recent) == maxHomes {
		h.older, h.recent = h.recent, make(map[uint64]home)
	}
	h.recent[key] = at
}

// rendezvous returns the candidate that a key falls to, each with a chance in proportion to its weight. Candidates without weight get
// something only where none has any.
func rendezvous(key uint64, kept []engine.UpstreamCandidate) int {
	best, most := 0, math.Inf(-1)
	weightless := true
	for i := range kept {
		weightless = weightless && kept[i].Weight <= 0
	}
	for i := range kept {
		weight := float64(kept[i].Weight)
		if weightless {
			weight = 1
		}
		if score := weight / -math.Log(chance(key, kept[i].ID)); score > most {
			best, most = i, score
		}
	}
	return best
}

// chance is a number in (0,1) that a key and an upstream have in common for ever.
func chance(key uint64, id uuid.UUID) float64 {
	var b [24]byte
	copy(b[:], id[:])
	for i := range 8 {
		b[16+i] = byte(key >> (8 * i))
	}
	return (float64(xxhash.Sum64(b[:])>>11) + 0.5) / (1 << 53)
}
