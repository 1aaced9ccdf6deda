package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Missing notes what scripts look for in a request that was made of a row of the ledger, and that no row keeps. It may be used by many goroutines.
type Missing struct {
	mu       sync.Mutex
	bodyRead bool
	bodyPath string // where it was looked at first
	headers  []string
}

var errNotRecorded = errors.New("bodies are not recorded")

// Body notes that the body is looked at, and where, unless m is nil. It is an error, which ends the call: what it would decide is not known.
func (m *Missing) Body(path string) error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.bodyRead {
		m.bodyRead, m.bodyPath = true, path
	}
	return errNotRecorded
}

// Header notes that a header is looked for which the row does not have: the request may have had none, or no script read it then.
func (m *Missing) Header(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Contains(m.headers, name) {
		m.headers = append(m.headers, name)
	}
}

// Headers are the names of headers that were looked for, "*" = all there are.
func (m *Missing) Headers() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.headers)
}

// body is where the body was looked at first.
func (m *Missing) body() (path string, read bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bodyPath, m.bodyRead
}

// BodyReadError is a decision that cannot be replayed: a script reads the body.
type BodyReadError struct{ Script, Path string }

// Error is "SCRIPT: not replayable: it reads the body at PATH, and bodies are not recorded".
func (e *BodyReadError) Error() string {
	at := "as a whole"
	if e.Path != "" {
		at = fmt.Sprintf("at %q", e.Path)
	}
	return fmt.Sprintf("%s: not replayable: it reads the body %s, and %v", e.Script, at, errNotRecorded)
}

// Again makes the exchange of a row, for Replay. Its body is missing.
func (r *Record) Again(p *Principal) *Exchange {
	return &Exchange{Principal: p, Dry: true, Request: &RequestContext{RequestID: r.RequestID, SessionID: r.SessionID, Method: r.Method, Path: r.Path,
		Query: r.Inputs.Query, Headers: r.Inputs.Headers, Missing: &Missing{}, Model: r.Model, Stream: r.Stream, MaxTokens: r.Inputs.MaxTokens,
		ServiceTier: r.Inputs.ServiceTier, Now: r.Started, Seed: SeedOf(r.RequestID)}}
}

// ErrUpstreamGone is of a row with an upstream that the generation does not have.
var ErrUpstreamGone = errors.New("an upstream of that time is gone")

// Decision is what a chain comes to.
type Decision struct {
	Kept   []UpstreamCandidate
	Picked string // "" = nobody
}

// Replay decides about a row's request again, by its trace. Filters that anew holds for are asked. Of the others it is known what they
// decided, so that they are asked only if what they are given is not what they were given then. x is as Again made it, and gets the stages of
// those that were asked. An error is ErrUpstreamGone or a *BodyReadError.
func (g *Generation) Replay(x *Exchange, was *RoutingTrace, anew func(*FilterSlot) bool) (before, after Decision, err error) {
	in, err := g.present(was.Candidates)
	if err != nil {
		return before, after, err
	}
	x.Trace.Candidates = in
	past := history(was, in)
	before = Decision{past.end, pickedFirst(was)}
	after.Kept = in
	refused := false
	for _, slot := range g.chain(x) {
		stage, known := past.of(slot.PluginName(), after.Kept)
		if known && !anew(slot) {
			after.Kept = stage.out
			refused = stage.decision.Denied
		} else {
			serving := slot.Serving(x)
			var decision StageDecision
			kept, failed := serving.run(x, after.Kept, &decision)
			if path, read := x.Request.Missing.body(); read {
				return before, after, &BodyReadError{serving.Script, path}
			}
			x.Trace.Stages = append(x.Trace.Stages, decision)
			after.Kept, refused = kept, failed != nil
		}
		if refused || len(after.Kept) == 0 {
			after.Kept = nil
			return before, after, nil
		}
	}
	if slices.EqualFunc(before.Kept, after.Kept, sameUpstream) {
		after.Picked = before.Picked
		return before, after, nil
	}
	if slot, _, err := g.Pick(x, after.Kept); err == nil {
		after.Picked = slot.Name
	}
	return before, after, nil
}

// present gives candidates of a row what the config says of them.
func (g *Generation) present(past []UpstreamCandidate) ([]UpstreamCandidate, error) {
	out := slices.Clone(past)
	for i := range out {
		at := slices.IndexFunc(g.Upstreams, func(u *UpstreamSlot) bool { return u.ID == out[i].ID })
		if at < 0 {
			return nil, ErrUpstreamGone
		}
		out[i].Upstream = g.Upstreams[at].Upstream
	}
	return out, nil
}

// pickedFirst is who was picked before anybody had failed.
func pickedFirst(t *RoutingTrace) string {
	switch {
	case len(t.Attempts) > 0:
		return t.Attempts[0].Upstream
	case t.Terminal.Upstream != "":
		return t.Terminal.Upstream
	}
	return ""
}

// pastStage is what one filter was given, and what it kept.
type pastStage struct {
	decision *StageDecision
	in, out  []UpstreamCandidate
}

type pastChain struct {
	stages []pastStage
	end    []UpstreamCandidate // what the chain kept, nil = nothing
}

func history(t *RoutingTrace, in []UpstreamCandidate) (past pastChain) {
	for i := range t.Stages {
		s := &t.Stages[i]
		out, err := apply(in, s.Kept)
		if err != nil || s.Denied {
			out = nil
		}
		past.stages = append(past.stages, pastStage{s, in, out})
		in = out
	}
	past.end = in
	return past
}

// of is the stage of a name, if it was given the same.
func (p *pastChain) of(name string, in []UpstreamCandidate) (*pastStage, bool) {
	for i := range p.stages {
		if s := &p.stages[i]; s.decision.Stage == name && slices.EqualFunc(s.in, in, sameUpstream) {
			return s, true
		}
	}
	return nil, false
}

// Compared says how decisions differ, given the stages of the second. was is the trace of the first.
func (d *Decision) Compared(after *Decision, was *RoutingTrace, stages []StageDecision) Likeness {
	same := slices.EqualFunc(d.Kept, after.Kept, sameUpstream)
	switch {
	case d.Picked != after.Picked:
		return OtherPick
	case !same:
		return OtherKept
	}
	for i := range stages {
		for j := range was.Stages {
			if a, b := &was.Stages[j], &stages[i]; a.Stage == b.Stage && (a.Reason != b.Reason || !sameReasons(a.Dropped, b.Dropped)) {
				return OtherReasons
			}
		}
	}
	return SameDecision
}
