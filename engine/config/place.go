package config

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"sluice/engine"
)

// regions are those that go into a host name or a signature, of which a part has at most 63 bytes.
var regions = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// place fills the base URL by kind, and reports what a kind needs to know of where it is.
func (d *decoder) place(u *Upstream, n *yaml.Node, got map[string]*yaml.Node) {
	missing := func(key string) {
		d.fail(n, "upstreams: missing key %q, which kind %s needs", key, u.Kind)
	}
	inName := u.Kind.IsCloud() || u.Signer.Type == SignerAWSSigV4
	switch {
	case u.Kind.IsCloud() && got["region"] == nil:
		missing("region")
		return
	case inName && u.Region != "" && (len(u.Region) > 63 || !regions.MatchString(u.Region)):
		d.fail(got["region"], "region %s: want one such as us-east-1, in small letters", shown(got["region"]))
		return
	case u.Kind == engine.KindVertex && got["project"] == nil:
		missing("project")
	}
	switch {
	case got["base_url"] != nil:
	case u.Kind == engine.KindCustom:
		missing("base_url")
	default:
		u.BaseURL = defaultURL(u.Kind, u.Region)
	}
}

// defaultURL is where a kind of upstream is found, "" for no kind.
func defaultURL(k engine.UpstreamKind, region string) string {
	switch k {
	case engine.KindAnthropicDirect:
		return anthropicURL
	case engine.KindBedrockRuntime:
		if strings.HasPrefix(region, "cn-") {
			return "https://bedrock-runtime." + region + ".amazonaws.com.cn"
		}
		return "https://bedrock-runtime." + region + ".amazonaws.com"
	case engine.KindBedrockMantle:
		return "https://bedrock-mantle." + region + ".api.aws"
	case engine.KindVertex:
		return vertexURL(region)
	}
	return ""
}

func vertexURL(region string) string {
	switch region {
	case "global":
		return "https://aiplatform.googleapis.com"
	case "us", "eu":
		return "https://aiplatform." + region + ".rep.googleapis.com"
	}
	return "https://" + region + "-aiplatform.googleapis.com"
}
