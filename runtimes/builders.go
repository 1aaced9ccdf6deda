package runtimes

import (
	"bytes"
	"sort"

	"sluice/engine"
	"sluice/engine/body"
)

// Builders make host values for tests, probes and fixtures: the sample, with the documented fields that are given. fields is a Map, or
// Nil for the sample as it is. An unknown field is an error with the near miss.

// NewCtx makes a request of its own. c lends its Codec. Where the body is given, what is read from a body is read from it, unless it is
// given too.
func NewCtx(c *Call, fields Value) (*Call, error) {
	made := &Call{Hook: c.Hook, Request: SampleRequest(), Now: sampleNow, Codec: c.Codec, Patterns: c.Patterns}
	if fields.Kind == Map {
		if b, ok := fields.Ref.(Mapper).Get("body"); ok {
			if err := TypeCtx.put(made, "body", b); err != nil {
				return nil, err
			}
			readBody(made.Request)
		}
	}
	return made, build(TypeCtx, made, fields)
}

// readBody takes what a request's body says of it.
func readBody(r *engine.RequestContext) {
	r.Model, r.Stream, r.MaxTokens, r.ServiceTier = "", false, 0, ""
	top, err := body.Scan(r.Body)
	if err != nil {
		return
	}
	get := func(key string) body.Value { v, _ := top.Get(key); return v }
	r.Model, _ = get("model").Text()
	r.Stream, _ = get("stream").Bool()
	r.MaxTokens, _ = get("max_tokens").Int()
	r.ServiceTier, _ = get("service_tier").Text()
}

// NewPrincipal makes a principal. Its id is its name unless that is given too.
func NewPrincipal(fields Value) (*engine.Principal, error) {
	p := SamplePrincipal()
	p.ID = ""
	err := build(TypePrincipal, p, fields)
	if p.ID == "" {
		p.ID = p.Name
	}
	return p, err
}

// NewCandidate makes a candidate of its own. Its id follows from its name unless that is given too. Fields may be given it in a fixture's
// "name" as well.
func NewCandidate(c *Call, name string, fields Value) (*Candidate, error) {
	return newUpstream(TypeCandidate, c, name, fields)
}

func newUpstream(t *Type, c *Call, name string, fields Value) (*Candidate, error) {
	if fields.Kind == Map {
		if v, ok := fields.Ref.(Mapper).Get("name"); ok && v.Kind == String {
			name = v.Str
		}
	}
	made := &Candidate{&engine.UpstreamCandidate{Upstream: sampleUpstream(name), Vitals: sampleVitals(c.Now)}, c}
	return made, build(t, made, fields)
}

// sortUpstreams sorts by id, as everything that lists upstreams is.
func sortUpstreams(u []*engine.Upstream) []*engine.Upstream {
	sort.Slice(u, func(i, j int) bool { return bytes.Compare(u[i].ID[:], u[j].ID[:]) < 0 })
	return u
}
