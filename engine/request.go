package engine

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// RequestContext is one downstream request as scripts see it: no credential is in it. It lives as long as its request; only its own
// goroutine touches it, and nobody writes to Headers or Body.
type RequestContext struct {
	RequestID string // ours, a UUIDv7
	SessionID string // "" = none
	Method    string
	Path      string
	Query     string // without '?'
	Headers   Headers
	Checked   *Checked // of Headers, as they came; nil = nobody looked at them
	// Seen has bit i set once a script read line i of Headers; lines from the 64th on are all bit 63. Nil = nobody wants to know. Scripts
	// that were abandoned may still set bits.
	Seen *atomic.Uint64
	// Missing notes what is looked for and not there, of a request that was made of a row of the ledger; nil = it is whole.
	Missing *Missing
	Body    []byte
	// MaxBody caps the body that a dialect may make of it, in bytes; 0 = none.
	MaxBody int64
	// Index is what the proxy learned when it scanned Body, for those who look into it again. It is opaque here; nil = not scanned.
	Index any
	// Native is the request as the client sent it, where that speaks the wire of a kind of upstreams; nil = it speaks the API's.
	Native *Native

	Model       string // "" = the request names none
	Stream      bool
	MaxTokens   int64 // 0 = not asked
	ServiceTier string

	// Forecast looks into the prompt when it is asked, and may be asked by several goroutines; nil = nothing is known.
	Forecast Forecast

	Watch   Watch     // of the call that is given this context; nil = nobody watches it
	Attempt int       // 1 for the first
	Vitals  *Vitals   // of the upstream this attempt goes to; nil while filters run
	Now     time.Time // fixed for the request
	Seed    uint64    // of ctx.random(), see SeedOf
}

// Native is a request in the shape of a cloud. An upstream of that kind gets it as it came; all others get the API's form of it.
type Native struct {
	Kind    UpstreamKind
	Headers Headers
	Body    []byte
}

// NativeTo is the request as it came, if u speaks the client's own wire, or nil.
func (r *RequestContext) NativeTo(u *Upstream) *Native {
	if r.Native == nil || r.Native.Kind != u.Kind {
		return nil
	}
	return r.Native
}

// owns reports whether b is the downstream request's own body, which nobody writes.
func (r *RequestContext) owns(b []byte) bool {
	return sameBytes(b, r.Body) || r.Native != nil && sameBytes(b, r.Native.Body)
}

// Forecast tells what upstreams' prompt caches will do for one request.
type Forecast interface {
	// ReadTokens is how many tokens of the prompt an upstream will likely read from its cache, 0 = none.
	ReadTokens(upstream uuid.UUID) int64
	// Conversation is the same for all requests whose tools, system prompt and first message are.
	Conversation() uint64
}

// SeedOf hashes a request id, so that what scripts draw can be drawn again from the id alone.
func SeedOf(requestID string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := 0; i < len(requestID); i++ {
		h = (h ^ uint64(requestID[i])) * 1099511628211
	}
	return h
}

// Credential is a secret of the client's own. It prints as "[secret]" however it is formatted, and as an address inside a value that
// formatting takes apart: it is a closure, the one thing that fmt never looks into.
type Credential struct{ reveal func() Headers }

// NewCredential keeps the client's own credential lines (x-api-key, authorization) for a signer that forwards them.
func NewCredential(h Headers) Credential {
	if len(h) == 0 {
		return Credential{}
	}
	return Credential{func() Headers { return h }}
}

// Reveal returns the header lines. Only a signer may ask.
func (c Credential) Reveal() Headers {
	if c.Empty() {
		return nil
	}
	return c.reveal()
}

// hash tells credentials apart and nothing of them.
func (c Credential) hash() (short [16]byte) {
	h := sha256.New()
	for _, line := range c.Reveal() {
		fmt.Fprintf(h, "%d %s%d %s", len(line.Name), line.Name, len(line.Value), line.Value)
	}
	copy(short[:], h.Sum(nil))
	return short
}

// Empty reports whether the client sent none.
func (c Credential) Empty() bool { return c.reveal == nil }

// String hides the secret.
func (c Credential) String() string { return "[secret]" }

// GoString hides the secret.
func (c Credential) GoString() string { return "[secret]" }

// MarshalText hides the secret.
func (c Credential) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// SlotKind names a place in the pipeline where a plugin sits.
type SlotKind string

// The slots.
const (
	SlotFilter   SlotKind = "filter"
	SlotRouter   SlotKind = "router"
	SlotDialect  SlotKind = "dialect"
	SlotObserver SlotKind = "observer"
)

// GlobalPrincipal stands for "every principal" in a SlotKey.
const GlobalPrincipal = "__global__"

// SlotKey addresses one binding of a plugin: the principal whose chain it is in, or GlobalPrincipal, and the binding's name. It is the
// key of per-slot metrics, eviction and hot reload.
type SlotKey struct{ Principal, Plugin string }

// GlobalSlot is the key of a binding in a chain that all principals share.
func GlobalSlot(plugin string) SlotKey { return SlotKey{GlobalPrincipal, plugin} }

func (k SlotKey) String() string { return k.Principal + "/" + strconv.Quote(k.Plugin) }

// HeadersRead are the lines of Headers that scripts read so far.
func (r *RequestContext) HeadersRead() Headers {
	if r.Seen == nil {
		return nil
	}
	var out Headers
	for i, seen := 0, r.Seen.Load(); i < len(r.Headers); i++ {
		if seen>>min(i, 63)&1 != 0 {
			out = append(out, r.Headers[i])
		}
	}
	return out
}
