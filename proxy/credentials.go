package proxy

import (
	"strconv"
	"strings"
	"time"

	"sluice/engine"
)

// authenticate finds whose key the request presents.
func authenticate(keys engine.KeyLookup, h *head, now time.Time) *engine.Refusal {
	key, others, own := presented(h.lines)
	if key == "" {
		return refuse(engine.CodeBadKey, "no key: send it as x-sluice-key, x-api-key or Authorization: Bearer")
	}
	grant, err := keys.Lookup(key, now)
	if err != nil {
		return refusalOf(err)
	}
	for _, other := range others {
		if known, err := keys.Lookup(other, now); known.Principal != nil || err == nil {
			return refuse(engine.CodeBadKey, "two different keys were presented")
		}
	}
	p := grant.Principal
	h.key, h.principal, h.keyID, h.limiter, h.ends = key, p, grant.KeyID, grant.Limiter, grant.Expires
	if p.Disabled {
		return refuseDisabled(p)
	}
	if own {
		h.client = clientCredential(h.lines, key)
	}
	return nil
}

func refuseDisabled(p *engine.Principal) *engine.Refusal {
	return refuse(engine.CodePrincipalDisabled, "principal %q is disabled", p.Name)
}

// presented returns the key that counts and those beside it that differ. own is true where x-sluice-key brought it, so that the
// other credentials are the client's own.
func presented(lines engine.Headers) (key string, others []string, own bool) {
	take := func(v string) {
		switch {
		case v == "" || v == key:
		case key == "":
			key = v
		default:
			others = append(others, v)
		}
	}
	for v := range lines.All("x-sluice-key") {
		take(v)
		own = true
	}
	if own && key == "" {
		return "", nil, true
	}
	for v := range lines.All("x-api-key") {
		take(v)
	}
	for v := range lines.All("authorization") {
		if scheme, token, ok := strings.Cut(v, " "); ok && engine.EqualFold(scheme, "bearer") {
			take(trimBlank(token))
		}
	}
	return key, others, own
}

// withoutKey is a path of a head whose key was not read, or nothing where a part of it looks like a key.
func withoutKey(path string) string {
	if strings.Contains(path, "/sk-") {
		return ""
	}
	return path
}

// holdsKey reports whether part of an address holds the key, plain or percent-encoded.
func holdsKey(part, key string) bool {
	return strings.Contains(part, key) || strings.Contains(part, "%") && strings.Contains(unescaped(part), key)
}

// unescaped reads what is percent-encoded, and leaves the rest: one wrong escape must not hide the others.
func unescaped(part string) string {
	out := make([]byte, 0, len(part))
	for len(part) > 0 {
		if len(part) >= 3 && part[0] == '%' {
			if b, err := strconv.ParseUint(part[1:3], 16, 8); err == nil {
				out, part = append(out, byte(b)), part[3:]
				continue
			}
		}
		out, part = append(out, part[0]), part[1:]
	}
	return string(out)
}
