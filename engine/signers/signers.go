// Package signers applies upstream credentials: built-in Go, one file for each kind, and never a script.
//
//	factory, err := signers.AnthropicKey(key)
//	signer, err := factory.Build(ctx, upstream) // for one attempt
//
// Signers whose credential is renewed come from Accounts, which live beside the generations. A credential is held in a closure, so that
// no formatting verb, JSON encoder or panic text can print it. The package opens no file of its own.
package signers

import (
	"context"
	"fmt"
	"io"

	"sluice/engine"
)

// secret returns a credential.
type secret func() string

func newSecret(text string) secret { return func() string { return text } }

// opaque is embedded in what formatting must not take apart.
type opaque struct{}

// Format writes the same word for every verb.
func (opaque) Format(f fmt.State, _ rune) { io.WriteString(f, "signer") }

// fixed is the factory of a signer that is the same for every request.
type fixed struct {
	opaque
	signer engine.Signer
}

// Build returns the one signer.
func (f fixed) Build(context.Context, *engine.Upstream) (engine.Signer, error) { return f.signer, nil }

// header is a signer that sets one header and drops every other credential.
type header struct {
	opaque
	name  string
	value secret
}

func newHeader(name, value string) engine.Signer { return header{name: name, value: newSecret(value)} }

// Sign sets the header and seals.
func (h header) Sign(_ context.Context, shaped engine.Shaped, capability *engine.SigningCapability) (engine.Signed, error) {
	shaped.SetCredential(h.name, h.value())
	return capability.Seal(shaped)
}

// OnUnauthorized fails: a fixed credential has no fresher one.
func (header) OnUnauthorized(context.Context, *engine.UpstreamError) engine.RetryDecision {
	return engine.Fail
}

// strip drops whatever may be a credential: the client's, or another cloud's.
func strip(lines *engine.Headers) {
	kept := (*lines)[:0]
	for _, line := range *lines {
		if !engine.CredentialHeader(line.Name) {
			kept = append(kept, line)
		}
	}
	*lines = kept
}

// missing is the error of a signer that was configured without its credential.
func missing(what string) error {
	return &engine.SignerError{Variant: engine.SignerMissingCredentials, Reason: what}
}
