// Package signers applies upstream credentials: built-in Go, one file for each kind, and never a script.
//
//	factory := signers.AnthropicKey(key)
//	signer, err := factory.Build(ctx, upstream)
//
// A credential is held in a closure, so that no formatting verb, JSON encoder or panic text can print it.
package signers

import (
	"context"

	"sluice/engine"
)

// fixed is the factory of a signer that is the same for every request.
type fixed struct{ signer engine.Signer }

// Build returns the one signer.
func (f fixed) Build(context.Context, *engine.Upstream) (engine.Signer, error) { return f.signer, nil }

// header is a signer that sets one header and drops every other credential.
type header struct {
	name  string
	value func() string
}

func newHeader(name, value string) engine.Signer {
	return header{name, func() string { return value }}
}

// Sign sets the header and seals.
func (h header) Sign(_ context.Context, shaped engine.Shaped, capability *engine.SigningCapability) (engine.Signed, error) {
	lines := shaped.Headers()
	lines.Remove("authorization")
	lines.Remove("x-api-key")
	lines.Add(h.name, h.value())
	return capability.Seal(shaped)
}

// OnUnauthorized fails: a fixed credential has no fresher one.
func (header) OnUnauthorized(context.Context, *engine.UpstreamError) engine.RetryDecision {
	return engine.Fail
}

// missing is the error of a signer that was configured without its credential.
func missing(what string) error {
	return &engine.SignerError{Variant: engine.SignerMissingCredentials, Reason: what}
}
