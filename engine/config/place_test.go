package config

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"sluice/engine"
)

func TestEachKindHasItsHost(t *testing.T) {
	t.Parallel()
	f := func(kind engine.UpstreamKind, region, want string) {
		t.Helper()
		if got := defaultURL(kind, region); got != want {
			t.Errorf("%s in %q: %s, want %s", kind, region, got, want)
		}
	}
	f(engine.KindAnthropicDirect, "", "https://api.anthropic.com")
	f(engine.KindBedrockRuntime, "us-east-1", "https://bedrock-runtime.us-east-1.amazonaws.com")
	f(engine.KindBedrockRuntime, "cn-north-1", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn")
	f(engine.KindBedrockMantle, "eu-west-1", "https://bedrock-mantle.eu-west-1.api.aws")
	f(engine.KindVertex, "global", "https://aiplatform.googleapis.com")
	f(engine.KindVertex, "eu", "https://aiplatform.eu.rep.googleapis.com")
	f(engine.KindVertex, "europe-west1", "https://europe-west1-aiplatform.googleapis.com")
	f(engine.KindCustom, "", "")
}

func TestACloudNeedsToKnowWhere(t *testing.T) {
	t.Parallel()
	f := func(u Upstream, want string) {
		t.Helper()
		d, n := &decoder{}, &yaml.Node{}
		got := map[string]*yaml.Node{}
		for key, text := range map[string]string{"region": u.Region, "project": u.Project} {
			if text != "" {
				got[key] = &yaml.Node{Value: text}
			}
		}
		d.place(&u, n, got)
		d.signs(&u, n, got)
		var problems []string
		for _, p := range d.problems {
			problems = append(problems, p.Message)
		}
		if all := strings.Join(problems, "; "); all != want {
			t.Errorf("%+v: %s, want %s", u, all, want)
		}
	}
	f(Upstream{Kind: engine.KindVertex}, `upstreams: missing key "region", which kind vertex needs`)
	f(Upstream{Kind: engine.KindVertex, Region: "global"}, `upstreams: missing key "project", which kind vertex needs`)
	f(Upstream{Kind: engine.KindVertex, Region: "global", Project: "p"}, "")
	f(Upstream{Kind: engine.KindBedrockRuntime, Region: "us-east-1.evil.example/"},
		`region "us-east-1.evil.example/": want one such as us-east-1, in small letters`)
	f(Upstream{Kind: engine.KindBedrockMantle, Region: "us-east-1", Signer: Signer{Type: SignerAWSSigV4}}, "")
	f(Upstream{Kind: engine.KindBedrockMantle, Signer: Signer{Type: SignerAWSSigV4}}, `upstreams: missing key "region", which kind bedrock_mantle needs`)
}

func TestASignerTakesWhatItsUpstreamTells(t *testing.T) {
	t.Parallel()
	d := &decoder{}
	for kind, want := range map[engine.UpstreamKind]string{engine.KindBedrockRuntime: "bedrock", engine.KindBedrockMantle: "bedrock-mantle"} {
		u := Upstream{Kind: kind, Region: "r", Signer: Signer{Type: SignerAWSSigV4}}
		if d.signs(&u, &yaml.Node{}, nil); u.Signer.Service != want {
			t.Errorf("%s is signed for %q, want %q", kind, u.Signer.Service, want)
		}
	}
	u := Upstream{Kind: engine.KindAnthropicDirect, BaseURL: "https://a.example/x", Signer: Signer{Type: SignerAnthropicOAuth}}
	if d.signs(&u, &yaml.Node{}, nil); u.Signer.TokenURL != "https://a.example/x/v1/oauth/token" {
		t.Errorf("token_url is %q", u.Signer.TokenURL)
	}
}
