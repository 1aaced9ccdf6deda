package main

import (
	"crypto/sha256"
	"fmt"

	"sluice/engine"
	"sluice/engine/config"
)

// bindings is a text that differs where a script would have to be admitted anew: with other budgets, in another place of the config, or where
// it sees something else of that. Keys and credentials are not among it: nobody waits for the probes of scripts who takes a key out.
func (s *scripting) bindings(script string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%v %d\n", s.plan.cfg.Budget, s.plan.cfg.TotalMemory)
	for _, u := range s.uses[script] {
		fmt.Fprintf(h, "%q %v %s %s\n", u.key(), seenBinding(u.binding), seenPrincipal(s.reaching(u)), s.seenUpstreams(u))
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// seenUpstreams is what the use of a script sees of upstreams: of the one whose dialect it is, or of all.
func (s *scripting) seenUpstreams(u *use) string {
	if own := s.concerning(u); own != nil {
		return seenUpstream(own[0])
	}
	if s.everyUpstream == "" {
		h := sha256.New()
		for _, up := range s.plan.upstreams {
			fmt.Fprintln(h, seenUpstream(up))
		}
		s.everyUpstream = fmt.Sprintf("%x", h.Sum(nil))
	}
	return s.everyUpstream
}

func seenUpstream(u *engine.Upstream) string {
	own := *u
	own.BaseURL, own.Labels, own.Roots, own.Account, own.Seat = nil, nil, nil, "", nil
	own.Timeouts, own.Concurrency, own.Queue, own.Breaker = engine.Timeouts{}, 0, engine.Queue{}, engine.Breaker{}
	return fmt.Sprintf("%#v %q %s", own, u.BaseURL, engine.Plain(u.Labels))
}

func seenPrincipal(p *engine.Principal) string {
	own := *p
	own.Claims = nil
	return fmt.Sprintf("%#v %s", own, engine.Plain(p.Claims))
}

func seenBinding(b config.Binding) string {
	values := b.Config
	b.Pos, b.Config = config.Pos{}, nil
	return fmt.Sprintf("%#v %s", b, engine.Plain(values))
}
