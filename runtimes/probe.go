package runtimes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"sluice/engine"
)

// probeAll calls each hook once in each binding, through the interfaces of the engine, with a sample request and the config's own
// upstreams. What a hook decides is its own affair; that it fails is not. A budget that runs out ends it, and so does the time that all have
// together: files that are known serve on then, others are refused. So do they where there is no room to load them beside what serves, or, in a
// process that starts, one is late that was made before.
func (a *Admission) probeAll(functions []Function, out *Admitted) {
	over := time.Now().Add(a.suite())
	for i := range a.Bindings {
		b := &a.Bindings[i]
		what := a.what(b)
		if time.Now().After(over) {
			if !a.Known {
				out.fail(a.Path, fmt.Errorf("the probes took longer than %v together, that of %s and what follows did not run", a.suite(), what))
			}
			return
		}
		err := a.probeOnce(b, what)
		for again := 1; late(err) && again < a.tries(); again++ {
			err = a.probeOnce(b, what)
		}
		switch {
		case err == nil || a.Served && late(err) || a.Known && noRoom(err) || a.forgives(err):
		case wasAbandoned(err):
			out.fail(a.Path, err)
			return
		default:
			out.Errors = append(out.Errors, named(what, a.probeError(functions, b.Slot, err)))
		}
		if out.stuck() {
			return
		}
	}
}

// tries is how often a late probe is made: a busy machine may have had no time for it. It has another chance where there is nothing to go on with.
func (a *Admission) tries() int {
	if a.Restart && !a.Served {
		return 3
	}
	return 2
}

func (a *Admission) probeOnce(b *Binding, what string) error {
	_, err := within(a, "the probe of "+what, func() (struct{}, error) { return struct{}{}, a.probe(b) })
	return err
}

// late reports whether a script was ended by the clock.
func late(err error) bool { return endedBy("time", err) && !wasAbandoned(err) }

func endedBy(budget string, err error) bool {
	var e *engine.ScriptError
	return errors.As(err, &e) && e.Budget == budget
}

// noRoom reports whether a script could not be loaded since all calls, or what other top levels left, hold the memory for it.
func noRoom(err error) bool {
	var e *engine.RuntimeError
	return errors.As(err, &e) && e.Variant == engine.RuntimeLoadFailed && endedBy(engine.BudgetTotalMemory, err)
}

// probeError places an error. Invalid output stands at the hook that gave it, whose name it begins with.
func (a *Admission) probeError(functions []Function, slot engine.SlotKind, err error) *engine.ScriptError {
	var output *engine.OutputError
	var script *engine.ScriptError
	if errors.As(err, &script) {
		return script
	}
	e := &engine.ScriptError{File: a.Path, Message: err.Error()}
	if errors.As(err, &output) {
		e.Message = output.Reason
		for _, name := range slotHooks(slot) {
			if f := find(functions, name); f != nil && strings.HasPrefix(output.Reason, name+" ") {
				e.Line, e.Column = f.Line, f.Column
			}
		}
	}
	return e
}

func (a *Admission) probe(b *Binding) error {
	switch b.Slot {
	case engine.SlotFilter:
		return a.probeFilter(b)
	case engine.SlotRouter:
		return a.probeRouter(b)
	case engine.SlotDialect:
		return a.probeDialect(b)
	case engine.SlotObserver:
		return a.probeObserver(b)
	}
	return fmt.Errorf("slot %q has no probe", b.Slot)
}

func (a *Admission) probeFilter(b *Binding) error {
	f, err := a.Language.InstantiateFilter(b.Manifest)
	if err != nil {
		return err
	}
	_, err = f.Filter(SampleRequest(), b.principal(), b.candidates())
	return err
}

func (a *Admission) probeRouter(b *Binding) error {
	r, err := a.Language.InstantiateRouter(b.Manifest)
	if err != nil {
		return err
	}
	_, err = r.Route(SampleRequest(), b.principal(), b.candidates())
	return err
}

func (a *Admission) probeDialect(b *Binding) error {
	d, err := a.Language.InstantiateDialect(b.Manifest)
	if err != nil {
		return err
	}
	p := *b.principal()
	p.Upstreams = nil // an upstream's dialect is tried whoever reaches it
	for _, c := range observed(b.upstreams()) {
		sent, err := Shape(d, SampleRequest(), &p, c)
		if err != nil {
			return err
		}
		if err := probeAnswer(d, sent); err != nil {
			return err
		}
	}
	for _, status := range []int{429, 0} {
		body := []byte(`{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your rate limit."}}`)
		if _, err := d.NormalizeError(status, engine.Headers{{Name: "content-type", Value: "application/json"}}, body); err != nil {
			return err
		}
	}
	return nil
}

func (a *Admission) probeObserver(b *Binding) error {
	o, err := a.Language.InstantiateObservability(b.Manifest)
	if err != nil {
		return err
	}
	only, choosy := o.(interface{ Wants(kind string) bool })
	for i := range eventKinds {
		ev, err := eventKinds[i].make(Value{})
		if err == nil && choosy && !only.Wants(ev.Kind()) {
			continue
		}
		if err == nil {
			err = o.Observe(ev)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *Binding) principal() *engine.Principal {
	if b.Principal != nil {
		return b.Principal
	}
	return SamplePrincipal()
}

// upstreams are those of the config that the binding is about.
func (b *Binding) upstreams() []*engine.Upstream {
	switch {
	case len(b.Upstreams) > 0:
		return b.Upstreams
	case len(b.Manifest.Upstreams) > 0:
		return b.Manifest.Upstreams
	}
	return SampleUpstreams()
}

// candidates are the upstreams that the principal reaches, or all where that is none.
func (b *Binding) candidates() []engine.UpstreamCandidate {
	var reached []*engine.Upstream
	for _, u := range b.upstreams() {
		if b.principal().MayUse(u.ID) {
			reached = append(reached, u)
		}
	}
	if len(reached) == 0 {
		reached = b.upstreams()
	}
	return observed(reached)
}

// observed makes candidates of upstreams, as if each had served for a while.
func observed(upstreams []*engine.Upstream) []engine.UpstreamCandidate {
	out := make([]engine.UpstreamCandidate, len(upstreams))
	for i, u := range upstreams {
		out[i] = engine.UpstreamCandidate{Upstream: u, Vitals: sampleVitals(sampleNow)}
	}
	sortCandidates(out)
	return out
}

func sortCandidates(c []engine.UpstreamCandidate) {
	sort.Slice(c, func(i, j int) bool { return bytes.Compare(c[i].ID[:], c[j].ID[:]) < 0 })
}

// Shape runs one request through the pipeline of the engine to one upstream and returns what would be sent, unsigned by any credential.
// The trace tells what was dropped. An error holds the dialect's own.
func Shape(d engine.Dialect, r *engine.RequestContext, p *engine.Principal, to engine.UpstreamCandidate) (*Sent, error) {
	first, err := engine.NewStrategy("first-pick", 1)
	if err != nil {
		return nil, err
	}
	slot := &engine.UpstreamSlot{Upstream: to.Upstream, Signers: noCredential{},
		Dialect: &engine.DialectSlot{Dialect: d, Script: "probe", Meter: &engine.Meter{}}}
	g := &engine.Generation{Upstreams: []*engine.UpstreamSlot{slot}, Strategy: first, Vitals: fixedVitals{to.Vitals}}
	x := &engine.Exchange{Request: r, Principal: p, Dry: true}
	r.Attempt = max(0, r.Attempt-1) // the pipeline counts it up
	sent := &Sent{}
	answer, err := g.Serve(context.Background(), x, engine.TransportFunc(func(_ context.Context,
		s engine.Signed) (*engine.Response, error) {
		sent.Signed = s
		return &engine.Response{Status: 204, Body: io.NopCloser(bytes.NewReader(nil))}, nil
	}))
	if err != nil {
		return nil, err
	}
	sent.Trace, sent.State = x.Trace, x.State()
	return sent, answer.Body.Close()
}

// Sent is a request that was shaped and not dispatched.
type Sent struct {
	engine.Signed
	Trace engine.RoutingTrace
	State *engine.State // what the dialect keeps of the attempt
}

type fixedVitals struct{ v *engine.Vitals }

func (f fixedVitals) Vitals(*engine.Upstream, time.Time) *engine.Vitals { return f.v }

// noCredential seals what it is given as it is.
type noCredential struct{}

func (noCredential) Build(context.Context, *engine.Upstream) (engine.Signer, error) {
	return noCredential{}, nil
}

func (noCredential) Sign(_ context.Context, s engine.Shaped, seal *engine.SigningCapability) (engine.Signed, error) {
	return seal.Seal(s)
}

func (noCredential) OnUnauthorized(context.Context, *engine.UpstreamError) engine.RetryDecision {
	return engine.Fail
}
