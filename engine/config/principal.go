package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"sluice/engine"
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
		hash := hidden(d, &k.Hash, parseHash)
		if n.Kind == yaml.ScalarNode {
			hash(n)
			d.unique(&d.hashes, n, k.Hash, "a key with this hash")
			return
		}
		got := d.object(n,
			req("hash", hash),
			opt("name", value(d, &k.Name, ParseName)),
			opt("expires", value(d, &k.Expires, parseExpiry)),
			opt("disabled", value(d, &k.Disabled, parseBool)),
			opt("limits", d.spending(&k.Limits)),
		)
		d.unique(&d.hashes, got["hash"], k.Hash, "a key with this hash")
		d.uniqueName(names, got["name"], k.Name, "key")
	}
}

// parseHash returns the hash in lower case. Its errors hold nothing of the text, which may be a key in the wrong place.
func parseHash(s string) (string, error) {
	digits, ok := strings.CutPrefix(s, "sha256:")
	switch {
	case !ok:
		return "", fmt.Errorf(`%d bytes that do not begin with "sha256:", want the hash that "sluice keys new" prints, not the key`,
			len(s))
	case len(digits) != 64:
		return "", fmt.Errorf(`%d characters after "sha256:", want 64 hex digits`, len(digits))
	}
	if _, err := hex.DecodeString(digits); err != nil {
		return "", errors.New(`a character after "sha256:" that is no hex digit, want 64 hex digits`)
	}
	return strings.ToLower(s), nil
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
