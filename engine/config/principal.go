package config

import (
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"sluice/engine"
	"sluice/engine/keys"
)

func (d *decoder) principal(p *Principal) decode {
	const all = "want at least one item, or no such key to allow all"
	return func(n *yaml.Node) {
		*p = Principal{
			Claims: &engine.Object{},
			Paths:  []string{"/v1/messages", "/v1/messages/count_tokens", "/v1/models*"},
		}
		filters := d.bindings(&p.Filters, "filters[]", "filter")
		var keyNames seen
		got := d.object(n,
			req("name", value(d, &p.Name, ParseName)),
			req("keys", list(d, &p.Keys, func(k *Key) decode { return d.principalKey(k, &keyNames) })),
			opt("disabled", value(d, &p.Disabled, parseBool)),
			opt("claims", d.free(&p.Claims)),
			opt("limits", d.spending(&p.Limits)),
			opt("upstreams", filled(d, &p.Upstreams, d.upstreamName, all)),
			opt("models", filled(d, &p.Models, func(s *string) decode { return value(d, s, parseGlob) }, all)),
			opt("paths", filled(d, &p.Paths, func(s *string) decode { return value(d, s, parsePathGlob) },
				"want at least one path, or no such key for the default")),
			opt("shared_objects", value(d, &p.SharedObjects, parseBool)),
			opt("filters", func(n *yaml.Node) {
				p.OwnFilters = true
				filters(n)
			}),
		)
		d.uniqueName(&d.principals, got["name"], p.Name, "principal")
	}
}

// principalKey reads a hash, or a mapping with one.
func (d *decoder) principalKey(k *Key, names *seen) decode {
	return func(n *yaml.Node) {
		hash := func(n *yaml.Node) {
			hidden(d, &k.Hash, keys.ParseHash)(n)
			if k.Hash != (keys.Hash{}) { // else reported
				d.unique(&d.hashes, n, k.Hash.String(), "a key with this hash")
			}
		}
		if n.Kind == yaml.ScalarNode {
			hash(n)
			return
		}
		got := d.object(n,
			req("hash", hash),
			opt("name", value(d, &k.Name, ParseName)),
			opt("expires", value(d, &k.Expires, parseExpiry)),
			opt("disabled", value(d, &k.Disabled, parseBool)),
			opt("limits", d.spending(&k.Limits)),
		)
		d.uniqueName(names, got["name"], k.Name, "key")
	}
}

// upstreamName reads the name of an upstream that may stand later in the file.
func (d *decoder) upstreamName(name *string) decode {
	read := value(d, name, ParseName)
	return func(n *yaml.Node) {
		read(n)
		d.later = append(d.later, func() {
			if *name == "" || d.upstreams[*name] != nil || len(d.upstreams) == 0 {
				return // or reported
			}
			var written []string // in the file, before substitution
			for _, at := range d.upstreams {
				written = append(written, at.Value)
			}
			slices.Sort(written)
			d.fail(n, "upstreams: unknown upstream %s, want %s", shown(n), wanted(n.Value, written))
		})
	}
}

func parseGlob(s string) (string, error) {
	if s == "" || strings.ContainsAny(s, `[]{}\`) {
		return "", errors.New(`want a text in which only "*" (any run of characters) and "?" (any one) are special`)
	}
	return s, nil
}

func parsePathGlob(s string) (string, error) {
	if !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "*") {
		return "", errors.New(`want a path that begins with "/"`)
	}
	return parseGlob(s)
}
