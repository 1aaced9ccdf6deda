package signers

import (
	"context"
	"fmt"

	"sluice/engine"
)

// Forward passes the client's own x-api-key and authorization on, untouched. Without a client credential it cannot sign.
func Forward() engine.SignerFactory { return forward{} }

// forward is the factory for one request once WithRouterChoice told it the credential.
type forward struct {
	opaque
	client   engine.Credential
	upstream string
}

var _ engine.KeyAwareSignerFactory = forward{}

// WithRouterChoice binds the client's credential of one request.
func (forward) WithRouterChoice(client engine.Credential, upstreamName string) engine.SignerFactory {
	return forward{client: client, upstream: upstreamName}
}

// Build returns the signer of this request.
func (f forward) Build(context.Context, *engine.Upstream) (engine.Signer, error) {
	if f.client.Empty() {
		return nil, missing(fmt.Sprintf("forward: the client sent no credential of its own for upstream %q", f.upstream))
	}
	return f, nil
}

// Sign adds the client's lines as they came and seals.
func (f forward) Sign(_ context.Context, shaped engine.Shaped, capability *engine.SigningCapability) (engine.Signed, error) {
	lines := shaped.Headers()
	strip(lines)
	*lines = append(*lines, f.client.Reveal()...)
	return capability.Seal(shaped)
}

// OnUnauthorized fails: the credential is the client's to refresh.
func (forward) OnUnauthorized(context.Context, *engine.UpstreamError) engine.RetryDecision {
	return engine.Fail
}
