package config

import "go.yaml.in/yaml/v3"

// signerKeys is the one key that each type of signer takes, "" for none.
var signerKeys = map[string]string{
	SignerAnthropicKey: "key",
	SignerBearer:       "token",
	SignerForward:      "",
}

func (d *decoder) signer(s *Signer) decode {
	return func(n *yaml.Node) {
		s.Pos = posOf(n)
		got := d.object(n, "signer",
			req("type", enum(d, &s.Type, "type", SignerAnthropicKey, SignerBearer, SignerForward)),
			opt("key", hidden(d, &s.Key, parseSecret)),
			opt("token", hidden(d, &s.Token, parseSecret)),
		)
		own, known := signerKeys[s.Type]
		if got == nil || !known {
			return
		}
		if own != "" && got[own] == nil {
			d.fail(n, "signer: missing key %q, which type %s needs", own, s.Type)
		}
		for _, key := range []string{"key", "token"} {
			if got[key] != nil && key != own {
				d.fail(got[key], "signer: key %q is not for type %s, want %s", key, s.Type, ownKey(own))
			}
		}
	}
}

func ownKey(own string) string {
	if own == "" {
		return "type alone"
	}
	return own
}
