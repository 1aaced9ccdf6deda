package engine

import (
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/google/uuid"
)

// Exchange is one request on its way through the pipeline. Only the request's goroutine touches it.
type Exchange struct {
	Request   *RequestContext
	Principal *Principal
	Client    Credential // the client's own; empty unless x-sluice-key authenticated the request
	Trace     RoutingTrace
	Upstream  *UpstreamSlot // the last one tried, nil = none
	state     State         // of the dialect of that attempt
	Withheld  *Answer       // an upstream's answer that its dialect lets nobody see, nil = none; its body is closed
	// Dispatched is when the request first went to an upstream, zero = it did not.
	Dispatched time.Time
	Arms       []ArmChoice // of the experiments that it is in
	// Dry is a preview: the pick leaves no trace, and nothing is observed.
	Dry bool

	hashed [16]byte // of Client, zero = not made yet
	asked  Account  // that was looked at last

	veil    veil    // before what all but the client see of an answer
	outcome Outcome // of the latest round trip
	first   Answer  // that came, mostly the only one
}

// State is what the dialect keeps of the latest attempt.
func (x *Exchange) State() *State { return &x.state }

// Candidates are the upstreams that may serve x, sorted by id, with what is known of them now. An error is a *Refusal.
func (g *Generation) Candidates(x *Exchange) ([]UpstreamCandidate, error) {
	out := make([]UpstreamCandidate, 0, len(g.Upstreams))
	health, allowed := g.health(), 0
	a := &x.asked
	forwards := false // the client's credential, and there is none
	nameless := false // the request, and there is who would serve it if it named a model
	var lost error    // of an upstream that would serve, had it its credential
	for _, u := range g.Upstreams {
		if !x.Principal.MayUse(u.ID) {
			continue
		}
		allowed++
		if !u.serves(x.Request.Path) {
			continue
		}
		if u.ForwardsClient && x.Client.Empty() {
			forwards = true
			continue
		}
		if u.Kind.IsCloud() && x.Request.Model == "" { // it has ids of its own, and most have them in the address
			nameless = true
			continue
		}
		if state := u.CredentialState(); state.Reconnect {
			lost = disconnected(u, state)
		} else {
			x.meet(u, a)
			out = append(out, UpstreamCandidate{Upstream: u.Upstream, Vitals: health.Look(a, x.Request.Now)})
		}
	}
	switch {
	case allowed == 0:
		return nil, &Refusal{Code: CodeNoUpstreamAvailable, Message: fmt.Sprintf("principal %q reaches no upstream", x.Principal.Name)}
	case len(out) == 0 && lost != nil:
		return nil, lost
	case len(out) == 0 && forwards:
		return nil, &Refusal{Code: CodeBadKey, Message: fmt.Sprintf("principal %q reaches what serves %s with a credential of the client's own alone: "+
			"send the key as x-sluice-key, and the credential as x-api-key or Authorization: Bearer", x.Principal.Name, x.Request.Path)}
	case len(out) == 0 && nameless:
		return nil, &Refusal{Code: CodeBadBody, Message: fmt.Sprintf("model: Field required: no upstream of principal %q serves %s without one",
			x.Principal.Name, x.Request.Path)}
	case len(out) == 0:
		return nil, &Refusal{Code: CodePathNotServed, Message: fmt.Sprintf("no upstream of principal %q serves %s", x.Principal.Name, x.Request.Path)}
	}
	out, err := g.withNamed(x, out)
	if err == nil && AccountBound(x.Request.Path) {
		out, err = g.inAccount(x, out)
	}
	if err != nil {
		return nil, err
	}
	x.Trace.Candidates = out
	return out, nil
}

func disconnected(u *UpstreamSlot, state CredentialState) error {
	return &Refusal{Code: CodeUpstreamCredential, Message: fmt.Sprintf("upstream %q must be connected anew", u.Name), Cause: errors.New(state.Error)}
}

// chain is the filters that x passes, in order.
func (g *Generation) chain(x *Exchange) []*FilterSlot {
	if x.Principal.OwnFilters {
		return g.OwnFilters[x.Principal]
	}
	return g.Filters
}

// Filter runs the chain over the candidates, each filter on what the one before kept. An error is a *Refusal.
func (g *Generation) Filter(x *Exchange, candidates []UpstreamCandidate) ([]UpstreamCandidate, error) {
	chain := g.chain(x)
	if len(chain) > 0 && x.Trace.Stages == nil {
		x.Trace.Stages = make([]StageDecision, 0, len(chain))
	}
	emptied := "" // who kept nothing, and why
	for i, slot := range chain {
		stage := x.Trace.stage()
		kept, err := slot.Serving(x).run(x, candidates, stage)
		if slot.Shadowing != nil && !x.Dry {
			slot.offer(x, candidates, *stage, err != nil, chain[i+1:], g)
		}
		if err != nil {
			return nil, err
		}
		if len(kept) == 0 && len(candidates) > 0 {
			emptied = fmt.Sprintf("filter %q kept no upstream", stage.Stage)
			if stage.Reason != "" {
				emptied += ": " + stage.Reason
			}
		}
		candidates = kept
	}
	if len(candidates) == 0 {
		return nil, &Refusal{Code: CodeNoUpstreamAfterFilter, Message: emptied}
	}
	return candidates, nil
}

// run calls one filter and applies its decision, or its failure rule, and makes stage the record of it. A *Refusal ends the request.
func (f *FilterSlot) run(x *Exchange, in []UpstreamCandidate, stage *StageDecision) ([]UpstreamCandidate, error) {
	stage.Stage, stage.Script = f.PluginName(), f.Version
	start := time.Now()
	out, err := f.call(x, in)
	stage.Reason, stage.Duration = Cut(out.Reason, MaxReason), x.meter(f.Meter).observe(start, err)
	if err != nil {
		return f.failed(x, in, stage, err)
	}
	if out.Denied {
		stage.Denied = true
		return nil, &Refusal{Code: CodeDeniedByFilter, Message: stage.Reason}
	}
	kept, err := apply(in, out.KeptUpstreamIDs)
	if err != nil {
		return f.failed(x, in, stage, err)
	}
	stage.Kept, stage.Dropped = out.KeptUpstreamIDs, out.PerCandidateReasons
	for i := range stage.Dropped {
		if r := &stage.Dropped[i].Reason; len(*r) > MaxReason { // else it may be a remembered one, which others read
			*r = Cut(*r, MaxReason)
		}
	}
	return kept, nil
}

// failed records why a filter's decision does not count, and lets the candidates pass unless it must be closed.
func (f *FilterSlot) failed(x *Exchange, in []UpstreamCandidate, stage *StageDecision, err error) ([]UpstreamCandidate, error) {
	x.Trace.failed(StageFilter, CodeFilterFailed, x.meter(f.Meter), err)
	stage.Error = Cut(err.Error(), MaxErrorMessage)
	stage.Kept = idsOf(in)
	if f.Policy == FailClosed {
		return nil, &Refusal{Code: CodeFilterFailed, Message: fmt.Sprintf("filter %q failed", stage.Stage), Cause: err}
	}
	return in, nil
}

// meter is where a call counts: nowhere in a preview.
func (x *Exchange) meter(m *Meter) *Meter {
	if x.Dry {
		return &Meter{}
	}
	return m
}

func count(m *Meter, err error) InternalErrorKind {
	if _, ok := errors.AsType[*OutputError](err); ok {
		m.Refuse(scriptErrorOf(err))
		return InternalInvalidOutput
	}
	if isAside(err) {
		return InternalUnavailable
	}
	se := scriptErrorOf(err)
	m.Count(se)
	if se != nil && (se.Budget != "" || se.Trap) {
		return InternalTrap
	}
	return InternalPluginError
}

// OutputVariant says what is wrong with a plugin's decision.
type OutputVariant string

// The ways an output is invalid.
const (
	OutputDuplicate OutputVariant = "duplicate"
	OutputSuperset  OutputVariant = "superset"
	OutputUnknown   OutputVariant = "unknown"
	OutputShape     OutputVariant = "shape" // a wrong type, or no value at all
)

// OutputError is a decision that does not count: a plugin returned something that its hook does not allow.
type OutputError struct {
	Variant OutputVariant
	Reason  string
	Cause   error
}

func (e *OutputError) Error() string { return "invalid output: " + e.Reason }
func (e *OutputError) Unwrap() error { return e.Cause }

// apply cuts the candidates down to the kept ids, in the candidates' order. An error is an *OutputError.
func apply(in []UpstreamCandidate, kept []uuid.UUID) ([]UpstreamCandidate, error) {
	keep := make([]bool, len(in))
	for n, id := range kept {
		i := sort.Search(len(in), func(i int) bool { return !lessID(in[i].ID, id) })
		switch {
		case i < len(in) && in[i].ID == id && keep[i]:
			return nil, &OutputError{Variant: OutputDuplicate, Reason: fmt.Sprintf("upstream %q is kept twice", in[i].Name)}
		case n >= len(in):
			return nil, &OutputError{Variant: OutputSuperset, Reason: fmt.Sprintf("%d ids are kept of %d candidates", len(kept), len(in))}
		case i == len(in) || in[i].ID != id:
			return nil, &OutputError{Variant: OutputUnknown, Reason: fmt.Sprintf("id %s is not a candidate of this request", id)}
		}
		keep[i] = true
	}
	if len(kept) == len(in) {
		return in, nil
	}
	out := make([]UpstreamCandidate, 0, len(kept))
	for i := range in {
		if keep[i] {
			out = append(out, in[i])
		}
	}
	return out, nil
}

func idsOf(c []UpstreamCandidate) []uuid.UUID {
	out := make([]uuid.UUID, len(c))
	for i := range c {
		out[i] = c[i].ID
	}
	return out
}

func lessID(a, b uuid.UUID) bool { return string(a[:]) < string(b[:]) }

// Pick lets the router, or else the strategy, choose one of the kept candidates that take requests now. An error is a *Refusal.
func (g *Generation) Pick(x *Exchange, kept []UpstreamCandidate) (*UpstreamSlot, *DialectSlot, error) {
	able := able(kept)
	if len(able) == 0 {
		return nil, nil, unavailable(kept)
	}
	return g.choose(x, able)
}

func (g *Generation) choose(x *Exchange, kept []UpstreamCandidate) (*UpstreamSlot, *DialectSlot, error) {
	if g.Router != nil {
		return g.route(x, kept)
	}
	slot := g.slot(kept[g.Strategy.Pick(x, kept)].ID)
	x.Trace.Terminal = TerminalDecision{Upstream: slot.Name, By: g.Strategy.Name()}
	return slot, slot.Dialect, nil
}

func (g *Generation) route(x *Exchange, kept []UpstreamCandidate) (*UpstreamSlot, *DialectSlot, error) {
	start := time.Now()
	d, err := g.Router.call(x, kept)
	meter := x.meter(g.Router.Meter)
	meter.observe(start, err)
	if err == nil {
		_, err = apply(kept, []uuid.UUID{d.UpstreamID})
	}
	if err != nil {
		x.Trace.failed(StageRouter, CodeRouterFailed, meter, err)
		return nil, nil, &Refusal{Code: CodeRouterFailed, Message: fmt.Sprintf("router %q chose no upstream", g.Router.Name), Cause: err}
	}
	slot := g.slot(d.UpstreamID)
	x.Trace.Terminal = TerminalDecision{slot.Name, "router", g.Router.Version}
	if d.Dialect != nil {
		return slot, &DialectSlot{Dialect: d.Dialect, Meter: g.Router.Meter}, nil
	}
	return slot, slot.Dialect, nil
}

// slot finds an upstream of g by id, which must be there.
func (g *Generation) slot(id uuid.UUID) *UpstreamSlot {
	i := sort.Search(len(g.Upstreams), func(i int) bool { return !lessID(g.Upstreams[i].ID, id) })
	return g.Upstreams[i]
}
