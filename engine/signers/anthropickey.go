package signers

import "sluice/engine"

// AnthropicKey signs with an API key: it sets x-api-key and removes authorization. An empty key is an error.
func AnthropicKey(key string) (engine.SignerFactory, error) {
	if key == "" {
		return nil, missing("anthropic_key: key is empty")
	}
	return fixed{newHeader("x-api-key", key)}, nil
}
