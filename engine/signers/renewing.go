package signers

import (
	"context"

	"sluice/engine"
)

// token is a credential that is put on a request as header lines, from which every other credential was removed.
type token interface{ put(lines *engine.Headers) }

// renewing is the factory of one account whose token is renewed while the gateway runs.
type renewing[T token] struct {
	opaque
	*renewer[T]
}

var _ engine.RenewingSignerFactory = renewing[oauthToken]{}

// Build returns a signer with a token that can be used now.
func (f renewing[T]) Build(ctx context.Context, _ *engine.Upstream) (engine.Signer, error) {
	l, err := f.get(ctx)
	if err != nil {
		return nil, err
	}
	return renewed[T]{account: f.renewer, token: l}, nil
}

// renewed signs one attempt.
type renewed[T token] struct {
	opaque
	account *renewer[T]
	token   *lease[T]
}

var _ engine.RenewedSigner = renewed[oauthToken]{}

// Sign sets the token and seals.
func (s renewed[T]) Sign(_ context.Context, shaped engine.Shaped, capability *engine.SigningCapability) (engine.Signed, error) {
	lines := shaped.Headers()
	strip(lines)
	s.token.value.put(lines)
	return capability.Seal(shaped)
}

// OnUnauthorized takes the token that has replaced this one, or renews it.
func (s renewed[T]) OnUnauthorized(ctx context.Context, _ *engine.UpstreamError) engine.RetryDecision {
	l, otherwise := s.account.refused(ctx, s.token)
	if l == nil {
		return otherwise
	}
	return engine.Refresh(renewed[T]{account: s.account, token: l})
}

// OnAccepted notes that the token works.
func (s renewed[T]) OnAccepted() { s.token.accept() }
