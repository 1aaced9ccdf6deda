package engine

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Filter decides which upstreams may serve a request. Calls come from many goroutines at once. A filter owns neither its arguments nor
// what they point to, and keeps none of it after it returned. An error is a *FilterError: the candidates then pass unchanged, or the
// request fails, as the binding's FailurePolicy says.
type Filter interface {
	Filter(ctx *RequestContext, p *Principal, candidates []UpstreamCandidate) (FilterOutput, error)
	// PluginID is stable for a binding's name.
	PluginID() uuid.UUID
	PluginName() string
	// SlotKey is the binding's address; embed Identity for the global default.
	SlotKey() SlotKey
}

// RecallingFilter is the optional power of a Filter that remembers decisions. Recall takes Filter's arguments and returns what it would,
// without an effect; false = Filter has to be asked.
type RecallingFilter interface {
	Recall(ctx *RequestContext, p *Principal, candidates []UpstreamCandidate) (FilterOutput, bool)
}

// FilterOutput is a filter's decision. Kept ids are a set: their order says nothing, candidates stay in id order.
type FilterOutput struct {
	KeptUpstreamIDs     []uuid.UUID
	Reason              string // cut at MaxReason bytes
	PerCandidateReasons []PerCandidateReason
	Denied              bool // the request is refused with Reason as its text; the kept ids are not looked at
}

// PerCandidateReason says why one candidate was kept or dropped.
type PerCandidateReason struct {
	UpstreamID uuid.UUID
	Kept       bool
	Reason     string
}

// MaxReason caps a reason, in bytes.
const MaxReason = 256

// Identity gives a plugin its id, name and slot. Principal is empty for a binding that all principals share.
type Identity struct {
	ID        uuid.UUID
	Name      string
	Principal string
}

// NewIdentity makes the identity of a binding. Its id is a version 5 UUID over "sluice:plugin:NAME".
func NewIdentity(principal, name string) Identity {
	return Identity{uuid.NewSHA1(uuid.NameSpaceURL, []byte("sluice:plugin:"+name)), name, principal}
}

// PluginID is the binding's id.
func (i Identity) PluginID() uuid.UUID { return i.ID }

// PluginName is the binding's name.
func (i Identity) PluginName() string { return i.Name }

// SlotKey is the binding's address: global unless it was bound to a principal.
func (i Identity) SlotKey() SlotKey {
	if i.Principal == "" {
		return GlobalSlot(i.Name)
	}
	return SlotKey{i.Principal, i.Name}
}

// Router picks one upstream of those the filters kept, sorted by id. It may be called from many goroutines and keeps nothing. An error
// is a *RouteError; no other choice is made in its stead.
//
// Deprecated: a filter that keeps one candidate does the same and composes.
type Router interface {
	Route(ctx *RequestContext, p *Principal, candidates []UpstreamCandidate) (RouteDecision, error)
}

// RouteDecision is a router's choice and the dialect to speak to it; a nil Dialect is the upstream's own.
type RouteDecision struct {
	UpstreamID uuid.UUID
	Upstream   *Upstream
	Dialect    Dialect
}

// Dialect translates between the Anthropic API and one upstream's wire. It may be called from many goroutines.
type Dialect interface {
	// Shape makes the request for u. It must use b before it returns; b and the values it lends are dead afterwards. An error is a
	// *DialectError and ends this attempt.
	Shape(ctx *RequestContext, u *Upstream, p *Principal, b *ShapedRequestBuilder) (Shaped, error)
	// NormalizeError turns an upstream's error into Anthropic's shape. Nil passes the original, and so does an error, which is only
	// recorded. body must not be kept.
	NormalizeError(status int, headers Headers, body []byte) (*NormalizedError, error)
}

// NormalizedError replaces an upstream's error answer.
type NormalizedError struct {
	Status int // 0 = as it was
	Body   []byte
}

// Signer applies an upstream's credential. It may be called from many goroutines, with one request each.
type Signer interface {
	// Sign consumes shaped and returns it sealed by cap, which is lent for this call only. An error is a *SignerError.
	Sign(ctx context.Context, shaped Shaped, cap *SigningCapability) (Signed, error)
	// OnUnauthorized is asked once after a 401. It returns a signer with a fresh credential for exactly one more attempt, or Fail.
	OnUnauthorized(ctx context.Context, err *UpstreamError) RetryDecision
}

// RenewedSigner is the optional power of a Signer to hear that an answer, one of success, accepted its credential: one that worked for a while
// is renewed otherwise than one that never did. OnAccepted does not block.
type RenewedSigner interface{ OnAccepted() }

// RetryDecision answers a 401: a refreshed signer, or none, which is to fail.
type RetryDecision struct {
	Refreshed Signer
	Again     time.Time // without Refreshed: when a fresher credential may be had; zero = it is not known that one ever may
}

// Fail is the decision that no other credential is to be had.
var Fail = RetryDecision{}

// FailUntil is the decision that none is to be had before a moment.
func FailUntil(again time.Time) RetryDecision { return RetryDecision{Again: again} }

// Refresh is the decision to try once more with s.
func Refresh(s Signer) RetryDecision { return RetryDecision{Refreshed: s} }

// SignerFactory builds the signer of an upstream. Build is called once per attempt and may return the same signer each time. An error
// is a *SignerError.
type SignerFactory interface {
	Build(ctx context.Context, u *Upstream) (Signer, error)
}

// KeyAwareSignerFactory is the optional power of a SignerFactory whose signers need the client's own credential. The factory it returns
// serves one request and one upstream.
type KeyAwareSignerFactory interface {
	WithRouterChoice(client Credential, upstreamName string) SignerFactory
}

// RenewingSignerFactory is the optional power of a SignerFactory whose credential is renewed while it serves. It is asked for every
// request, from any goroutine, and does not block.
type RenewingSignerFactory interface{ CredentialState() CredentialState }

// CredentialState is what there is to know of a credential that is renewed. The zero value is a credential in order.
type CredentialState struct {
	Reconnect bool   // no request can be signed until a person has connected the account anew
	Error     string // why the latest renewal failed, "" = it did not; no secret is in it
}

// Observer watches requests. It is called from one goroutine of its own, behind a bounded queue, and never delays a request. An error is
// an *ObservabilityError and is counted.
type Observer interface {
	Observe(event ObserveEvent) error
}

// WatchedDialect is the optional power of a Dialect to be watched while it normalizes an error, where no RequestContext tells by whom. WatchedBy
// returns it for one call.
type WatchedDialect interface{ WatchedBy(w Watch) Dialect }

// WatchedObserver is the optional power of an Observer to be watched while it observes. WatchedBy returns it for one call.
type WatchedObserver interface{ WatchedBy(w Watch) Observer }

// FailurePolicy says what the failure of a filter means.
type FailurePolicy bool

// FailOpen lets the candidates pass unchanged; FailClosed refuses the request.
const (
	FailOpen   FailurePolicy = false
	FailClosed FailurePolicy = true
)
