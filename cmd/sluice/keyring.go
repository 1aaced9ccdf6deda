package main

import (
	"errors"
	"fmt"
	"time"

	"sluice/engine"
	"sluice/engine/config"
	"sluice/engine/keys"
	"sluice/engine/limits"
)

// ring finds by a key what it opens.
type ring struct{ *keys.Ring[engine.Grant] }

func (b *builder) newRing(p *plan) (ring, error) {
	var entries []keys.Entry[engine.Grant]
	for i := range p.cfg.Principals {
		c := &p.cfg.Principals[i]
		for _, k := range c.Keys {
			grant := engine.Grant{Principal: p.principals[i], KeyID: k.Hash.Short(), Expires: k.Expires}
			holder := limits.Holder{Principal: c.Name, Rules: rules(c.Limits), Key: grant.KeyID, KeyRules: rules(k.Limits)}
			if set := b.spending.Set(holder, p.prices); set != nil {
				grant.Limiter = set
			}
			entries = append(entries, keys.Entry[engine.Grant]{Hash: k.Hash, Name: k.Name, Principal: grant, Expires: k.Expires, Disabled: k.Disabled})
		}
	}
	r, err := keys.NewRing(entries)
	return ring{r}, err
}

func rules(configured []config.Limit) []limits.Rule {
	out := make([]limits.Rule, len(configured))
	for i, l := range configured {
		out[i] = limits.Rule{Kind: limits.Kind(l.Kind), Window: l.Window, Max: l.Max}
	}
	return out
}

// Lookup tells what a key opens, or why it opens nothing.
func (r ring) Lookup(key string, now time.Time) (engine.Grant, error) {
	e, err := r.Ring.Lookup([]byte(key), now)
	grant := e.Principal
	switch {
	case errors.Is(err, keys.ErrUnknown):
		return engine.Grant{}, &engine.Refusal{Code: engine.CodeBadKey, Message: "the key is not known"}
	case errors.Is(err, keys.ErrExpired):
		return grant, &engine.Refusal{Code: engine.CodeBadKey, Message: "the key has expired"}
	case err != nil:
		return grant, &engine.Refusal{Code: engine.CodePrincipalDisabled, Message: "the key is disabled"}
	case grant.Principal.Disabled:
		return grant, &engine.Refusal{Code: engine.CodePrincipalDisabled, Message: fmt.Sprintf("principal %q is disabled", grant.Principal.Name)}
	}
	return grant, nil
}
