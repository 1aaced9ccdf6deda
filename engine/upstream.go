package engine

import (
	"crypto/x509"
	"net/url"
	"time"

	"github.com/google/uuid"
)

// UpstreamKind names the wire that an upstream speaks.
type UpstreamKind string

// The kinds of upstreams.
const (
	KindAnthropicDirect UpstreamKind = "anthropic_direct"
	KindBedrockRuntime  UpstreamKind = "bedrock_runtime"
	KindBedrockMantle   UpstreamKind = "bedrock_mantle"
	KindVertex          UpstreamKind = "vertex"
	KindCustom          UpstreamKind = "custom"
)

// IsCloud reports whether a cloud sells it, in regions.
func (k UpstreamKind) IsCloud() bool {
	return k == KindBedrockRuntime || k == KindBedrockMantle || k == KindVertex
}

// UpstreamID is the id of an upstream whose config gives it none: a version 5 UUID over "sluice:upstream:NAME".
func UpstreamID(name string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("sluice:upstream:"+name))
}

// Upstream is one account at one provider. It belongs to one generation and is never written after. It holds no credential: those
// stay with its signer.
type Upstream struct {
	ID           uuid.UUID
	Name         string
	Kind         UpstreamKind
	BaseURL      *url.URL // absolute; its scheme, host and port are where signed requests may go
	Region       string
	Project      string
	Weight       int // share for random and round-robin, 0 = none
	Priority     int // strategy priority: lower first
	Labels       *Object
	Models       map[string]string // asked -> this upstream's own id
	AllowOrigins []string          // further "scheme://host:port" that a dialect may shape to
	Roots        *x509.CertPool    // who may vouch for it; nil = the bundled roots
	Timeouts     Timeouts
	Account      string // tells one configured credential from another, and holds none; what was used up with one is not with another
	Concurrency  int    // answers at once, 0 = any number
	Queue        Queue
	Breaker      Breaker
	Seat         any // where its health is kept, made by who keeps it; nil = it is looked up by ID
}

// Queue is who may wait at an upstream that is full, or cools for a moment. The zero value is nobody.
type Queue struct {
	Max  int           // requests
	Wait time.Duration // each
}

// Breaker says when an upstream that does not work is left alone. The zero value is never.
type Breaker struct {
	Failures int           // in a row; or half of at least four times as many answers
	Within   time.Duration // the last while, in which they count
	Open     time.Duration // until one request may try again
}

// Timeouts bound the waits of an exchange. Zero is no bound.
type Timeouts struct {
	Connect        time.Duration // dial and TLS handshake
	ResponseHeader time.Duration // from the last byte sent to the answer's head
	Idle           time.Duration // between two reads of an answer
	ClientHeader   time.Duration
	ClientBody     time.Duration
	ClientWrite    time.Duration // one write to the client
	Drain          time.Duration // how long streams run on after SIGTERM, 0 = not at all
}

// Serves reports whether a kind of upstream can answer a path at all.
func (k UpstreamKind) Serves(path string) bool {
	switch k {
	case KindAnthropicDirect, KindCustom:
		return true
	}
	return path == "/v1/messages" || k == KindVertex && path == "/v1/messages/count_tokens"
}

// Model returns the upstream's own id for an asked model, or the asked one.
func (u *Upstream) Model(asked string) string {
	if own, ok := u.Models[asked]; ok {
		return own
	}
	return asked
}

// UpstreamCandidate is an upstream that may serve one request, with what is known of it at that moment. Candidates are made for each
// request, sorted by upstream id.
type UpstreamCandidate struct {
	*Upstream
	*Vitals
	// CacheRead is how many tokens of the prompt its cache will likely hold; nil: ask the request's Forecast.
	CacheRead *int64
}

// Vitals is one consistent snapshot of what was observed of an upstream. It is never written after it was published.
type Vitals struct {
	Healthy     bool // it takes requests: it does not cool, and its breaker is not open
	Full        bool // no place is free
	InFlight    int
	Queued      int           // requests that wait for a place
	Concurrency int           // configured cap, 0 = none
	ErrorRate   float64       // 0..1 over recent answers
	TTFB        time.Duration // running mean from dispatch to the answer's head, 0 = unknown
	Reopens     time.Duration // how long its breaker keeps requests away, 0 = it does not
	Cooling     Cooling       // why it cools, of several the longest
	Cooldown    time.Duration // how long it still cools, 0 = not
	Breaker     string        // closed, open or half_open
	RateLimits  []RateLimit
	Quotas      []Quota
}

// RateLimit is the latest observation of one of an account's rate limits. Fields are -1 where the provider did not say.
type RateLimit struct {
	Kind      string // requests, tokens, input_tokens, output_tokens
	Window    string
	Limit     int64
	Remaining int64
	Resets    time.Time // zero: unknown
}

// Quota is the latest observation of one window of a subscription.
type Quota struct {
	Window      string  // 5h, 7d, 7d_opus, overage, unified …
	Status      string  // allowed, allowed_warning, rejected …, as the provider says
	Utilization float64 // 0..1, -1 = not said
	Resets      time.Time
	Observed    time.Time
}

// QuotaStaleAfter is how long an observation of a quota counts as fresh.
const QuotaStaleAfter = 10 * time.Minute

// State is "fresh", "stale" or "missing" at a moment.
func (q *Quota) State(now time.Time) string {
	switch {
	case q.Observed.IsZero():
		return "missing"
	case now.Sub(q.Observed) > QuotaStaleAfter:
		return "stale"
	}
	return "fresh"
}

// UtilizationOf returns how full a window is, 0..1: a quota's by its window, or a rate limit's by its kind. It is unknown when it was never
// observed or its reset has passed.
func (v *Vitals) UtilizationOf(window string, now time.Time) (u float64, known bool) {
	for i := range v.Quotas {
		q := &v.Quotas[i]
		if q.Window == window {
			passed := !q.Resets.IsZero() && !q.Resets.After(now)
			return q.Utilization, q.Utilization >= 0 && !passed
		}
	}
	for i := range v.RateLimits {
		r := &v.RateLimits[i]
		if r.Kind == window {
			passed := !r.Resets.IsZero() && !r.Resets.After(now)
			return max(0, 1-float64(r.Remaining)/float64(r.Limit)), r.Limit > 0 && r.Remaining >= 0 && !passed
		}
	}
	return 0, false
}
