package signers

import "sluice/engine"

// Bearer signs with a bearer token: it sets authorization and removes every other credential. An empty token is an error.
func Bearer(token string) (engine.SignerFactory, error) {
	if token == "" {
		return nil, missing("bearer: token is empty")
	}
	return fixed{signer: newHeader("authorization", "Bearer "+token)}, nil
}
