package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// Account is what health is kept for, as one request meets it.
type Account struct {
	*Upstream
	Client [16]byte // hash of the client's own credential where that is passed on; zero = the credential is ours
	Model  string   // the one the request asks, "" = none
}

// Served is the upstream's own id for the model, "" = none is asked.
func (a *Account) Served() string { return a.Upstream.Model(a.Model) }

// Health is the optional power of a VitalsSource that also decides who takes requests. It may be called from many goroutines. Without it
// every upstream takes every request, and no answer is judged.
type Health interface {
	// Look returns what is known of an account at a moment, and does not keep a. What it returns is shared, and never written.
	Look(a *Account, now time.Time) *Vitals
	// Enter takes a place at an account, nil = it takes none now.
	Enter(a Account) Visit
	// Wait waits in the queues of accounts that are full or cool until one of them takes a request, and returns its place with that account's
	// position. It is nil when there is nothing to wait for: no queue has room, or none can move in time; and when ctx ended.
	Wait(ctx context.Context, busy []Account) (Visit, int)
}

// Visit is the place of one attempt at an account, from the pick to the last byte of the answer. Its request's goroutine uses it.
type Visit interface {
	// Judge notes how a round trip went, and says what it means.
	Judge(o *Outcome) Verdict
	// Broke notes that the answer broke off after its head. Only the first time counts.
	Broke()
	// Leave gives the place back, once.
	Leave()
}

// Outcome is what came of one round trip.
type Outcome struct {
	To      Account
	Status  int           // 0 = no answer
	Headers Headers       // without the credential
	Body    []byte        // without the credential: the beginning of a 4xx answer's body, at most UpstreamErrorBody bytes
	Theirs  bool          // the credential was the client's own
	Fresh   bool          // of an answer that RefusesCredential: no fresher one is to be had
	Again   time.Time     // of one that is Fresh: when a fresher one may be had; zero = nobody knows
	Err     error         // why there is no answer
	TTFB    time.Duration // from dispatch to the head
	Now     time.Time
}

// refusals are what AWS calls a 403 for keys that have expired, are not known or do not fit the signature.
var refusals = []string{"ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId",
	"MissingAuthenticationTokenException", "IncompleteSignatureException"}

// RefusesCredential reports whether the answer says that the credential does not count: another may. That it lacks a right is no such
// answer.
func (o *Outcome) RefusesCredential() bool {
	if o.Status != 403 {
		return o.Status == 401
	}
	name, _, _ := strings.Cut(o.Headers.Get("x-amzn-errortype"), ":")
	return slices.ContainsFunc(refusals, func(refusal string) bool {
		return EqualFold(name, refusal) || name == "" && bytes.Contains(o.Body, []byte(refusal))
	})
}

// Verdict is what an outcome means. The zero value is an answer that is the client's.
type Verdict struct {
	Class     FailureClass
	Elsewhere bool // another upstream may do better, whatever retry.statuses say
	Cool      Cooling
}

// FailureClass says whose failure an answer is.
type FailureClass string

// The classes. "" is no failure of the upstream: a success, or a request that is wrong everywhere.
const (
	ClassOverloaded  FailureClass = "overloaded"       // passes by itself
	ClassThrottled   FailureClass = "throttled"        // too many requests or tokens a minute
	ClassExhausted   FailureClass = "window_exhausted" // a window of a subscription is used up
	ClassSpendCap    FailureClass = "spend_cap"
	ClassBilling     FailureClass = "billing"
	ClassCredential  FailureClass = "credential_dead"
	ClassPermission  FailureClass = "not_permitted" // this credential may not do this
	ClassModel       FailureClass = "model_not_served"
	ClassProvider    FailureClass = "provider_error"
	ClassCDN         FailureClass = "cdn_error" // what stands before the provider could not reach it
	ClassRefused     FailureClass = "dial_refused"
	ClassDNS         FailureClass = "dns"
	ClassTLS         FailureClass = "tls"
	ClassReset       FailureClass = "reset"
	ClassTimeout     FailureClass = "timeout"
	ClassUnreachable FailureClass = "unreachable"      // any other error of the network
	ClassShortage    FailureClass = "gateway_shortage" // this machine had no descriptor, port or memory left for a connection
)

// Quota reports whether the account refuses for what it used: its requests, tokens or money.
func (c FailureClass) Quota() bool {
	return c == ClassThrottled || c == ClassExhausted || c == ClassSpendCap || c == ClassBilling
}

// Broken reports whether a circuit breaker counts it: the provider or the way to it does not work.
func (c FailureClass) Broken() bool {
	switch c {
	case ClassProvider, ClassCDN, ClassRefused, ClassDNS, ClassTLS, ClassReset, ClassTimeout, ClassUnreachable:
		return true
	}
	return false
}

// Cooling is why an account is left alone for a while. The zero value is none.
type Cooling struct {
	Class   FailureClass
	Account string // the Upstream.Account that it is about, "" = it is a client's, or is not known
	Scope   string // the model, by the upstream's own id, or family of models that it is about; "" = the whole account
	Family  bool   // Scope is a family
	Until   time.Time
	Soft    bool // it is asked all the same when nobody else is free
}

// String names what cools, for a log. Clients choose the names of models.
func (c *Cooling) String() string {
	if c.Scope == "" {
		return "account"
	}
	return "account for " + Visible(Cut(c.Scope, MaxReason))
}

// closed reports whether an upstream takes no request now.
func (v *Vitals) closed() bool {
	return v.Cooling.Class != "" && !v.Cooling.Soft || v.Reopens > 0 || v.Full
}

// account is u as this request meets it.
func (x *Exchange) account(u *UpstreamSlot) (a Account) {
	x.meet(u, &a)
	return a
}

// meet makes a the account of u. Candidates are many, and their accounts one after the other in one piece of memory.
func (x *Exchange) meet(u *UpstreamSlot, a *Account) {
	a.Upstream, a.Model = u.Upstream, x.Request.Model
	if u.ForwardsClient {
		if x.hashed == ([16]byte{}) {
			x.hashed = x.Client.hash()
		}
		a.Client = x.hashed
	} else {
		a.Client = [16]byte{}
	}
}

// health is who decides, or nobody.
func (g *Generation) health() Health {
	if h, ok := g.Vitals.(Health); ok {
		return h
	}
	return anyone{g.Vitals}
}

// anyone is the Health of a world that keeps none.
type anyone struct{ vitals VitalsSource }

func (o anyone) Look(a *Account, now time.Time) *Vitals     { return o.vitals.Vitals(a.Upstream, now) }
func (anyone) Enter(Account) Visit                          { return noVisit{} }
func (anyone) Wait(context.Context, []Account) (Visit, int) { return nil, 0 }

type noVisit struct{}

// Judge knows what needs no memory: that there was no answer, and that our credential was refused.
func (noVisit) Judge(o *Outcome) Verdict {
	if o.Status == 401 && o.Fresh && !o.Theirs {
		return Verdict{Class: ClassCredential, Elsewhere: true}
	}
	return Verdict{Elsewhere: o.Err != nil && !errors.Is(o.Err, context.Canceled)}
}
func (noVisit) Broke() {}
func (noVisit) Leave() {}
