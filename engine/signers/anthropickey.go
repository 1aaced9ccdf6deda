package signers

import "sluice/engine"

// AnthropicKey signs with an API key: it sets x-api-key and removes every other credential. An empty key is an error.
func AnthropicKey(key string) (engine.SignerFactory, error) {
	if key == "" {
		return nil, missing("anthropic_key: key is empty")
	}
	return fixed{signer: newHeader("x-api-key", key)}, nil
}
