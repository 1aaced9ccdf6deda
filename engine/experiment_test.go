package engine_test

import (
	"testing"
	"time"

	"sluice/engine"
)

// halves gives every unit its first arm that is not put aside.
type halves struct{ settled []engine.ArmChoice }

func (h *halves) Arms() []engine.ArmChoice {
	return []engine.ArmChoice{{Experiment: h, Arm: 0, Label: "x=a"}, {Experiment: h, Arm: 1, Label: "x=b"}}
}

func (h *halves) Assign(_ *engine.Exchange, aside uint32) engine.ArmChoice {
	if aside&1 != 0 {
		return h.Arms()[1]
	}
	return h.Arms()[0]
}

func (h *halves) Settle(c engine.ArmChoice, _ *engine.Record) { h.settled = append(h.settled, c) }

// trial binds an experiment whose arms keep one upstream each. The first is guarded and overruns while over is set.
func trial(t *testing.T) (w *world, e *halves, over *bool) {
	w, e, over = newWorld(t, upstreamNamed("a"), upstreamNamed("b")), &halves{}, new(bool)
	crew, standings := engine.NewCrew(), &engine.Standings{}
	t.Cleanup(crew.Close)
	first := slot("f", engine.FailOpen, func(c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
		if *over {
			return engine.FilterOutput{}, overrun("steps")
		}
		return keepNamed(c, "a"), nil
	})
	first.Guard = &engine.Guard{Crew: crew, Standing: standings.For("a.star", "1"), Budget: engine.Budget{Time: time.Second}}
	second := slot("f", engine.FailOpen, func(c []engine.UpstreamCandidate) (engine.FilterOutput, error) { return keepNamed(c, "b"), nil })
	w.add(&engine.FilterSlot{Filter: first.Filter, Experiment: e, Arms: []*engine.FilterSlot{first, second}})
	w.transport = echo
	return w, e, over
}

func keepNamed(c []engine.UpstreamCandidate, name string) (out engine.FilterOutput) {
	for i := range c {
		if c[i].Name == name {
			out.KeptUpstreamIDs = append(out.KeptUpstreamIDs, c[i].ID)
		}
	}
	return out
}

func TestAnArmServesInThePlaceOfItsBinding(t *testing.T) {
	w, _, over := trial(t)
	if got := w.serve(t); got != "a" || w.exchange.ArmLabels() != "x=a" || w.exchange.Trace.Stages[0].Stage != "f" {
		t.Errorf("%s serves by %q", got, w.exchange.ArmLabels())
	}
	*over = true
	for range 5 {
		w.serve(t) // the arm fails by the rule of its hook
		if got := w.exchange.ArmLabels(); got != "x=a" {
			t.Fatalf("an arm that fails gives its units to %q", got)
		}
	}
	if got := w.serve(t); got != "b" || w.exchange.ArmLabels() != "x=b" {
		t.Errorf("while the first arm is put aside %s serves by %q", got, w.exchange.ArmLabels())
	}
}

func TestARequestKeepsItsArmFromUpstreamToUpstream(t *testing.T) {
	w := newWorld(t, upstreamNamed("a"), upstreamNamed("b"))
	e, chosen := &halves{}, 0
	for _, u := range w.generation.Upstreams {
		one := &engine.DialectSlot{Dialect: dialectFunc(func(ctx *engine.RequestContext, u *engine.Upstream, b *engine.ShapedRequestBuilder) (engine.Shaped, error) {
			chosen++
			if chosen == 1 {
				return engine.Shaped{}, &engine.DialectError{Reason: "no"}
			}
			return b.Build(engine.DraftOf(ctx, u))
		}), Script: "d.star", Meter: &engine.Meter{}}
		u.Dialect = &engine.DialectSlot{Experiment: e, Arms: []*engine.DialectSlot{one, one}}
	}
	w.transport = echo
	w.serve(t)
	if chosen != 2 || w.exchange.ArmLabels() != "x=a" {
		t.Errorf("%d attempts, by %q", chosen, w.exchange.ArmLabels())
	}
}

func TestAnExperimentCostsARequestOneAllocation(t *testing.T) {
	w, _, _ := trial(t)
	in := []engine.UpstreamCandidate{{Upstream: upstreamNamed("a"), Vitals: &engine.Vitals{}}}
	allocs := func(chain ...*engine.FilterSlot) float64 {
		w.generation.Filters = chain
		return testing.AllocsPerRun(100, func() {
			x := &engine.Exchange{Principal: w.principal, Request: &engine.RequestContext{}}
			if _, err := w.generation.Filter(x, in); err != nil {
				t.Fatal(err)
			}
		})
	}
	bound := w.generation.Filters[0]
	bound.Experiment = fixed{bound.Experiment}
	if with, without := allocs(bound), allocs(bound.Arms[0]); with > without+1 {
		t.Errorf("with an experiment %v allocations, without %v", with, without)
	}
}

// fixed assigns without allocating, as experiments do.
type fixed struct{ engine.Experiment }

func (f fixed) Assign(*engine.Exchange, uint32) engine.ArmChoice {
	return engine.ArmChoice{Experiment: f.Experiment, Label: "x=a"}
}
