package config

import (
	"errors"
	"slices"

	"go.yaml.in/yaml/v3"

	"sluice/engine"
)

// signerKeys are the keys that a type of signer takes besides its type.
type signerKeys struct{ required, optional []string }

func (k signerKeys) all() []string { return slices.Concat(k.required, k.optional) }

var signerTypes = map[string]signerKeys{
	SignerAnthropicKey:   {required: []string{"key"}},
	SignerAnthropicOAuth: {required: []string{"client_id", "refresh_token"}, optional: []string{"access_token", "token_url"}},
	SignerAWSSigV4:       {optional: []string{"service", "profile", "access_key", "secret_key", "session_token"}},
	SignerBearer:         {required: []string{"token"}},
	SignerForward:        {},
	SignerGCPOAuth:       {optional: []string{"credentials_file"}},
}

func (d *decoder) signer(s *Signer) decode {
	fields := []field{
		req("type", enum(d, &s.Type,
			SignerAnthropicKey, SignerAnthropicOAuth, SignerAWSSigV4, SignerBearer, SignerForward, SignerGCPOAuth)),
		opt("key", hidden(d, &s.Key, parseSecret)),
		opt("token", hidden(d, &s.Token, parseSecret)),
		opt("client_id", hidden(d, &s.ClientID, parseText)),
		opt("access_token", hidden(d, &s.AccessToken, parseSecret)),
		opt("refresh_token", hidden(d, &s.RefreshToken, parseSecret)),
		opt("token_url", hidden(d, &s.TokenURL, parseBaseURL)),
		opt("service", func(n *yaml.Node) {
			s.Service = "given" // if it cannot be used, it is not missing as well
			value(d, &s.Service, parseService)(n)
		}),
		opt("profile", value(d, &s.Profile, parseText)),
		opt("access_key", hidden(d, &s.AccessKey, parseSecret)),
		opt("secret_key", hidden(d, &s.SecretKey, parseSecret)),
		opt("session_token", hidden(d, &s.SessionToken, parseSecret)),
		opt("credentials_file", value(d, &s.CredentialsFile, parseFile)),
	}
	return func(n *yaml.Node) {
		s.Pos = posOf(n)
		hintOf(n, fields)
		got := d.object(n, fields...)
		own, known := signerTypes[s.Type]
		if got == nil || !known {
			return
		}
		d.signerKeys(n, s.Type, own, got)
		if s.Type == SignerAWSSigV4 {
			d.awsKeys(got)
		}
	}
}

// hintOf lets hints name no keys but those of the type that n asks for.
func hintOf(n *yaml.Node, fields []field) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if own, known := signerTypes[n.Content[i+1].Value]; known && n.Content[i].Value == "type" {
			for i := range fields {
				fields[i].unlisted = fields[i].name != "type" && !slices.Contains(own.all(), fields[i].name)
			}
		}
	}
}

// signerKeys reports the keys that a type lacks, and those that are another's.
func (d *decoder) signerKeys(n *yaml.Node, kind string, own signerKeys, got map[string]*yaml.Node) {
	for _, key := range own.required {
		if got[key] == nil {
			d.fail(n, "signer: missing key %q, which type %s needs", key, kind)
		}
	}
	for _, other := range signerTypes {
		for _, key := range other.all() {
			if got[key] == nil || slices.Contains(own.all(), key) {
				continue
			}
			want := "type alone"
			if len(own.all()) > 0 {
				want = wanted(key, own.all())
			}
			d.fail(got[key], "signer: key %q is not for type %s, want %s", key, kind, want)
		}
	}
}

// awsKeys reports keys of an AWS signer that do not go together.
func (d *decoder) awsKeys(got map[string]*yaml.Node) {
	for key, with := range map[string]string{"access_key": "secret_key", "secret_key": "access_key", "session_token": "access_key"} {
		if got[key] != nil && got[with] == nil {
			d.fail(got[key], "signer: %q without %q, want both or neither", key, with)
		}
	}
	if got["profile"] != nil && got["access_key"] != nil {
		d.fail(got["profile"], `signer: "profile" beside "access_key", want one of them`)
	}
}

// parseService lists all names at a slip: none of them is near "bedrock-runtime", the host that one of them is for.
func parseService(s string) (string, error) {
	switch s {
	case "bedrock", "bedrock-mantle", "aws-external-anthropic":
		return s, nil
	}
	return "", errors.New("want bedrock, bedrock-mantle or aws-external-anthropic")
}

// signs fills what an upstream's signer takes from the upstream, and reports what it needs of it.
func (d *decoder) signs(u *Upstream, n *yaml.Node, got map[string]*yaml.Node) {
	s := &u.Signer
	switch s.Type {
	case SignerAnthropicOAuth:
		if s.TokenURL == "" && u.BaseURL != "" {
			s.TokenURL = u.BaseURL + "/v1/oauth/token"
		}
		if isPlain(s.TokenURL) && !u.Insecure {
			d.failAt(s.Pos, `signer: token_url: plain http beyond loopback, want https or "insecure: true"`)
		}
	case SignerAWSSigV4:
		if s.Service == "" {
			s.Service = awsServices[u.Kind]
		}
		if s.Service == "" && u.Kind != "" {
			d.failAt(s.Pos, `signer: missing key "service", which type aws_sigv4 needs for kind `+string(u.Kind))
		}
		if got["region"] == nil && !u.Kind.IsCloud() {
			d.fail(n, `upstreams: missing key "region", which signer aws_sigv4 needs`)
		}
	}
}

// awsServices are the names under which requests to a kind of upstream are signed.
var awsServices = map[engine.UpstreamKind]string{
	engine.KindBedrockRuntime: "bedrock",
	engine.KindBedrockMantle:  "bedrock-mantle",
}
